"""Orders of a file into the order table, so that they are shown as they were exported."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from sandbox.woocommerce.metadata import load_meta
from sandbox.woocommerce.orderitems import (
    CouponLine,
    FeeLine,
    Item,
    LineItem,
    LineTax,
    ShippingLine,
    TaxLine,
)
from sandbox.woocommerce.orders import ORDER_BILLING, ORDER_SHIPPING, Order, Refund, RefundNote
from sandbox.woocommerce.orderviews import TEXTS, TOTALS
from sandbox.woocommerce.schema import parse_date
from sandbox.woocommerce.shopdata import ShopDataError
from sandbox.woocommerce.site import Site

Row = Mapping[str, Any]
ItemT = TypeVar("ItemT", bound=Item)

_SHOWN = ("total_tax", "subtotal_tax", "taxes", "price", "sku", "image", "parent_name")


def load_order(row: Row, place: str, site: Site) -> Order:
    """An order from a REST object; raises ShopDataError that begins with `place`."""
    try:
        return _order(row, site)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ShopDataError(f"{place} is no order: {error!r}") from error


def load_refund(row: Row, place: str, site: Site) -> Refund:
    """A refund from a REST object with its order's id as `parent_id`; the same error."""
    try:
        return _refund(row, site)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ShopDataError(f"{place} is no refund: {error!r}") from error


def _refund(row: Row, site: Site) -> Refund:
    created_at = _moment(row, "date_created", site) or site.now()
    body = Order(row["id"], created_at, created_at, "", items=_items(row))
    return Refund(
        order_id=row["parent_id"],
        amount=row.get("amount", "0"),
        reason=row.get("reason", ""),
        body=body,
        refunded_by=row.get("refunded_by", 0),
        is_paid_back=bool(row.get("refunded_payment")),
    )


def _items(row: Row) -> list[Item]:
    items: list[Item] = [
        *(_line(line) for line in row.get("line_items", ())),
        *(_tax_line(line) for line in row.get("tax_lines", ())),
        *(_shipping(line) for line in row.get("shipping_lines", ())),
        *(_fee(line) for line in row.get("fee_lines", ())),
        *(_coupon(line) for line in row.get("coupon_lines", ())),
    ]
    return sorted(items, key=lambda item: item.id)


def _order(row: Row, site: Site) -> Order:
    created_at = _moment(row, "date_created", site) or site.now()
    return Order(
        id=row["id"],
        created_at=created_at,
        modified_at=_moment(row, "date_modified", site) or created_at,
        order_key=row.get("order_key", ""),
        status=row["status"],
        currency=row.get("currency", "EUR"),
        prices_include_tax=bool(row.get("prices_include_tax")),
        customer_id=row["customer_id"],
        billing={name: row.get("billing", {}).get(name, "") for name in ORDER_BILLING},
        shipping={name: row.get("shipping", {}).get(name, "") for name in ORDER_SHIPPING},
        totals={name: row.get(name, "0") for name in TOTALS},
        texts={name: row.get(name, "") for name in (*TEXTS, "cart_hash")},
        paid_at=_moment(row, "date_paid", site),
        completed_at=_moment(row, "date_completed", site),
        meta=load_meta(row.get("meta_data")),
        items=_items(row),
        refunds=[RefundNote(r["id"], r["reason"], r["total"][1:]) for r in row["refunds"]],
        needs_processing=row.get("needs_processing"),
        has_reduced_stock=_has_reduced_stock(row),
        has_counted_sales=row["status"] not in ("pending", "failed", "cancelled"),
    )


def _has_reduced_stock(row: Row) -> bool:
    """Not exported; an order past payment has taken its stock."""
    return row["status"] in ("processing", "completed", "on-hold", "refunded")


def _moment(row: Row, name: str, site: Site) -> datetime | None:
    gmt, local = row.get(f"{name}_gmt"), row.get(name)
    moment = parse_date(gmt or local or "")
    if moment is None:
        return None
    zone = UTC if gmt else site.timezone
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _line(row: Row) -> LineItem:
    line = LineItem(
        name=row["name"] or "",
        product_id=row["product_id"],
        variation_id=row["variation_id"],
        quantity=row["quantity"],
        tax_class=row["tax_class"],
        subtotal=row["subtotal"],
        total=row["total"],
    )
    return _filled(line, row)


def _shipping(row: Row) -> ShippingLine:
    names = ("method_title", "method_id", "instance_id", "total", "tax_status")
    return _filled(ShippingLine(**{name: row[name] for name in names}), row)


def _fee(row: Row) -> FeeLine:
    names = ("name", "tax_class", "tax_status", "total")
    return _filled(FeeLine(**{name: row[name] for name in names}), row)


def _tax_line(row: Row) -> TaxLine:
    line = TaxLine(
        rate_id=row["rate_id"],
        rate_code=row["rate_code"],
        label=row["label"],
        is_compound=row["compound"],
        percent=float(row["rate_percent"] or 0),
        tax_total=row["tax_total"],
        shipping_tax_total=row["shipping_tax_total"],
    )
    return _filled(line, row)


def _coupon(row: Row) -> CouponLine:
    line = CouponLine(
        code=row["code"],
        discount=row["discount"],
        discount_tax=row["discount_tax"],
        discount_type=row.get("discount_type", "fixed_cart"),
        nominal_amount=float(row.get("nominal_amount") or 0),
        is_free_shipping=bool(row.get("free_shipping")),
    )
    return _filled(line, row)


def _filled(item: ItemT, row: Row) -> ItemT:
    item.id = row["id"]
    item.meta = load_meta(row.get("meta_data"))
    item.taxes = {tax["id"]: LineTax(tax["total"], tax["subtotal"]) for tax in row.get("taxes", ())}
    item.shown = {name: row[name] for name in _SHOWN if name in row}
    return item

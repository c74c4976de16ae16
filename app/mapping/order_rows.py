"""Sold lines as the rows of a WooCommerce order: addressed by id, added, or removed."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.mapping.likeness import pair_up
from app.mapping.numbers import amount, decimal_text
from app.mapping.order_lines import SoldLine, woo_fee, woo_line, woo_rows
from app.mapping.order_refs import OrderRefs
from app.woocommerce.schemas import WooRecord

Row = dict[str, Any]
Held = tuple[Mapping[str, Any], SoldLine]

_NEW_SHIPPING = {"method_id": "flat_rate", "method_title": "Shipping"}

_LIKENESS: Sequence[Callable[[SoldLine], Hashable]] = (
    lambda line: line,
    lambda line: (line.product, line.text),
    lambda line: line.product,
)


def paired(
    held: Sequence[Held], wanted: Sequence[SoldLine]
) -> tuple[list[tuple[Mapping[str, Any], SoldLine, SoldLine]], list[Held], list[SoldLine]]:
    """Rows with the line they are to become, rows left over, lines without a row.

    Equal lines first, then those of one product and text, then of one product.
    """
    places = pair_up(wanted, [line for _, line in held], [(each, each) for each in _LIKENESS])
    of_wanted, of_held = (set(side) for side in zip(*places, strict=True)) if places else ((), ())
    return (
        [(*held[there], wanted[here]) for here, there in places],
        [row for place, row in enumerate(held) if place not in of_held],
        [line for place, line in enumerate(wanted) if place not in of_wanted],
    )


def kept_products(
    order: WooRecord, known: Iterable[SoldLine], *, refs: OrderRefs
) -> dict[str, str]:
    """For `OrderRefs.kept`: the products, by line id, that an order's lines had in `known`, the
    lines that both sides agreed on.

    Found by the line's text. Contract page WooCommerce §3: a deleted product's lines show
    product 0 and keep their name.
    """
    products = {line.text: line.product for line in known if line.product}
    lines = [(str(row.get("id")), woo_line(row, refs)) for row in woo_rows(order, "line_items")]
    return {line_id: products[line.text] for line_id, line in lines if line.text in products}


def line_rows(
    current: WooRecord | None, wanted: Sequence[SoldLine], *, refs: OrderRefs
) -> tuple[list[Row], list[SoldLine]]:
    """The `line_items` to send, and the lines that cannot be: their product is not in the shop.

    A row without `id` would be appended, quantity 0 removes (contract page WooCommerce §3;
    recordings order_update_line_items_*).
    """
    rows = woo_rows(current, "line_items") if current else []
    pairs, gone, new = paired([(row, woo_line(row, refs)) for row in rows], wanted)
    changed: list[Row] = [
        {"id": row["id"], **_amounts(line)} for row, now, line in pairs if _differs(now, line)
    ]
    changed += [{"id": row["id"], "quantity": 0} for row, _ in gone]
    unknown = [line for line in new if line.product not in refs.items]
    added = [_new_line(line, refs) for line in new if line.product in refs.items]
    return changed + added, unknown


def _differs(now: SoldLine, line: SoldLine) -> bool:
    return (now.quantity, now.subtotal, now.total) != (line.quantity, line.subtotal, line.total)


def _amounts(line: SoldLine) -> Row:
    return {"quantity": int(line.quantity), "subtotal": line.subtotal, "total": line.total}


def _new_line(line: SoldLine, refs: OrderRefs) -> Row:
    item = refs.items[line.product]
    product = {"product_id": int(item.parent_id or item.id)}
    variation = {"variation_id": int(item.id)} if item.parent_id else {}
    return {**product, **variation, **_amounts(line)}


def fee_rows(current: WooRecord | None, wanted: Sequence[SoldLine]) -> list[Row]:
    """The `fee_lines` to send; a name of null removes one. Negative fees are left alone."""
    rows = [row for row in _rows(current, "fee_lines") if amount(row.get("total")) > 0]
    pairs, gone, new = paired([(row, woo_fee(row)) for row in rows], wanted)
    changed: list[Row] = [
        {"id": row["id"], "name": line.text, "total": line.total}
        for row, now, line in pairs
        if now != line
    ]
    changed += [{"id": row["id"], "name": None} for row, _ in gone]
    return changed + [{"name": line.text, "total": line.total} for line in new]


def shipping_rows(current: WooRecord | None, wanted: str) -> list[Row]:
    """The `shipping_lines` to send so that they come to `wanted`; the first takes the change.

    Recording order_update_shipping_appended: a row without `id` is added.
    """
    rows = list(_rows(current, "shipping_lines"))
    open_amount = Decimal(wanted)
    held = amount(current.data.get("shipping_total")) if current else Decimal(0)
    if held == open_amount:
        return []
    if not rows:
        return [{**_NEW_SHIPPING, "total": decimal_text(open_amount)}]
    first, *others = rows
    rest = sum((amount(row.get("total")) for row in others), Decimal(0))
    if rest <= open_amount:
        return [{"id": first["id"], "total": decimal_text(open_amount - rest)}]
    zeroed = [{"id": row["id"], "total": "0"} for row in others]
    return [{"id": first["id"], "total": decimal_text(open_amount)}, *zeroed]


def _rows(current: WooRecord | None, key: str) -> Iterable[Mapping[str, Any]]:
    return woo_rows(current, key) if current else ()

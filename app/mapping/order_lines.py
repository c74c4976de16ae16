"""What was sold, in one neutral form: the lines, fees and shipping of an order as a JSON text."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from app.json_shapes import rows_of
from app.mapping.markup import markup_text, shown_name
from app.mapping.numbers import amount, canonical_json, decimal_text, rounded
from app.mapping.order_refs import OrderRefs
from app.mapping.text import canonical_text, decode_entities, plain
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord, find_id

FEE_PREFIX = "WooCommerce fee: "
NO_ITEMS = "(no items)"
UNKNOWN_PRODUCT = "unknown"
"""The product of a Vtiger line that does not tell which one it had; no record has such an id."""

_ENTITY_LEVELS = 5


@dataclass(frozen=True, slots=True, order=True)
class SoldLine:
    """One line. `product` is the Vtiger id, deleted products included, "" for a fee, which has no
    quantity, UNKNOWN_PRODUCT where Vtiger does not tell it.

    Amounts are net of tax, for the whole line, as plain decimals: `subtotal` before and `total`
    after the discount. `text` is a name and choice, or a fee's name.
    """

    product: str
    text: str
    quantity: str
    subtotal: str
    total: str


@dataclass(frozen=True, slots=True)
class Sold:
    """The composite value `lines` of an order; `total` includes tax and is never written back."""

    lines: tuple[SoldLine, ...]
    shipping: str
    total: str

    def to_text(self) -> str:
        """Canonical JSON, in an order of its own: the same content is the same text."""
        lines = [asdict(line) for line in sorted(self.lines)]
        return canonical_json({"lines": lines, "shipping": self.shipping, "total": self.total})

    @classmethod
    def from_text(cls, text: str) -> "Sold":
        """What `to_text` wrote."""
        data = json.loads(text)
        lines = tuple(SoldLine(**line) for line in data["lines"])
        return cls(lines, data["shipping"], data["total"])

    @property
    def goods(self) -> tuple[SoldLine, ...]:
        return tuple(line for line in self.lines if line.product)

    @property
    def fees(self) -> tuple[SoldLine, ...]:
        return tuple(line for line in self.lines if not line.product)


def woo_rows(order: WooRecord, key: str) -> list[Mapping[str, Any]]:
    """An order's rows of one kind: `line_items`, `fee_lines`, `shipping_lines`, ..."""
    return rows_of(order.data.get(key))


def product_of(line: Mapping[str, Any], refs: OrderRefs) -> str:
    """The Vtiger product of a WooCommerce line: linked, kept from before, or the placeholder.

    A deleted product shows as 0 (contract page WooCommerce §3).
    """
    variation, product = find_id(line.get("variation_id")), find_id(line.get("product_id"))
    own = refs.products.get(variation or product or "")
    return own or refs.kept.get(str(line.get("id")), refs.placeholder_id)


def line_text(line: Mapping[str, Any]) -> str:
    """A line's name, then each choice that the name does not tell ("Taille: M"), as plain text.

    Recording order_create_full_excl_tax: `meta_data` with `display_key` and `display_value`.
    """
    name = shown_name(str(line.get("name") or ""))
    return "\n".join([name, *(choice for choice in _choices(line) if choice)]).strip()


def _choices(line: Mapping[str, Any]) -> Iterator[str]:
    name = str(line.get("name") or "")
    for row in rows_of(line.get("meta_data")):
        key, value = row.get("display_key"), row.get("display_value")
        if isinstance(key, str) and isinstance(value, str) and not key.startswith("_"):
            shown = plain(markup_text(value))
            yield f"{plain(key)}: {shown}" if shown and shown not in name else ""


def is_sold(line: Mapping[str, Any]) -> bool:
    """Whether a WooCommerce line says anything: a quantity or an amount."""
    return bool(amount(line.get("quantity")) or amount(line.get("total")))


def woo_sold(order: WooRecord, refs: OrderRefs) -> Sold:
    """The composite of a WooCommerce order (recordings order_*).

    Negative fees are in the total alone, as they are in Vtiger.
    """
    goods = (woo_line(line, refs) for line in woo_rows(order, "line_items") if is_sold(line))
    fees = (woo_fee(fee) for fee in woo_rows(order, "fee_lines") if amount(fee.get("total")) > 0)
    return Sold(
        lines=(*goods, *fees),
        shipping=_text(amount(order.data.get("shipping_total"))),
        total=_text(amount(order.data.get("total"))),
    )


def woo_line(line: Mapping[str, Any], refs: OrderRefs) -> SoldLine:
    """One of an order's `line_items`; a subtotal below the total is no discount."""
    quantity = amount(line.get("quantity")) or Decimal(1)
    total = amount(line.get("total"))
    subtotal = amount(line.get("subtotal"))
    if subtotal < total or quantity < 0:
        subtotal = total
    return SoldLine(
        product=product_of(line, refs),
        text=settled(line_text(line)),
        quantity=_text(quantity),
        subtotal=_text(subtotal),
        total=_text(total),
    )


def woo_fee(fee: Mapping[str, Any]) -> SoldLine:
    """One of an order's `fee_lines`."""
    total = _text(amount(fee.get("total")))
    return SoldLine("", settled(fee_name(fee)), "1", total, total)


def fee_name(fee: Mapping[str, Any]) -> str:
    """A fee's name as plain text."""
    return shown_name(str(fee.get("name") or ""))


def vtiger_sold(record: VtigerRecord, refs: OrderRefs) -> Sold:
    """The composite of a Vtiger order, its `LineItems` included (recording
    00-REFERENCE-so-retrieve-full-group).

    Services are fees. A discount of the whole order is spread over the lines, for WooCommerce
    knows none. Amounts have the shop's decimals; the adjustment shows in the total alone.
    """
    lines = [
        _vtiger_line(item, product, refs)
        for item, product in vtiger_items(record, refs)
        if not _is_empty(item, refs)
    ]
    discount = _order_discount(record, lines)
    return Sold(
        lines=tuple(_spread(lines, discount, places=refs.decimals)),
        shipping=_text(rounded(amount(record.get("hdnS_H_Amount")), refs.decimals)),
        total=_text(rounded(amount(record.get("hdnGrandTotal")), refs.decimals)),
    )


def vtiger_items(record: VtigerRecord, refs: OrderRefs) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The LineItems of a Vtiger order, each with the id of its product or service.

    A line whose product was deleted has no productid; the number that the edit screen shows in
    LineItems_FinalDetails is still the product's (recording deleted-product-retrieve).
    """
    details = record.data.get("LineItems_FinalDetails")
    shown = details if isinstance(details, Mapping) else {}
    prefix = refs.placeholder_id.partition("x")[0]
    for at, item in enumerate(rows_of(record.data.get("LineItems")), start=1):
        yield item, product_id_of(item) or _deleted_product(shown.get(str(at)), at, prefix)


def product_id_of(item: Mapping[str, Any]) -> str:
    """The productid of a Vtiger line: "" where the product was deleted ("" in 8.2, null in 8.4)."""
    return str(item.get("productid") or "")


def _deleted_product(details: object, at: int, prefix: str) -> str:
    number = details.get(f"hdnProductId{at}") if isinstance(details, Mapping) else None
    known = find_id(number)
    return f"{prefix}x{known}" if prefix and known else UNKNOWN_PRODUCT


def _is_empty(item: Mapping[str, Any], refs: OrderRefs) -> bool:
    """The line that stands in an order without any, for Vtiger needs one."""
    own = item.get("productid") == refs.placeholder_id and item.get("comment") == NO_ITEMS
    return own and not amount(item.get("listprice"))


def _vtiger_line(item: Mapping[str, Any], product: str, refs: OrderRefs) -> SoldLine:
    quantity = amount(item.get("quantity"))
    gross = quantity * amount(item.get("listprice"))
    off = amount(item.get("discount_amount"))
    net = gross - (off or gross * amount(item.get("discount_percent")) / 100)
    subtotal, total = (_text(rounded(value, refs.decimals)) for value in (gross, net))
    text = settled(str(item.get("comment") or item.get("product_name") or ""))
    if product == refs.fee_service_id or item.get("entity_type") == "Services":
        return SoldLine("", text.removeprefix(FEE_PREFIX), "1", total, total)
    return SoldLine(product, text, _text(quantity), subtotal, total)


def _order_discount(record: VtigerRecord, lines: Iterable[SoldLine]) -> Decimal:
    off = amount(record.get("hdnDiscountAmount"))
    if off:
        return max(off, Decimal(0))
    net = sum((Decimal(line.total) for line in lines), Decimal(0))
    return net * amount(record.get("hdnDiscountPercent")) / 100


def _spread(lines: Sequence[SoldLine], discount: Decimal, *, places: int) -> Iterator[SoldLine]:
    """The lines with the discount taken off in proportion, to the last unit."""
    open_total = sum((max(Decimal(line.total), Decimal(0)) for line in lines), Decimal(0))
    left = rounded(discount, places)
    for line in lines:
        total = max(Decimal(line.total), Decimal(0))
        share = rounded(left * total / open_total, places) if open_total else Decimal(0)
        left, open_total = left - share, open_total - total
        kept = _text(Decimal(line.total) - share)
        yield replace(line, total=kept, subtotal=line.subtotal if line.product else kept)


def decoded_text(text: str) -> str:
    """A text as it is after any number of writes and reads: entities decoded to the last.

    Contract page readback, LineItems.comment: Vtiger decodes named entities on each read.
    """
    for _ in range(_ENTITY_LEVELS):
        decoded = decode_entities(text)
        if decoded == text:
            break
        text = decoded
    return plain(text)


def settled(text: str) -> str:
    """A line's text in the form in which it is compared."""
    return canonical_text(decoded_text(text))


def _text(value: Decimal) -> str:
    return decimal_text(value)

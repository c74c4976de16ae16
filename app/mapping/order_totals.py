"""Whether both orders of a pair say the same, where their texts may differ. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.json_shapes import rows_of
from app.mapping.numbers import amount, decimal_text, rounded
from app.mapping.order_lines import Sold, SoldLine, woo_rows
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

_HALF_CENT = Decimal("0.005")


def same_goods(woo: str, vtiger: str) -> bool:
    """Whether the same products, fees and shipping were sold, their names aside.

    A line that came from Vtiger has the shop's name of the product, not Vtiger's comment.
    """
    mine, theirs = Sold.from_text(woo), Sold.from_text(vtiger)
    return _bare(mine) == _bare(theirs) and amount(mine.shipping) == amount(theirs.shipping)


def _bare(sold: Sold) -> list[SoldLine]:
    return sorted(replace(line, text="") for line in sold.lines)


def adds_up(record: VtigerRecord) -> bool:
    """Whether a Vtiger order has lines and its own total before tax is theirs.

    Vtiger computes one from the other in each write of lines (contract page Vtiger §10; all 237
    orders of sales-orders.jsonl), so an order that does not add up was left half-written.
    """
    items = rows_of(record.data.get("LineItems"))
    net = sum((_net(item) for item in items), Decimal(0))
    off = amount(record.get("hdnDiscountAmount"))
    if not off:
        off = amount(record.get("hdnDiscountPercent")) * amount(record.get("hdnSubTotal")) / 100
    there = net - max(off, Decimal(0)) + amount(record.get("hdnS_H_Amount"))
    return bool(items) and abs(there - amount(record.get("pre_tax_total"))) <= _HALF_CENT


def _net(item: Mapping[str, Any]) -> Decimal:
    gross = amount(item.get("quantity")) * amount(item.get("listprice"))
    off = amount(item.get("discount_amount"))
    return gross - (off or gross * amount(item.get("discount_percent")) / 100)


def total_differences(
    order: WooRecord, record: VtigerRecord, *, places: int
) -> Sequence[tuple[str, str, str]]:
    """`total` and `total_tax` where they are not the same to `places` decimals: name, the shop's,
    Vtiger's.

    Vtiger has no total of its taxes: it is what is left of the grand total without the net
    amounts, as in the shop, whose own `total_tax` may be off that by its rounding (the month's
    orders with round_at_subtotal).
    """
    pairs = [
        ("total", amount(order.data.get("total")), amount(record.get("hdnGrandTotal"))),
        ("total_tax", amount(order.data.get("total_tax")), _tax(order, record)),
    ]
    return [
        (name, decimal_text(mine), decimal_text(theirs))
        for name, mine, theirs in pairs
        if rounded(mine, places) != rounded(theirs, places)
    ]


def _tax(order: WooRecord, record: VtigerRecord) -> Decimal:
    return amount(record.get("hdnGrandTotal")) - _crm_net(order, record) - _rounding(order)


def _crm_net(order: WooRecord, record: VtigerRecord) -> Decimal:
    """Negative fees are in Vtiger's adjustment, which no net amount of it shows."""
    fees = (amount(fee.get("total")) for fee in woo_rows(order, "fee_lines"))
    return amount(record.get("pre_tax_total")) + sum((fee for fee in fees if fee < 0), Decimal(0))


def _rounding(order: WooRecord) -> Decimal:
    """What the shop's total is more than its own parts."""
    rows = [*woo_rows(order, "line_items"), *woo_rows(order, "fee_lines")]
    net = sum((amount(row.get("total")) for row in rows), amount(order.data.get("shipping_total")))
    return amount(order.data.get("total")) - net - amount(order.data.get("total_tax"))

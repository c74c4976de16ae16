"""Whether both orders of a pair say the same, where their texts may differ. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from app.mapping.numbers import amount, decimal_text, rounded
from app.mapping.order_lines import Sold, SoldLine, woo_rows
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord


def same_goods(woo: str, vtiger: str) -> bool:
    """Whether the same products, fees and shipping were sold, their names aside.

    A line that came from Vtiger has the shop's name of the product, not Vtiger's comment.
    """
    mine, theirs = Sold.from_text(woo), Sold.from_text(vtiger)
    return _bare(mine) == _bare(theirs) and amount(mine.shipping) == amount(theirs.shipping)


def _bare(sold: Sold) -> list[SoldLine]:
    return sorted(replace(line, text="") for line in sold.lines)


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

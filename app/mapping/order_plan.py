"""An order's money as one Vtiger write whose grand total is WooCommerce's, to the last digit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.mapping.numbers import amount, decimal_text, rounded
from app.mapping.order_items import LineItem, order_items
from app.mapping.order_keeping import keep_comments, lost_amounts
from app.mapping.order_lines import woo_rows
from app.mapping.order_notes import money_notes
from app.mapping.order_refs import OrderRefs
from app.mapping.order_taxes import OrderTaxes, open_taxes, ratio
from app.mapping.values import FieldNote
from app.mapping.vtiger_totals import INDIVIDUAL, Totals, adjusted, predict
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

GROUP = "group"

_PLACES = 8
_STEP = Decimal(1).scaleb(-_PLACES)
_SHIPPING_PERCENT_PLACES = 6


@dataclass(frozen=True, slots=True)
class MoneyPlan:
    """The money fields of a SalesOrder, and what Vtiger will make of them.

    `fields` is the whole composite (LineItems, productid, tax mode, discount, shipping, currency,
    adjustment), for a create or a revise. `predicted.grand_total` is `wanted`, WooCommerce's
    total. `rest` is what the adjustment holds beside the negative fees: rounding, unless
    `lacking` (taxes by product or service that do not carry them yet) or a note says more.
    """

    fields: dict[str, Any]
    predicted: Totals
    wanted: Decimal
    adjustment: Decimal
    rest: Decimal
    lacking: Mapping[str, frozenset[str]]
    notes: tuple[FieldNote, ...]


def plan_money(order: WooRecord, refs: OrderRefs, *, held: VtigerRecord | None = None) -> MoneyPlan:
    """The money of a WooCommerce order for Vtiger, exact in one write, in the better tax mode.

    `held` is the order as Vtiger has it, None for a new one: its lines keep their comments.

    Individual mode shows the tax of every line, as long as products and fee service carry the
    taxes (`lacking` names those that do not); else group mode if that leaves less to the
    adjustment. Contract page Vtiger §10, "Reaching a given total"; §3 (what a revise blanks).
    """
    taxes = open_taxes(order, refs)
    items, lost = keep_comments(order_items(order, refs, taxes=taxes), held, refs)
    lacking = lacking_taxes(items, refs)
    plan = _plan_mode(order, refs, items=items, mode=INDIVIDUAL)
    tolerance = _tolerance(items, taxes)
    if abs(plan.rest) > tolerance:
        group = _plan_mode(order, refs, items=items, mode=GROUP)
        plan = group if abs(group.rest) < abs(plan.rest) else plan
    in_group = plan.fields["hdnTaxType"] == GROUP
    notes = money_notes(
        order,
        refs,
        taxes=taxes,
        lacking={} if in_group else lacking,
        rest=plan.rest if abs(plan.rest) > tolerance else Decimal(0),
    )
    return _with(plan, lacking, notes=(*notes, *lost, *lost_amounts(held, refs)))


def _with(
    plan: MoneyPlan, lacking: Mapping[str, frozenset[str]], *, notes: tuple[FieldNote, ...]
) -> MoneyPlan:
    return MoneyPlan(
        plan.fields, plan.predicted, plan.wanted, plan.adjustment, plan.rest, lacking, notes
    )


def lacking_taxes(items: Sequence[LineItem], refs: OrderRefs) -> dict[str, frozenset[str]]:
    """The tax fields that each product or service is taxed by here without carrying them."""
    found: dict[str, frozenset[str]] = {}
    for item in items:
        used = frozenset(name for name, percent in item.percentages.items() if percent)
        missing = used - refs.carried.get(item.product, {}).keys()
        if missing:
            found[item.product] = found.get(item.product, frozenset()) | missing
    return found


def _plan_mode(
    order: WooRecord, refs: OrderRefs, *, items: Sequence[LineItem], mode: str
) -> MoneyPlan:
    wanted = amount(order.data.get("total"))
    fields = _fields(order, refs, items=items, mode=mode)
    raw = predict(fields, refs.carried)
    for adjustment in _adjustments(wanted - _exact(raw, fields)):
        fields["txtAdjustment"] = decimal_text(adjustment)
        predicted = adjusted(raw, fields)
        if predicted.grand_total == rounded(wanted, _PLACES):
            break
    return MoneyPlan(
        fields, predicted, wanted, adjustment, adjustment - negative_fees(order), {}, ()
    )


def _adjustments(missing: Decimal) -> tuple[Decimal, ...]:
    """The adjustment, then its neighbours: a half of the last digit may round either way."""
    nearest = rounded(missing, _PLACES)
    return nearest, nearest - _STEP, nearest + _STEP, nearest


def _exact(totals: Totals, fields: Mapping[str, Any]) -> Decimal:
    """The grand total before it is rounded into its column."""
    net = sum((line.net for line in totals.lines), Decimal(0))
    shipping = amount(fields["hdnS_H_Amount"])
    return net + totals.tax + shipping + totals.shipping_tax


def _fields(
    order: WooRecord, refs: OrderRefs, *, items: Sequence[LineItem], mode: str
) -> dict[str, Any]:
    """Everything that Vtiger blanks if it is not sent (contract page Vtiger §0.7, §10)."""
    return {
        "productid": items[0].product,
        "LineItems": [item.to_fields(place, refs) for place, item in enumerate(items, start=1)],
        "hdnTaxType": mode,
        "hdnDiscountAmount": "0",
        "hdnDiscountPercent": "0",
        **_shipping(order, refs),
        "txtAdjustment": "0",
        **({"currency_id": refs.currency_id} if refs.currency_id else {}),
        "conversion_rate": refs.conversion_rate,
    }


def _shipping(order: WooRecord, refs: OrderRefs) -> dict[str, str]:
    net = amount(order.data.get("shipping_total"))
    fields = {"hdnS_H_Amount": decimal_text(net)}
    if refs.shipping_tax_field:
        tax = amount(order.data.get("shipping_tax"))
        percent = ratio(tax, net, places=_SHIPPING_PERCENT_PLACES)
        fields[refs.shipping_tax_field] = decimal_text(percent)
    return fields


def negative_fees(order: WooRecord) -> Decimal:
    """What negative fees take off, their tax included; the adjustment carries it."""
    fees = [fee for fee in woo_rows(order, "fee_lines") if amount(fee.get("total")) < 0]
    taken = (amount(fee.get("total")) + amount(fee.get("total_tax")) for fee in fees)
    return sum(taken, Decimal(0))


def _tolerance(items: Sequence[LineItem], taxes: OrderTaxes) -> Decimal:
    """As much as rounding each tax of each line, the shipping and the total can come to."""
    return taxes.unit * (2 + sum(len(item.percentages) for item in items))

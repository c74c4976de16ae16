"""Plans an order's money as one Vtiger write whose grand total equals WooCommerce's to the cent.
Notes for the log explain where values differ. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from app.mapping.values import FieldNote, amount, decimal_text, rounded
from app.modules.orders.lines import (
    FEE_PREFIX,
    LineItem,
    OrderRefs,
    OrderTaxes,
    Sold,
    SoldLine,
    comment_of,
    fee_name,
    is_sold,
    line_text,
    open_taxes,
    order_items,
    product_of,
    ratio,
    settled,
    vtiger_items,
    woo_rows,
)
from app.modules.orders.vtiger_totals import INDIVIDUAL, Totals, adjusted, predict
from app.modules.taxes.mapping import pair_up
from app.parsing import rows_of
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord

# Notes on an order's money: lines on the placeholder product, adjustments.

LINES = "lines"

_UNKNOWN = "The product is not known in Vtiger: the line is on the placeholder product."
_NOTHING = "The line has neither quantity nor amount: it was left out."
_NEGATIVE = "A negative fee: the adjustment carries it."
_LOST = "Tax {label} {percent} % has no Vtiger tax: the adjustment carries its amount."
_LACKING = "{product} does not carry {fields}: the adjustment carries the tax of its lines."
_REST = (
    "The adjustment carries {rest}: WooCommerce's total is not the sum of its lines and taxes, "
    "or tax could not be shown on the lines."
)


def money_notes(
    order: WooRecord,
    refs: OrderRefs,
    *,
    taxes: OrderTaxes,
    lacking: Mapping[str, frozenset[str]],
    rest: Decimal,
) -> tuple[FieldNote, ...]:
    """Notes on `lines`: reasons unknown_product, tax_unavailable, adjustment.

    `rest` is the part of the adjustment that is neither rounding nor a negative fee. The order is
    written in any case: its total is correct.
    """
    return (
        *_line_notes(order, refs),
        *_fee_notes(order),
        *_tax_notes(order, taxes),
        *_lacking_notes(lacking),
        *_rest_note(rest),
    )


def _line_notes(order: WooRecord, refs: OrderRefs) -> Iterator[FieldNote]:
    for line in woo_rows(order, "line_items"):
        if not is_sold(line):
            yield FieldNote(LINES, "filtered", _NOTHING, line_text(line))
        elif product_of(line, refs) == refs.placeholder_id:
            yield FieldNote(LINES, "unknown_product", _UNKNOWN, line_text(line))


def _fee_notes(order: WooRecord) -> Iterator[FieldNote]:
    for fee in woo_rows(order, "fee_lines"):
        if amount(fee.get("total")) < 0:
            value = f"{fee_name(fee)}: {fee['total']}"
            yield FieldNote(LINES, "adjustment", _NEGATIVE, value)


def _tax_notes(order: WooRecord, taxes: OrderTaxes) -> Iterator[FieldNote]:
    rows = (*woo_rows(order, "line_items"), *woo_rows(order, "fee_lines"))
    unmapped = {rate.id: rate for row in rows for rate in taxes.unmapped(row)}
    for rate in unmapped.values():
        message = _LOST.format(label=rate.label or f"#{rate.id}", percent=rate.percentage or "?")
        yield FieldNote(LINES, "tax_unavailable", message, rate.label)


def _lacking_notes(lacking: Mapping[str, frozenset[str]]) -> Iterator[FieldNote]:
    for product, fields in sorted(lacking.items()):
        message = _LACKING.format(product=product, fields=", ".join(sorted(fields)))
        yield FieldNote(LINES, "tax_unavailable", message, product)


def _rest_note(rest: Decimal) -> Iterator[FieldNote]:
    if rest:
        text = decimal_text(rest)
        yield FieldNote(LINES, "adjustment", _REST.format(rest=text), text)


# Comparison of both orders of a pair.

_HALF_CENT = Decimal("0.005")


def same_goods(woo: str, vtiger: str) -> bool:
    """Whether two lines values have the same products, fees and shipping, ignoring names.

    A line that came from Vtiger has the shop's name of the product instead of Vtiger's comment.
    """
    mine, theirs = Sold.from_text(woo), Sold.from_text(vtiger)
    same_lines = _without_names(mine) == _without_names(theirs)
    return same_lines and amount(mine.shipping) == amount(theirs.shipping)


def _without_names(sold: Sold) -> list[SoldLine]:
    return sorted(replace(line, text="") for line in sold.lines)


def adds_up(record: VtigerRecord) -> bool:
    """Whether a Vtiger order has lines, and its total before tax is the sum of them.

    Vtiger computes it from the lines in each write (contract page Vtiger §10; all 237 orders of
    sales-orders.jsonl), so an order that does not add up is partially written.
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
    """`total` and `total_tax` where they differ at `places` decimals: name, the shop's value,
    Vtiger's value.

    Vtiger has no total of its taxes. It is computed as the grand total without the net amounts and
    without the shop's own rounding difference (the month's orders with round_at_subtotal).
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
    """Vtiger's net total; negative fees, which are in the adjustment, are added."""
    fees = (amount(fee.get("total")) for fee in woo_rows(order, "fee_lines"))
    return amount(record.get("pre_tax_total")) + sum((fee for fee in fees if fee < 0), Decimal(0))


def _rounding(order: WooRecord) -> Decimal:
    """By how much the shop's total exceeds the sum of its parts."""
    rows = [*woo_rows(order, "line_items"), *woo_rows(order, "fee_lines")]
    net = sum((amount(row.get("total")) for row in rows), amount(order.data.get("shipping_total")))
    return amount(order.data.get("total")) - net - amount(order.data.get("total_tax"))


# Edits of people in Vtiger when an order's lines are written again: kept, or noted in the log.
# Vtiger replaces all lines of an order (contract page Vtiger §3), so what a write does not repeat
# is lost.

_LINES = "lines"
_COMMENT = (
    "The comment that somebody wrote on a line in Vtiger was lost: the shop removed or renamed the "
    "line."
)
_AMOUNTS = (
    "In Vtiger the order had the total {held}, by an adjustment or taxes of its own; it was "
    "overwritten with the shop's lines and total."
)


@dataclass(slots=True)
class _Held:
    """A line in Vtiger; `text` is its comment in the form in which comments are compared."""

    product: str
    comment: str
    text: str

    @property
    def named(self) -> tuple[str, str]:
        return self.product, self.text


def keep_comments(
    items: Sequence[LineItem], held: VtigerRecord | None, refs: OrderRefs
) -> tuple[list[LineItem], tuple[FieldNote, ...]]:
    """The items with the comments of `held`, the order in Vtiger, where the shop's name of the line
    has not changed; and notes (conflict_lost) on comments of people that are lost.

    A comment is a person's unless it is the shop's name of some line in the base.
    """
    if held is None or refs.agreed_texts is None:
        return list(items), ()
    ours = {settled(comment_of(text)) for text in refs.agreed_texts}
    left = [_held(item, product) for item, product in vtiger_items(held, refs)]
    kept: list[LineItem] = []
    lost: list[_Held] = []
    partners = _partners(items, left)
    for item, line in zip(items, partners, strict=True):
        is_name_unchanged = _text(item.comment) in ours
        if line is not None and is_name_unchanged:
            item = replace(item, comment=line.comment)
        elif line is not None:
            lost.append(line)
        kept.append(item)
    taken = {id(line) for line in partners}
    lost += [line for line in left if id(line) not in taken]
    notes = (
        FieldNote(_LINES, "conflict_lost", _COMMENT, line.comment)
        for line in lost
        if line.text and line.text not in ours
    )
    return kept, tuple(notes)


def _held(item: Mapping[str, Any], product: str) -> _Held:
    comment = str(item.get("comment") or "")
    return _Held(product, comment, _text(comment))


def _text(comment: str) -> str:
    return settled(comment).removeprefix(FEE_PREFIX)


def _partners(items: Sequence[LineItem], held: Sequence[_Held]) -> list[_Held | None]:
    """Vtiger's line for each item, each used once: the one with the same text, else the first of
    the same product."""
    pairs = pair_up(
        items,
        held,
        [
            (lambda item: (item.product, _text(item.comment)), lambda line: line.named),
            (lambda item: item.product, lambda line: line.product),
        ],
    )
    found = dict(pairs)
    return [held[found[place]] if place in found else None for place in range(len(items))]


def lost_amounts(held: VtigerRecord | None, refs: OrderRefs) -> Iterator[FieldNote]:
    """A note (conflict_lost) if Vtiger's total differs from the shop's in the base although its
    lines add up: somebody entered an adjustment or other taxes there."""
    if held is None or refs.agreed_total is None or not adds_up(held):
        return
    total = rounded(amount(held.get("hdnGrandTotal")), refs.decimals)
    if total != amount(refs.agreed_total):
        adjustment = decimal_text(amount(held.get("txtAdjustment")))
        text = _AMOUNTS.format(held=decimal_text(total))
        yield FieldNote(_LINES, "conflict_lost", text, adjustment)


GROUP = "group"

_PLACES = 8
_STEP = Decimal(1).scaleb(-_PLACES)
_SHIPPING_PERCENT_PLACES = 6


@dataclass(frozen=True, slots=True)
class MoneyPlan:
    """The money fields of a SalesOrder, and the totals that Vtiger is going to compute.

    `fields` is the whole composite (LineItems, productid, tax mode, discount, shipping, currency,
    adjustment), for a create or a revise. `predicted.grand_total` is `wanted`, WooCommerce's
    total. `rest` is the part of the adjustment beside negative fees: rounding, and what `lacking`
    (taxes that products or services do not carry yet, by id) or a note explains.
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

    `held` is the order in Vtiger, None for a new one: its lines keep their comments.

    Individual mode shows the tax of every line, if products and fee service carry the taxes
    (`lacking` are those that are not carried); group mode is used if its adjustment is smaller.
    Contract page Vtiger §10, "Reaching a given total"; §3 (what a revise blanks).
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
    """The tax fields that the items use but their product or service does not carry, by id."""
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
    """The candidates for the adjustment: the nearest value, then its neighbours, as half a unit of
    the last digit may round either way."""
    nearest = rounded(missing, _PLACES)
    return nearest, nearest - _STEP, nearest + _STEP, nearest


def _exact(totals: Totals, fields: Mapping[str, Any]) -> Decimal:
    """The grand total before it is rounded to its column."""
    net = sum((line.net for line in totals.lines), Decimal(0))
    shipping = amount(fields["hdnS_H_Amount"])
    return net + totals.tax + shipping + totals.shipping_tax


def _fields(
    order: WooRecord, refs: OrderRefs, *, items: Sequence[LineItem], mode: str
) -> dict[str, Any]:
    """All fields that Vtiger blanks if they are not sent (contract page Vtiger §0.7, §10)."""
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
    """The sum of the negative fees with their tax, which the adjustment carries."""
    fees = [fee for fee in woo_rows(order, "fee_lines") if amount(fee.get("total")) < 0]
    taken = (amount(fee.get("total")) + amount(fee.get("total_tax")) for fee in fees)
    return sum(taken, Decimal(0))


def _tolerance(items: Sequence[LineItem], taxes: OrderTaxes) -> Decimal:
    """The most that rounding each tax of each line, the shipping and the total can add up to."""
    return taxes.unit * (2 + sum(len(item.percentages) for item in items))

"""Vtiger's arithmetic of order totals, by which a write is planned that results in a given total.
Pure.

Contract page Vtiger §10: intermediate results are not rounded, only what the columns store.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

from app.domain import InvalidInput
from app.mapping.values import rounded

Rates = Mapping[str, Decimal]
"""Percentages by tax field: {"tax1": Decimal("20")}."""

INDIVIDUAL = "individual"

_TAX_FIELD = re.compile(r"tax[0-9]+", re.ASCII)
_SHIPPING_TAX = re.compile(r"shtax[0-9]+_sh_percent|hdnS_H_Percent", re.ASCII)
_CHARGE = "shipping_&_handling"
_CHARGE_TAX = re.compile(r"shipping_&_handling_shtax[0-9]+", re.ASCII)
_EXACT = Context(prec=80)
_DOUBLE_DIGITS = 14


@dataclass(frozen=True, slots=True)
class LineTotals:
    """One line: `net` after its discount, and its `tax`; unrounded, in the order's currency."""

    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals that a retrieve is going to show (8 decimals), and their parts (unrounded)."""

    sub_total: Decimal
    pre_tax_total: Decimal
    grand_total: Decimal
    lines: tuple[LineTotals, ...]
    discount: Decimal
    tax: Decimal
    shipping_tax: Decimal


def predict(
    element: Mapping[str, Any],
    carried: Mapping[str, Rates],
    *,
    prices: Mapping[str, Decimal] | None = None,
) -> Totals:
    """The totals that Vtiger computes for `element`, a SalesOrder as sent to create or revise.

    `carried` are the taxes assigned to each product or service, by id ("14x5"); those that are not
    listed have none. `prices` are unit prices, used where a line has no listprice. Amounts are in
    the order's currency. InvalidInput where Vtiger answers HTTP 500: an empty text in a numeric
    field that it uses. Contract page Vtiger §10; recording sales-orders, all 250.
    """
    with localcontext(_EXACT):
        individual = element.get("hdnTaxType") == INDIVIDUAL
        items = element["LineItems"]
        nets = [_net(item, prices or {}) for item in items]
        taxes = [
            _line_tax(item, net, carried=carried) if individual else Decimal(0)
            for item, net in zip(items, nets, strict=True)
        ]
        lines = tuple(LineTotals(*pair) for pair in zip(nets, taxes, strict=True))
        return _totals(element, lines, group=not individual)


def adjusted(totals: Totals, element: Mapping[str, Any]) -> Totals:
    """The totals of an element that differs from that of `totals` only in its adjustment."""
    with localcontext(_EXACT):
        return _totals(element, totals.lines, group=element.get("hdnTaxType") != INDIVIDUAL)


def _totals(element: Mapping[str, Any], lines: Sequence[LineTotals], *, group: bool) -> Totals:
    net = sum((line.net for line in lines), Decimal(0))
    line_tax = sum((line.tax for line in lines), Decimal(0))
    sub = net + line_tax
    discount = _discount(element, sub)
    tax = _group_tax(element, sub - discount) if group else Decimal(0)
    shipping, shipping_tax = _shipping(element)
    adjustment = rounded(number(element, "txtAdjustment"), 8)
    return Totals(
        sub_total=stored(sub),
        pre_tax_total=stored(net - discount + shipping),
        grand_total=stored(sub - discount + shipping + tax + shipping_tax + adjustment),
        lines=tuple(lines),
        discount=discount,
        tax=tax + line_tax,
        shipping_tax=shipping_tax,
    )


def _net(item: Mapping[str, Any], prices: Mapping[str, Decimal]) -> Decimal:
    price = prices.get(str(item.get("productid")), Decimal(0))
    if item.get("listprice") is not None:
        price = number(item, "listprice")
    gross = rounded(price, 8) * rounded(number(item, "quantity"), 3)
    amount = rounded(number(item, "discount_amount"), 8)
    if amount:
        return gross - amount
    return gross - rounded(number(item, "discount_percent"), 3) / 100 * gross


def _line_tax(item: Mapping[str, Any], net: Decimal, *, carried: Mapping[str, Rates]) -> Decimal:
    own = carried.get(str(item.get("productid")), {})
    if not any(map(_TAX_FIELD.fullmatch, item)):
        return sum((net * rate / 100 for rate in own.values()), Decimal(0))
    rates = (rounded(number(item, name), 3) for name in own)
    return sum((net * rate / 100 for rate in rates if rate), Decimal(0))


def _group_tax(element: Mapping[str, Any], base: Decimal) -> Decimal:
    first: Mapping[str, Any] = next(iter(element["LineItems"]), {})
    rates = (number(first, name) for name in first if _TAX_FIELD.fullmatch(name))
    return sum((base * rate / 100 for rate in rates), Decimal(0))


def _discount(element: Mapping[str, Any], sub: Decimal) -> Decimal:
    amount = rounded(number(element, "hdnDiscountAmount"), 8)
    if amount:
        return max(amount, Decimal(0))
    return rounded(number(element, "hdnDiscountPercent"), 3) / 100 * sub


def _shipping(element: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    charge = number(element, _CHARGE)
    pattern = _CHARGE_TAX if charge else _SHIPPING_TAX
    amount = charge or number(element, "hdnS_H_Amount")
    rates = (number(element, name) for name in _matching(element, pattern))
    return rounded(amount, 8), sum((amount * rate / 100 for rate in rates), Decimal(0))


def _matching(element: Mapping[str, Any], pattern: re.Pattern[str]) -> Iterator[str]:
    return (name for name in element if pattern.fullmatch(name))


def number(fields: Mapping[str, Any], name: str) -> Decimal:
    """A field as a number, 0 if absent; InvalidInput for an empty text, to which Vtiger answers
    HTTP 500."""
    value = fields.get(name)
    if value is None:
        return Decimal(0)
    text = str(value).strip()
    if not text:
        raise InvalidInput(f"Vtiger answers HTTP 500 to an empty {name}: leave it out.", name)
    return Decimal(text)


def stored(value: Decimal) -> Decimal:
    """A computed total as a retrieve shows it: 14 digits of a double, then 8 decimals."""
    with localcontext(_EXACT) as context:
        context.prec, context.rounding = _DOUBLE_DIGITS, ROUND_HALF_UP
        shown = +value
    return rounded(shown, 8)

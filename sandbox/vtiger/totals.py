"""Vtiger's arithmetic of a sales order: doubles, in its order of operations, rounding nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

INDIVIDUAL = "individual"


@dataclass(frozen=True)
class Item:
    """One line as its columns hold it; `rates` are the percentages counted in individual mode."""

    price: float
    quantity: float
    discount_amount: float = 0.0
    discount_percent: float = 0.0
    rates: Sequence[float] = ()

    @property
    def net(self) -> float:
        gross = self.price * self.quantity
        return gross - (self.discount_amount or self.discount_percent / 100 * gross)


@dataclass(frozen=True)
class Terms:
    """What an order adds to its lines.

    `group_rates` are the percentages of its first line as sent, none in individual mode;
    `charge_taxes` the amounts of tax on shipping and handling.
    """

    tax_type: str = ""
    discount_amount: float = 0.0
    discount_percent: float = 0.0
    shipping: float = 0.0
    adjustment: float = 0.0
    group_rates: Sequence[float] = ()
    charge_taxes: Sequence[float] = ()


class Totals(NamedTuple):
    sub: float
    pre_tax: float
    grand: float


def is_individual(tax_type: str) -> bool:
    return tax_type.lower() == INDIVIDUAL


def total(items: Sequence[Item], terms: Terms) -> Totals:
    """Contract page Vtiger §10, recordings sales-orders: exact to the last bit of the doubles."""
    sub = _sub_total(items, individual=is_individual(terms.tax_type))
    discount = _discount(sub, terms)
    before_tax = sub - discount + terms.shipping
    pre_tax = before_tax
    if terms.tax_type == INDIVIDUAL:
        pre_tax = _sum(item.net for item in items) - discount + terms.shipping
    tax = _tax(sub - discount, terms)
    return Totals(sub, pre_tax, before_tax + tax + terms.adjustment)


def _sub_total(items: Sequence[Item], *, individual: bool) -> float:
    sub = 0.0
    for item in items:
        net = item.net
        sub += net
        for rate in item.rates if individual else ():
            sub += net * rate / 100
    return sub


def _discount(sub: float, terms: Terms) -> float:
    if terms.discount_amount > 0:
        return terms.discount_amount
    return terms.discount_percent / 100 * sub


def _tax(taxed: float, terms: Terms) -> float:
    return _sum([*(taxed * rate / 100 for rate in terms.group_rates), *terms.charge_taxes])


def _sum(parts: Iterable[float]) -> float:
    """Left to right; `sum` compensates on later Pythons, PHP does not."""
    added = 0.0
    for part in parts:
        added += part
    return added

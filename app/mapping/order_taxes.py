"""The tax of each order line as percentages by Vtiger tax field: nominal where they explain it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.mapping.numbers import amount, find_decimal, rounded
from app.mapping.order_refs import OrderRefs
from app.mapping.tax_use import OrderRate, amount_unit, order_rates, row_taxes
from app.woocommerce.schemas import WooRecord

_PERCENT_PLACES = 3
_LARGEST_PERCENT = 10000


@dataclass(frozen=True, slots=True)
class OrderTaxes:
    """An order's rates with the tax field of each, and the smallest unit of its amounts."""

    rates: Mapping[str, OrderRate]
    fields: Mapping[str, str]
    unit: Decimal

    def percentages(self, row: Mapping[str, Any]) -> dict[str, Decimal]:
        """The percentages to send for a line or fee, by tax field; rates that share one add up.

        A rate counts as it is, or as it compounds, if the row's tax is that to within a unit;
        else as tax / net, with 3 decimals. Contract page Vtiger §10; recordings
        order_create_full_excl_tax (compound 2.5 % on 20 %), order_create_full_incl_tax.
        """
        net = amount(row.get("total"))
        taxes = row_taxes(row)
        below = self._below(rate_id for rate_id, _ in taxes)
        found: dict[str, Decimal] = {}
        for rate_id, tax in taxes:
            if field := self.fields.get(rate_id):
                percent = _percentage(
                    net, tax, nominal=self._nominal(rate_id, below), unit=self.unit
                )
                found[field] = found.get(field, Decimal(0)) + percent
        return found

    def _nominal(self, rate_id: str, below: Decimal) -> Decimal | None:
        rate = self.rates.get(rate_id)
        percent = find_decimal(rate.percentage) if rate else None
        if rate is None or percent is None:
            return None
        return percent * (100 + below) / 100 if rate.compound else percent

    def _below(self, rate_ids: Iterable[str]) -> Decimal:
        """What a compound rate of the row is added on top of: its simple rates together."""
        rates = (self.rates.get(rate_id) for rate_id in rate_ids)
        simple = (rate.percentage for rate in rates if rate and not rate.compound)
        return sum(map(amount, simple), Decimal(0))

    def lost(self, row: Mapping[str, Any]) -> list[OrderRate]:
        """The rates that tax this row but have no Vtiger tax: the adjustment will carry them."""
        missing = (key for key, tax in row_taxes(row) if tax and key not in self.fields)
        return [self.rates.get(key, OrderRate(key, "", "", compound=False)) for key in missing]


def _percentage(net: Decimal, tax: Decimal, *, nominal: Decimal | None, unit: Decimal) -> Decimal:
    if nominal is not None and abs(net * nominal / 100 - tax) <= unit:
        return rounded(nominal, _PERCENT_PLACES)
    return ratio(tax, net, places=_PERCENT_PLACES)


def ratio(tax: Decimal, net: Decimal, *, places: int) -> Decimal:
    """`tax` as a percentage of `net`; 0 if there is none that the column keeps."""
    percent = rounded(tax / net * 100, places) if net else Decimal(0)
    return percent if abs(percent) < _LARGEST_PERCENT else Decimal(0)


def open_taxes(order: WooRecord, refs: OrderRefs) -> OrderTaxes:
    """The taxes of an order; its unit is that of the decimals that its total shows."""
    return OrderTaxes(
        rates={rate.id: rate for rate in order_rates(order)},
        fields=refs.tax_fields,
        unit=amount_unit(order),
    )

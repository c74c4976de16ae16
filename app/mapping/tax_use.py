"""Which tax rates orders and products use, and the Vtiger tax field that stands for each."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.json_shapes import rows_of
from app.mapping.numbers import amount, decimal_text, find_decimal, rounded
from app.mapping.products import taxes_text
from app.mapping.taxes import is_of_percentage, match_tax
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord, find_id

_NAMELESS = "Tax"
_PERCENT_PLACES = 3

_Taxed = tuple[Decimal, Decimal]
"""A row's net amount, and the tax on it."""


@dataclass(frozen=True, slots=True)
class OrderRate:
    """A tax of an order as the order itself tells it; the rate may be deleted since."""

    id: str
    label: str
    percentage: str
    compound: bool


def order_rates(order: WooRecord) -> tuple[OrderRate, ...]:
    """The rates that an order was taxed by: its own `tax_lines`, then what its rows name beside.

    A percentage that is not told is worked out of the amounts, as for rates that no tax line tells
    of. Recordings order_create_full_excl_tax (compound), woocommerce-month (a rate deleted since).
    """
    told = rows_of(order.data.get("tax_lines"))
    taxed, unit = _taxed(order), amount_unit(order)
    rates = {rate.id: rate for rate in (_rate(line, taxed, unit) for line in told)}
    for rate_id, rows in taxed.items():
        if rate_id not in rates and any(tax for _, tax in rows):
            percent = _worked_out(rows, unit)
            rates[rate_id] = OrderRate(rate_id, _NAMELESS, percent, compound=False)
    return tuple(rates.values())


def _taxed(order: WooRecord) -> dict[str, list[_Taxed]]:
    """What each rate taxes, by rate id, in the order of the rows."""
    found: dict[str, list[_Taxed]] = {}
    for row in _rows(order):
        for rate_id, tax in row_taxes(row):
            found.setdefault(rate_id, []).append((amount(row.get("total")), tax))
    return found


def _rate(line: Mapping[str, Any], taxed: Mapping[str, list[_Taxed]], unit: Decimal) -> OrderRate:
    rate_id = find_id(line.get("rate_id")) or "0"
    percent = find_decimal(line.get("rate_percent"))
    return OrderRate(
        id=rate_id,
        label=str(line.get("label") or ""),
        percentage=(
            str(line["rate_percent"]) if percent else _worked_out(taxed.get(rate_id, []), unit)
        ),
        compound=line.get("compound") is True,
    )


def _rows(order: WooRecord) -> Iterator[Mapping[str, Any]]:
    for kind in ("line_items", "fee_lines", "shipping_lines"):
        yield from rows_of(order.data.get(kind))


def row_taxes(row: Mapping[str, Any]) -> list[tuple[str, Decimal]]:
    """A row's taxes as pairs of rate id and amount ("taxes": [{"id": 1, "total": "11.61"}])."""
    entries = rows_of(row.get("taxes"))
    return [(find_id(entry.get("id")) or "0", amount(entry.get("total"))) for entry in entries]


def _worked_out(found: Sequence[_Taxed], unit: Decimal) -> str:
    """The percentage of a rate by what it taxed: the roundest that explains the tax of each row to
    a unit, else that of all rows together; "0" if it taxed nothing."""
    net = sum((one for one, _ in found), Decimal(0))
    tax = sum((own for _, own in found), Decimal(0))
    if not net:
        return "0"
    percents = [rounded(tax / net * 100, places) for places in range(_PERCENT_PLACES + 1)]
    explained = (
        percent
        for percent in percents
        if all(abs(one * percent / 100 - own) <= unit for one, own in found)
    )
    return decimal_text(next(explained, percents[-1]))


def amount_unit(order: WooRecord) -> Decimal:
    """The smallest unit of an order's amounts, by the decimals that its total shows."""
    decimals = str(order.data.get("total") or "").partition(".")[2]
    return Decimal(1).scaleb(-len(decimals))


def order_tax_fields(
    order: WooRecord, linked: Mapping[str, str], *, taxes: Sequence[VtigerRecord]
) -> dict[str, str]:
    """Vtiger's tax field for each of an order's rates, by rate id.

    `linked` are the fields of linked rates ("1" to "tax4"); a rate without link, such as a
    deleted one, is found by the order's own label and percentage, one whose label nobody tells by
    its percentage. Those not found are left out.
    """
    fields: dict[str, str] = {}
    for rate in order_rates(order):
        found = linked.get(rate.id) or _field_by_label(rate, taxes)
        if found:
            fields[rate.id] = found
    return fields


def _field_by_label(rate: OrderRate, taxes: Sequence[VtigerRecord]) -> str:
    match = match_tax(rate.label, rate.percentage, taxes=taxes)
    found = match.tax or next(iter(match.ambiguous), None)
    if found is None and rate.label == _NAMELESS:
        found = next((tax for tax in taxes if is_of_percentage(tax, rate.percentage)), None)
    return found.get("taxname") if found else ""


@dataclass(frozen=True, slots=True)
class ShopBase:
    """Where the shop is, for the taxes of its products: alpha-2 country, state code, ..."""

    country: str
    state: str = ""
    postcode: str = ""
    city: str = ""


def product_rates(
    product: WooRecord, rates: Sequence[WooRecord], *, base: ShopBase
) -> list[WooRecord]:
    """The rates of a product's tax class at the shop's base: the best one of each priority.
    RecordUnreadable if one that could be among them cannot be read.

    WooCommerce's own choice: exact country and state before any, postcode and city must fit.
    Mapping table "Products", tax_class.
    """
    if product.text("tax_status") not in ("", "taxable"):
        return []
    kind = product.text("tax_class") or "standard"
    fitting = [rate for rate in rates if _class(rate) == kind and _applies(rate, base)]
    for rate in fitting:
        rate.checked()
    best: dict[int, WooRecord] = {}
    for rate in sorted(fitting, key=_rank):
        best.setdefault(int(amount(rate.data.get("priority"))), rate)
    return list(best.values())


def _class(rate: WooRecord) -> str:
    return rate.text("class") or "standard"


def _applies(rate: WooRecord, base: ShopBase) -> bool:
    return (
        rate.text("country") in ("", base.country)
        and rate.text("state") in ("", base.state)
        and _fits(rate, "postcode", value=base.postcode, test=_postcode_fits)
        and _fits(rate, "city", value=base.city, test=str.__eq__)
    )


def _fits(rate: WooRecord, field: str, *, value: str, test: Any) -> bool:
    plural = "cities" if field == "city" else "postcodes"
    listed = rate.data.get(plural) or [rate.text(field)]
    wanted = [str(text).strip().upper() for text in listed if str(text).strip()]
    return not wanted or any(test(text, value.strip().upper()) for text in wanted)


def _postcode_fits(pattern: str, postcode: str) -> bool:
    low, dots, high = pattern.partition("...")
    if dots:
        return len(low) == len(postcode) == len(high) and low <= postcode <= high
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), postcode) is not None


def _rank(rate: WooRecord) -> tuple[bool, bool, bool, int, int]:
    narrow = bool(rate.data.get("postcodes") or rate.text("postcode"))
    return (
        not rate.text("country"),
        not rate.text("state"),
        not narrow,
        int(amount(rate.data.get("order"))),
        int(rate.id),
    )


def product_taxes(rates: Iterable[WooRecord], linked: Mapping[str, str]) -> str:
    """A product's `taxes` value from its rates; those without a Vtiger tax are left out.

    Two rates that share a Vtiger tax add up, and a compound one counts with what it compounds.
    """
    total: dict[str, Decimal] = {}
    below = Decimal(0)
    for rate in sorted(rates, key=lambda rate: rate.data.get("compound") is True):
        percent = amount(rate.text("rate"))
        if rate.data.get("compound") is True:
            percent = percent * (100 + below) / 100
        below += percent
        field = linked.get(rate.id)
        if field:
            total[field] = total.get(field, Decimal(0)) + percent
    return taxes_text(total)

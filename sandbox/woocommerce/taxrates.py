"""Which tax rates apply somewhere, and what they amount to: WC_Tax.

Contract page WooCommerce §3 (tax by address and class, priorities, compound rates).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sandbox.woocommerce.phpnumber import number, php_round

STANDARD: Final = "standard"
_RANGE: Final = re.compile(r"(\d+)\.\.\.(\d+)$")
_ASCII_UPPER: Final = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaxPlace:
    """Where something is taxed."""

    country: str
    state: str = ""
    postcode: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A rate that applies; `percent` is 20.0 for 20 %."""

    id: int
    percent: float
    is_compound: bool
    is_for_shipping: bool


def find_rates(rows: Iterable[Row], tax_class: str, place: TaxPlace) -> list[TaxRate]:
    """The rates of a class at a place: of each priority the most specific one.

    `tax_class` is a slug, "" for the standard class.
    """
    wanted = tax_class or STANDARD
    found = sorted(
        (row for row in rows if row["class"] == wanted and _covers(row, place)), key=_specificity
    )
    by_priority: dict[int, TaxRate] = {}
    for row in found:
        by_priority.setdefault(row["priority"], _rate(row))
    return list(by_priority.values())


def _rate(row: Row) -> TaxRate:
    return TaxRate(row["id"], number(row["rate"]), bool(row["compound"]), bool(row["shipping"]))


def _specificity(row: Row) -> tuple[Any, ...]:
    return (
        row["priority"],
        not row["country"],
        not row["state"],
        -len(row["postcodes"]),
        -len(row["cities"]),
        row["order"],
        row["id"],
    )


def _covers(row: Row, place: TaxPlace) -> bool:
    return (
        row["country"] in ("", place.country.upper())
        and row["state"] in ("", place.state.upper())
        and (not row["postcodes"] or _has_postcode(row["postcodes"], place.postcode))
        and (not row["cities"] or place.city.strip().upper() in row["cities"])
    )


def _has_postcode(patterns: Sequence[str], postcode: str) -> bool:
    wanted = re.sub(r"[\s-]", "", postcode.upper())
    return any(_fits_postcode(pattern, wanted) for pattern in patterns)


def _fits_postcode(pattern: str, postcode: str) -> bool:
    span = _RANGE.match(pattern)
    if span:
        return postcode.isdigit() and int(span[1]) <= int(postcode) <= int(span[2])
    if pattern.endswith("*"):
        return postcode.startswith(pattern[:-1])
    return postcode == re.sub(r"[\s-]", "", pattern)


def tax_amounts(
    price: float, rates: Sequence[TaxRate], *, inclusive: bool, precision: int
) -> dict[int, float]:
    """The tax of each rate on a net price, or within a gross one, rounded to `precision`."""
    taxes = _taxes_within(price, rates) if inclusive else _taxes_upon(price, rates)
    return {rate_id: php_round(amount, precision) for rate_id, amount in taxes.items()}


def _taxes_upon(price: float, rates: Sequence[TaxRate]) -> dict[int, float]:
    taxes = {rate.id: price * (rate.percent / 100) for rate in rates if not rate.is_compound}
    for rate in rates:
        if rate.is_compound:
            taxes[rate.id] = (price + sum(taxes.values())) * (rate.percent / 100)
    return taxes


def _taxes_within(price: float, rates: Sequence[TaxRate]) -> dict[int, float]:
    taxes: dict[int, float] = {}
    left = price
    for rate in reversed([rate for rate in rates if rate.is_compound]):
        taxes[rate.id] = left - (left / (1 + (rate.percent / 100)))
        left = left - taxes[rate.id]
    regular = [rate for rate in rates if not rate.is_compound]
    factor = 1 + (sum(rate.percent for rate in regular) / 100)
    for rate in regular:
        net = price - (((rate.percent / 100) / factor) * left)
        taxes[rate.id] = price - net
    return taxes


def rate_code(row: Row) -> str:
    """The code of a tax line: upper case in ASCII only, so "É" and "é" both survive."""
    name = row["name"] or "TAX"
    parts = (row["country"], row["state"], name, str(row["priority"]))
    return "-".join(part for part in parts if part).translate(_ASCII_UPPER)

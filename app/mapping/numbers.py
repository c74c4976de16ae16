"""Numbers as both systems write them: read strictly, written plainly, rounded half up."""

import json
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from babel.numbers import get_currency_precision

from app.errors import InvalidInput
from app.json_shapes import find_decimal as find_decimal

_EXACT = Context(prec=80)
_UNITS = [Decimal(1).scaleb(-places) for places in range(21)]
"""By decimals: no column of either system has more than 20."""


def amount(raw: object) -> Decimal:
    """The number, or 0 for null and blank text. InvalidInput for anything that is no number."""
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return Decimal(0)
    found = find_decimal(raw)
    if found is None:
        raise InvalidInput(f"{raw!r} is no number: write it with a dot and no unit, as in 12.50")
    return found


def rounded(value: Decimal, places: int) -> Decimal:
    """`value` with so many decimals, half up."""
    return value.quantize(_UNITS[places], ROUND_HALF_UP, _EXACT)


def decimal_text(value: Decimal) -> str:
    """`value` without exponent, trailing zeros or a negative zero."""
    text = format(value.normalize(_EXACT), "f")
    return "0" if text == "-0" else text


def money_text(value: Decimal, currency: str) -> str:
    """An amount to read, "1.50 EUR": with the decimals of its currency, more if it has more."""
    text = decimal_text(value)
    places = get_currency_precision(currency)
    shown = format(value, f".{places}f") if len(text.partition(".")[2]) < places else text
    return f"{shown} {currency}".strip()


def canonical_number(text: str) -> str:
    """The one form that equal numbers share ("19.9" is "19.90000000"); other text as it is."""
    found = find_decimal(text)
    return text.strip() if found is None else decimal_text(found)


def canonical_json(value: Mapping[str, Any]) -> str:
    """JSON that is the same text for the same content."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

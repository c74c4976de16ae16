"""Numbers as both systems write them: read strictly, written plainly, rounded half up."""

import json
import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_EXACT = Context(prec=80)


def find_decimal(raw: object) -> Decimal | None:
    """The number that a text or JSON number is; None for anything else ("12,5", "1e2", "")."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        return None
    text = raw.strip() if isinstance(raw, str) else format(Decimal(str(raw)), "f")
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def amount(raw: object) -> Decimal:
    """The number, or 0 where there is none."""
    found = find_decimal(raw)
    return Decimal(0) if found is None else found


def rounded(value: Decimal, places: int) -> Decimal:
    """`value` with so many decimals, half up."""
    with localcontext(_EXACT):
        return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def decimal_text(value: Decimal) -> str:
    """`value` without exponent, trailing zeros or a negative zero."""
    with localcontext(_EXACT):
        text = format(value.normalize(), "f")
    return "0" if text == "-0" else text


def canonical_number(text: str) -> str:
    """The one form that equal numbers share ("19.9" is "19.90000000"); other text as it is."""
    found = find_decimal(text)
    return text.strip() if found is None else decimal_text(found)


def canonical_json(value: Mapping[str, Any]) -> str:
    """JSON that is the same text for the same content."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

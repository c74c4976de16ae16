"""Numbers as PHP and WooCommerce compute with them: doubles, rounded and printed their way.

The arithmetic of orders is a chain of such doubles; anything more exact gives other cents.
"""

import math
import re
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from typing import Any, Final

from sandbox.woocommerce.php import scalar_text
from sandbox.woocommerce.wordpress import sanitize_text_field

_SUPERFLUOUS: Final = re.compile(r"\.(?![^.]+$)|[^0-9.-]")
_NUMERIC: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$", re.ASCII)
_PREFIX: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE: Final = re.compile(r"\s*[+-]?\d+\s*$", re.ASCII)
_INT_MAX: Final = 2**63 - 1
_INT_MIN: Final = -(2**63)
_STORED_PLACES: Final = 6


def php_round(value: float, places: int = 0, *, half_down: bool = False) -> float:
    """PHP 8.2's round(): the number is first taken to 15 significant digits."""
    if not math.isfinite(value) or value == 0:
        return value
    exact = Decimal(f"{value:.14e}")
    mode = ROUND_HALF_DOWN if half_down else ROUND_HALF_UP
    step = Decimal(1).scaleb(-places)
    if abs(exact) >= Decimal(10) ** (15 - places):
        return value
    return float(exact.quantize(step, rounding=mode))


def fixed_text(value: float, places: int) -> str:
    """number_format(value, places, ".", ""), which never prints a negative zero."""
    text = f"{php_round(value, places):.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def cleaned_price(value: Any) -> str:
    """wc_format_decimal() of what was sent: only digits, minus and the last dot stay."""
    return _SUPERFLUOUS.sub("", sanitize_text_field(scalar_text(value)))


def stored_number(value: float) -> str:
    """wc_format_decimal() of a computed number: six places, trailing zeros gone."""
    text = f"{value:.{_STORED_PLACES}f}"
    return text.rstrip("0").rstrip(".")


def number(text: str) -> float:
    """(float) of a text: its numeric beginning, 0 where there is none."""
    found = _PREFIX.match(text)
    return float(found[0]) if found else 0.0


def begins_numeric(text: str) -> bool:
    """Whether PHP can add the text to a number at all, if with a warning."""
    return bool(_PREFIX.match(text))


def is_numeric(text: str) -> bool:
    return bool(_NUMERIC.match(text))


def whole_number(value: Any) -> int:
    """(int) of a number or a numeric text: texts of digits saturate, doubles wrap around."""
    if isinstance(value, str) and _WHOLE.match(value):
        return max(_INT_MIN, min(_INT_MAX, int(value)))
    if isinstance(value, int):
        return int(value)
    double = number(scalar_text(value)) if isinstance(value, (str, float)) else 0.0
    if not math.isfinite(double):
        return 0
    wrapped = int(double) % 2**64
    return wrapped - 2**64 if wrapped > _INT_MAX else wrapped


def json_number(value: float) -> float | int:
    """As json_encode() prints a double: without a fraction of zero."""
    return int(value) if value == int(value) and abs(value) < 1e15 else value

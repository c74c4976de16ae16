"""What PHP 8.2 makes of a value: casts to text, numeric strings, HTML entities, JSON."""

import json
import math
import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from html.entities import codepoint2name, name2codepoint
from typing import Any

from sandbox.vtiger.refusals import PhpFatal

_ENTITY = re.compile(r"&(#[xX][0-9a-fA-F]+|#[0-9]+|[A-Za-z][A-Za-z0-9]*);")
_NAMED = re.compile(r"&(#039|[A-Za-z][A-Za-z0-9]*);")
_NUMERIC = re.compile(
    r"[ \t\n\r\v\f]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?[ \t\n\r\v\f]*", re.ASCII
)
_LEADING_NUMERIC = re.compile(r"[ \t\n\r\v\f]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_INT_MAX = 2**63 - 1


def text(value: Any) -> str:
    """The text PHP prints for decoded JSON; a list gives its first element, an object ""."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, int) and abs(value) <= _INT_MAX:
        return str(value)
    if isinstance(value, int | float):
        return _float_text(float(value))
    if isinstance(value, list) and value:
        return text(value[0])
    return ""


def _float_text(value: float) -> str:
    printed = f"{value:.14G}"
    mantissa, _, exponent = printed.partition("E")
    if not exponent:
        return mantissa
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent[0]}{int(exponent[1:])}"


def is_numeric(value: str) -> bool:
    return _NUMERIC.fullmatch(value) is not None


def is_true(value: Any) -> bool:
    """The test `== 'on' || == 1` that every checkbox of the CRM goes through."""
    if isinstance(value, str):
        return value == "on" or (is_numeric(value) and float(value) == 1)
    return bool(value == 1)


def is_empty(value: Any) -> bool:
    """empty(): nothing, zero, or the text "0"."""
    return not value or value == "0"


def number(value: Any) -> float:
    """An operand of `*` or `-`: a text counts by its leading number, and PHP dies without one."""
    if value is None or isinstance(value, bool | int | float):
        return float(value or 0)
    match = _LEADING_NUMERIC.match(value) if isinstance(value, str) else None
    if match is None:
        raise PhpFatal
    return float(match[0])


def to_float(value: Any) -> float:
    """The cast `(float)`, which never fails."""
    try:
        return number(value)
    except PhpFatal:
        return 0.0


def json_number(value: float) -> float:
    """As json_encode prints a float: without a point when it is whole."""
    if not math.isfinite(value):
        return 0
    return int(value) if value == int(value) else value


def number_format(value: float, places: int) -> str:
    """number_format(value, places, '.', ''): half away from zero, after rounding to 15 digits."""
    with localcontext(prec=400):
        printed = Decimal(f"{value:.14e}") if math.isfinite(value) else Decimal(0)
        rounded = printed.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return f"{rounded if rounded else abs(rounded):f}"


def decode_entities(value: str) -> str:
    """html_entity_decode(ENT_QUOTES | ENT_HTML401): named HTML 4 entities and allowed numbers."""
    return _ENTITY.sub(_decoded, value) if "&" in value else value


def decode_named(value: str) -> str:
    """As `decode_entities`, but of the numeric ones only `&#039;`."""
    return _NAMED.sub(_decoded, value) if "&" in value else value


def _decoded(match: re.Match[str]) -> str:
    body = match[1]
    if not body.startswith("#"):
        return chr(name2codepoint[body]) if body in name2codepoint else match[0]
    point = int(body[2:], 16) if body[1] in "xX" else int(body[1:])
    return chr(point) if _is_html401(point) else match[0]


def _is_html401(point: int) -> bool:
    return (
        point in (9, 10, 13)
        or 0x20 <= point <= 0x7E
        or 0xA0 <= point <= 0xD7FF
        or 0xE000 <= point <= 0x10FFFF
    )


def encode_entities(value: str) -> str:
    """htmlentities(ENT_QUOTES | ENT_HTML401)."""
    return "".join(_encoded(char) for char in value)


def _encoded(char: str) -> str:
    if char == "'":
        return "&#039;"
    name = codepoint2name.get(ord(char))
    return f"&{name};" if name else char


def decode_object(encoded: str) -> dict[str, Any] | None:
    """json_decode of an `element`: None for anything that is not an object PHP would accept.

    A lone surrogate anywhere makes the whole text unreadable (contract page readback, "lone
    surrogate anywhere").
    """
    decoded = _decoded_json(encoded)
    return decoded if isinstance(decoded, dict) else None


def decode_list(encoded: str) -> list[Any] | None:
    """The same for a text that has to be a list."""
    decoded = _decoded_json(encoded)
    return decoded if isinstance(decoded, list) else None


def _decoded_json(encoded: str) -> Any:
    try:
        decoded = json.loads(encoded, parse_constant=_refuse_constant)
    except ValueError:
        return None
    return None if _has_surrogate(decoded) else decoded


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None
    if isinstance(value, list):
        return any(_has_surrogate(item) for item in value)
    if isinstance(value, dict):
        return any(_has_surrogate(item) for pair in value.items() for item in pair)
    return False

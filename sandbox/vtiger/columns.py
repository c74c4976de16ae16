"""What becomes of a value on its way into the database: the read-back rules, field by field."""

import math
import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from sandbox.vtiger import collation, php
from sandbox.vtiger.refusals import PhpFatal
from sandbox.vtiger.schema import Field

_SCRIPT = re.compile(r"script[^\n]*/script", re.IGNORECASE)
_LEADING_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DAY_LAST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})", re.ASCII)
_INT_MAX = 2**31 - 1


def from_api(field: Field, sent: Any, *, before: str | None, decimals: int) -> str:
    """What a value written through the API becomes (contract page readback, "Vtiger").

    `before` is the stored text, None on create; `decimals` the user's currency decimals. Text is
    not cut yet: that is `to_column`'s, after duplicates were looked for with the whole value.
    PhpFatal for a price or quantity that is not a number.
    """
    if field.type == "boolean":
        return "1" if php.is_true(sent) else "0"
    if field.type == "date":
        return to_date(php.text(sent))
    if field.type == "integer":
        return to_integer(php.text(sent))
    if field.is_number:
        return _api_number(field, sent, decimals)
    return _api_text(sent, before)


def from_ui(field: Field, value: Any) -> str:
    """What a value a person typed becomes: neither decoded nor rounded; not cut yet either."""
    if field.type == "boolean":
        return "1" if php.is_true(value) else "0"
    typed = php.text(value)
    if field.type == "integer":
        return to_integer(typed)
    if field.is_number:
        return to_decimal(typed, field)
    return typed


def _api_text(sent: Any, before: str | None) -> str:
    value = php.text(sent)
    if before is None:
        value = "0" if sent is False else value
    elif value != before:
        value = php.decode_entities(value)
    return encode_script(value)


def encode_script(value: str) -> str:
    """The whole value is encoded when one line of it looks like a script element."""
    if not _SCRIPT.search(value):
        return value
    return value.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def to_column(field: Field, value: str) -> str:
    """As the utf8mb3 column keeps it: 4-byte characters replaced, cut at its length."""
    return collation.utf8mb3(value)[: field.size]


def to_date(value: str) -> str:
    """ISO or dd-mm-yyyy; an impossible day is 0000-00-00, anything else nothing."""
    if match := _DAY_LAST.fullmatch(value):
        year, month, day = match.groups()
    elif match := _DAY_FIRST.fullmatch(value):
        day, month, year = match.groups()
    else:
        return ""
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return "0000-00-00"


def to_integer(value: str) -> str:
    capped = max(Decimal(-_INT_MAX - 1), min(leading_number(value), Decimal(_INT_MAX)))
    return f"{_quantize(capped, 0):f}"


def _api_number(field: Field, sent: Any, decimals: int) -> str:
    if isinstance(sent, list | dict):
        raise PhpFatal
    value = php.text(sent)
    if value == "":
        return field.blank
    sign, digits = ("-", value[1:]) if value.startswith("-") else ("", value)
    if not php.is_numeric(digits):
        raise PhpFatal
    rounded = _rounded(float(digits), decimals)
    if field.type == "double":
        rounded = _fourteen_digits(rounded)
    return to_decimal(sign + rounded, field)


def _rounded(number: float, decimals: int) -> str:
    if math.isinf(number):
        return "inf"
    return f"{_quantize(Decimal(repr(number)), decimals):f}"


def _fourteen_digits(value: str) -> str:
    return value if value == "inf" else f"{Decimal(f'{Decimal(value):.14G}'):f}"


def to_decimal(value: str, field: Field) -> str:
    """As a DECIMAL column keeps it: half up to its scale, capped, garbage is 0."""
    limit = _limit(field)
    number = _quantize(max(-limit, min(leading_number(value), limit)), field.scale)
    return f"{number if number else abs(number):f}"


def leading_number(value: str) -> Decimal:
    """The number MariaDB sees at the start of a text; 0 if there is none."""
    match = _LEADING_NUMBER.match(value)
    return Decimal(match[0].strip()) if match else Decimal(0)


def _limit(field: Field) -> Decimal:
    match = re.fullmatch(r"decimal\((\d+),(\d+)\)", field.column)
    digits, scale = (int(match[1]), int(match[2])) if match else (25, 0)
    with localcontext(prec=80):
        return (Decimal(10) ** digits - 1).scaleb(-scale)


def _quantize(number: Decimal, places: int) -> Decimal:
    with localcontext(prec=400):
        return number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)

"""A record on its way to Vtiger: everything as text, whatever the user's locale would print."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from app.errors import InvalidInput
from app.vtiger.schemas import ID_PATTERN

LINES = "LineItems"
NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
LINE_NUMBERS = re.compile(r"quantity|listprice|discount_(amount|percent)|tax\d+", re.ASCII)
ORDER_NUMBERS = re.compile(
    r"hdnDiscountAmount|hdnS_H_Amount|shtax\d+_sh_percent|shipping_&_handling(_shtax\d+)?", re.ASCII
)


def render_element(fields: Mapping[str, Any]) -> str:
    """The JSON of a record's fields, and of an order's lines inside it (`LineItems`).

    Numbers as dot decimals, booleans as 1 and 0, None as "" (which clears a field). A comma
    decimal costs an HTTP 500 (contract page Vtiger §0.4, §9). Raises InvalidInput for a float,
    which cannot hold money, and for an order that Vtiger would break over: no number where it
    computes with one loses the lines or leaves a ghost (§10; contract page readback, Vtiger), a
    line without a product is taken in silence (§3).
    """
    return orjson.dumps(rendered(fields)).decode()


def rendered(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same, not yet as JSON."""
    return {name: _render(name, value) for name, value in fields.items()}


def _render(name: str, value: Any) -> Any:
    if name == LINES:
        return [_line(row) for row in _rows(value)]
    text = _plain(name, value)
    return _number(name, text) if ORDER_NUMBERS.fullmatch(name) else text


def _rows(value: Any) -> Sequence[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise InvalidInput("An order needs its lines as a list, and at least one.", LINES)
    return value


def _line(row: Any) -> dict[str, str]:
    if not isinstance(row, Mapping):
        raise InvalidInput("A line needs its fields by name.", LINES)
    line = {name: _plain(name, value) for name, value in row.items()}
    if not ID_PATTERN.fullmatch(line.get("productid", "")) or "quantity" not in line:
        raise InvalidInput("A line needs a product or service, and a quantity.", "productid")
    return {
        name: _number(name, text) if LINE_NUMBERS.fullmatch(name) else text
        for name, text in line.items()
    }


def _number(name: str, text: str) -> str:
    if not NUMBER.fullmatch(text):
        raise InvalidInput(f"{name} must be a number with a dot, or left out; not {text!r}.", name)
    return text


def _plain(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    raise InvalidInput(f"{name} cannot be sent as {type(value).__name__}", name)

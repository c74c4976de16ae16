"""A record on its way to Vtiger: everything as text, whatever the user's locale would print."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from app.errors import InvalidInput


def render_element(fields: Mapping[str, Any]) -> str:
    """The JSON of a record's fields, and of an order's lines inside it.

    Numbers as dot decimals, booleans as 1 and 0, None as "" (which clears a field). A comma
    decimal costs an HTTP 500 (contract page Vtiger §0.4, §9). Raises InvalidInput for a float,
    which cannot hold money.
    """
    return orjson.dumps({name: _plain(name, value) for name, value in fields.items()}).decode()


def _plain(name: str, value: Any) -> Any:
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
    return _plain_nested(name, value)


def _plain_nested(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(key, inner) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_plain(name, inner) for inner in value]
    raise InvalidInput(f"{name} cannot be sent as {type(value).__name__}", name)

"""WooCommerce paths such as `billing.city` and `meta:vat_number`: reading and setting them."""

from collections.abc import Mapping
from typing import Any

from app.mapping.text import plain
from app.mapping.values import Value

META = "meta:"


def find_path(data: Mapping[str, Any], path: str) -> Value:
    """The plain text at `path` of a REST object; None if it has none, or it is no single value."""
    found = _find_meta(data, path[len(META) :]) if path.startswith(META) else _walk(data, path)
    return scalar_text(found)


def _find_meta(data: Mapping[str, Any], key: str) -> Any:
    rows = data.get("meta_data") or ()
    return next((row.get("value") for row in rows if row.get("key") == key), None)


def _walk(data: Mapping[str, Any], path: str) -> Any:
    found: Any = data
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def scalar_text(found: Any) -> Value:
    """A JSON scalar as plain text (true is "1", false is "", as both systems read them back)."""
    if isinstance(found, bool):
        return "1" if found else ""
    return plain(str(found)) if isinstance(found, str | int | float) else None


def set_path(body: dict[str, Any], path: str, value: str) -> None:
    """Put `value` at `path` of a request body, which grows as needed."""
    if path.startswith(META):
        body.setdefault("meta_data", []).append({"key": path[len(META) :], "value": value})
        return
    *parents, last = path.split(".")
    for part in parents:
        body = body.setdefault(part, {})
    body[last] = value

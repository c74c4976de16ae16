"""WooCommerce paths such as `billing.city` and `meta:vat_number`: reading and setting them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.json_shapes import find_list, rows_of
from app.mapping.text import plain
from app.mapping.values import Value

META = "meta:"
ATTRIBUTE = "attribute:"
LIST = "|##|"
"""Stands before each element of a list that is told as one text."""

_NAMES = ("name", "code", "method_title")


def find_path(data: Mapping[str, Any], path: str, *, many: bool = False) -> Value:
    """The plain text at `path` of a REST object; None if it has none, or it is no single value.

    `many`: a list of texts is told too, as `listed`. Objects in lists are told by their names
    (categories, coupons, shipping methods). Meta that a record has none of is empty.
    """
    found = find_raw(data, path)
    return _list_text(found) if many and isinstance(found, list) else scalar_text(found)


def find_raw(data: Mapping[str, Any], path: str) -> Any:
    """What JSON holds at `path`, None if nothing."""
    if path.startswith(META):
        return _find_meta(data, path[len(META) :])
    if path.startswith(ATTRIBUTE):
        return _find_attribute(data, path[len(ATTRIBUTE) :])
    found = _walk(data, path)
    objects = isinstance(found, list) and any(isinstance(each, Mapping) for each in found)
    return ", ".join(_names(found)) if objects else found


def _find_meta(data: Mapping[str, Any], key: str) -> Any:
    """Empty for a key that no row has; None where that cannot be told, for a row is no object."""
    listed = find_list(data.get("meta_data"))
    if listed is None:
        return None
    rows = rows_of(listed)
    unknown = "" if len(rows) == len(listed) else None
    return next((row.get("value") for row in rows if row.get("key") == key), unknown)


def _find_attribute(data: Mapping[str, Any], name: str) -> Any:
    """A product's options of an attribute, a variation's choice (product_get_variation_by_id)."""
    listed = find_list(data.get("attributes"))
    rows = rows_of(listed)
    for row in rows:
        if str(row.get("name", "")).casefold() == name.casefold():
            options = find_list(row.get("options")) or ()
            return row.get("option") or ", ".join(map(str, options))
    return "" if listed is not None and len(rows) == len(listed) else None


def _names(rows: list[Any]) -> Iterator[str]:
    for row in rows:
        told = (row.get(key) for key in _NAMES) if isinstance(row, Mapping) else ()
        yield from (str(name) for name in [next(filter(None, told), None)] if name)


def _list_text(found: list[Any]) -> Value:
    texts = [scalar_text(each) for each in found]
    return None if None in texts else listed([text or "" for text in texts])


def listed(words: Sequence[str]) -> str:
    """A list as one text."""
    return " ".join(f"{LIST} {word}" for word in words)


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


def set_path(body: dict[str, Any], path: str, value: Any) -> None:
    """Put `value` at `path` of a request body, which grows as needed."""
    if path.startswith(META):
        body.setdefault("meta_data", []).append({"key": path[len(META) :], "value": value})
        return
    *parents, last = path.split(".")
    for part in parents:
        body = body.setdefault(part, {})
    body[last] = value


def with_meta(body: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    """The request body with one meta row more."""
    return {**body, "meta_data": [*body.get("meta_data", ()), {"key": key, "value": value}]}

"""Reading a shop from one JSON object of WooCommerce's own REST objects, refusing what is not one.

Every refusal names the place and what is wrong with it, so that a user can mend the file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Row = dict[str, Any]

_LISTS: Final = ("customers", "products", "orders", "taxes", "tax_classes", "coupons")
_BY_PARENT: Final = ("variations", "refunds")
_PARTS: Final = (*_LISTS, *_BY_PARENT, "settings")
_KIND_NAMES: Final = {str: "text", int: "a whole number", list: "a list", dict: "an object"}
_FIELDS: Final[Mapping[str, Mapping[str, type]]] = {
    "customers": {"id": int, "email": str},
    "products": {"id": int, "status": str},
    "variations": {"id": int, "attributes": list},
    "orders": {"id": int, "status": str, "customer_id": int, "refunds": list},
    "refunds": {"id": int},
    "taxes": {"id": int, "class": str, "order": int, "priority": int},
    "tax_classes": {"slug": str, "name": str},
    "coupons": {"id": int, "code": str},
}


class ShopDataError(ValueError):
    """The file does not describe a shop; the message says where and why."""


@dataclass(frozen=True, slots=True)
class ShopData:
    """A checked file; `variations` and `refunds` are flat, with the id of their parent inside."""

    customers: list[Row] = field(default_factory=list)
    products: list[Row] = field(default_factory=list)
    variations: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    refunds: list[Row] = field(default_factory=list)
    taxes: list[Row] = field(default_factory=list)
    tax_classes: list[Row] = field(default_factory=list)
    coupons: list[Row] = field(default_factory=list)
    settings: Row = field(default_factory=dict)


def parse_shop_data(text: str | bytes) -> ShopData:
    """The shop in a file's text; raises ShopDataError (contract page WooCommerce month,
    recording month-final-state)."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ShopDataError(f"shop data is not JSON: {error}") from error
    return check_shop_data(data)


def check_shop_data(data: Any) -> ShopData:
    """The same for a decoded object: customers, products, variations by parent id, and so on."""
    if not isinstance(data, dict):
        raise ShopDataError("shop data must be one JSON object")
    unknown = sorted(set(data) - set(_PARTS))
    if unknown:
        known = ", ".join(_PARTS)
        raise ShopDataError(f"shop data has the unknown part {unknown[0]!r}; known are {known}")
    parts: dict[str, Any] = {name: _rows(data.get(name, []), name, name) for name in _LISTS}
    parts["variations"] = _rows_by_parent(data, "variations", "parent_id")
    parts["refunds"] = _rows_by_parent(data, "refunds", "parent_id")
    _refuse_duplicates(parts)
    return ShopData(**parts, settings=_settings(data.get("settings", {})))


def _rows(value: Any, kind: str, place: str) -> list[Row]:
    if not isinstance(value, list):
        raise ShopDataError(f"{place} must be a list of objects")
    return [_row(item, kind, f"{place}[{index}]") for index, item in enumerate(value)]


def _row(item: Any, kind: str, place: str) -> Row:
    if not isinstance(item, dict):
        raise ShopDataError(f"{place} must be an object")
    for name, wanted in _FIELDS[kind].items():
        if name not in item:
            raise ShopDataError(f"{place} has no {name!r}")
        if not isinstance(item[name], wanted) or isinstance(item[name], bool):
            raise ShopDataError(f"{place}: {name!r} must be {_KIND_NAMES[wanted]}")
    return item


def _rows_by_parent(data: Row, kind: str, parent_field: str) -> list[Row]:
    groups = data.get(kind, {})
    if not isinstance(groups, dict):
        raise ShopDataError(f"{kind} must be an object of lists, by the id of their parent")
    rows: list[Row] = []
    for parent_id, items in groups.items():
        if not parent_id.isdigit():
            raise ShopDataError(f"{kind}: {parent_id!r} is not the id of a parent")
        for row in _rows(items, kind, f"{kind}[{parent_id}]"):
            rows.append({parent_field: int(parent_id), **row})
    return rows


def _refuse_duplicates(parts: Mapping[str, list[Row]]) -> None:
    for kind, rows in parts.items():
        key = "slug" if kind == "tax_classes" else "id"
        _refuse_repeated(kind, key, [row[key] for row in rows])
    emails = [row["email"].lower() for row in parts["customers"] if row["email"]]
    _refuse_repeated("customers", "email", emails)


def _refuse_repeated(kind: str, key: str, values: list[Any]) -> None:
    seen: set[Any] = set()
    for index, value in enumerate(values):
        if value in seen:
            raise ShopDataError(f"{kind}[{index}]: {key!r} {value!r} is taken by an earlier one")
        seen.add(value)


def _settings(value: Any) -> Row:
    if isinstance(value, list):
        return dict(_setting(item, f"settings[{index}]") for index, item in enumerate(value))
    if not isinstance(value, dict):
        raise ShopDataError(
            'settings must be an object like {"general/woocommerce_currency": "EUR"}'
        )
    for key in value:
        if "/" not in key:
            raise ShopDataError(f'settings: {key!r} must be written "group/id"')
    return value


def _setting(item: Any, place: str) -> tuple[str, Any]:
    if not isinstance(item, dict) or not {"group_id", "id", "value"} <= set(item):
        raise ShopDataError(f"{place} must be an object with group_id, id and value")
    return f"{item['group_id']}/{item['id']}", item["value"]

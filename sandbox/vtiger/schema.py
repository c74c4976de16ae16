"""Modules and fields as `describe` reports them, read from the recorded answers in data/."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
MODULES = (
    "Accounts",
    "Contacts",
    "Products",
    "Services",
    "SalesOrder",
    "Users",
    "Groups",
    "Currency",
    "Tax",
    "ProductTaxes",
    "LineItem",
)
_SYSTEM_FIELDS = frozenset({"modifiedby", "starred", "tags"})


@dataclass(frozen=True)
class CustomField:
    """A field an admin added: `name` like "cf_853" (differs per install), found by `label`.

    `type` is a describe type (string, double, boolean, …); text is cut at `length` characters;
    `values` are those that a picklist offers; `mandatory`: no record is saved without it.
    """

    name: str
    label: str
    type: str = "string"
    length: int = 20
    values: tuple[str, ...] = ()
    mandatory: bool = False

    @property
    def column(self) -> str:
        columns = {"double": "decimal(11,2)", "boolean": "varchar(3)", "integer": "int(11)"}
        columns |= {"date": "date", "text": "text", "multipicklist": "text"}
        return columns.get(self.type, f"varchar({self.length})")


@dataclass(frozen=True)
class Field:
    """`column` is the SQL type, "" where none is known; `on_lines` means stored with the lines."""

    name: str
    type: str
    column: str = ""
    mandatory: bool = False
    unique: bool = False
    editable: bool = True
    on_lines: bool = False
    refers_to: tuple[str, ...] = ()

    @cached_property
    def size(self) -> int | None:
        match = re.fullmatch(r"varchar\((\d+)\)", self.column)
        return int(match[1]) if match else None

    @cached_property
    def scale(self) -> int:
        match = re.fullmatch(r"decimal\(\d+,(\d+)\)", self.column)
        return int(match[1]) if match else 0

    @property
    def is_numbering(self) -> bool:
        return self.name.endswith("_no") and not self.editable

    @property
    def is_written_by_client(self) -> bool:
        return self.editable and self.name not in _SYSTEM_FIELDS and not self.on_lines

    @property
    def is_number(self) -> bool:
        return self.type in ("integer", "double", "currency")

    @property
    def blank(self) -> str:
        """What the field reads after a create that did not send it."""
        if self.is_number:
            return f"{0:.{self.scale}f}"
        return "0" if self.type == "boolean" else ""


@dataclass
class Module:
    """One module: `fields` in describe's order, `described` the answer of describe itself."""

    name: str
    prefix: str
    label_fields: tuple[str, ...]
    described: dict[str, Any]
    fields: dict[str, Field] = field(default_factory=dict)

    @property
    def mandatory(self) -> list[str]:
        return [item.name for item in self.fields.values() if item.mandatory]

    @property
    def unique(self) -> list[str]:
        return [item.name for item in self.fields.values() if item.unique]

    @property
    def references(self) -> list[Field]:
        return [item for item in self.fields.values() if item.type == "reference"]


@cache
def _recorded(name: str) -> str:
    return (DATA / f"{name}.json").read_text(encoding="utf-8")


def recorded(name: str) -> dict[str, Any]:
    """A fresh copy of data/<name>.json: to parse the text again is quicker than to copy."""
    loaded: dict[str, Any] = json.loads(_recorded(name))
    return loaded


def load_module(
    name: str, custom: Iterable[CustomField] = (), *, unique: Iterable[str] | None = None
) -> Module:
    """The module with an admin's custom fields and, unless None, its own set of unique fields."""
    data = recorded(name)
    described = data["describe"]
    columns: dict[str, str] = data.get("columns", {})
    _insert_custom(described["fields"], custom)
    columns.update({item.name: item.column for item in custom})
    if unique is not None:
        _mark_unique(described["fields"], set(unique))
    lines = data.get("line_columns", [])
    fields = (_field(raw, columns, lines) for raw in described["fields"])
    return Module(
        name=name,
        prefix=described["idPrefix"],
        label_fields=tuple(described["labelFields"].split(",")),
        described=described,
        fields={item.name: item for item in fields},
    )


def _field(raw: Mapping[str, Any], columns: Mapping[str, str], lines: Iterable[str]) -> Field:
    return Field(
        name=raw["name"],
        type=raw["type"]["name"],
        column=columns.get(raw["name"], ""),
        mandatory=raw["mandatory"],
        unique=bool(raw.get("isunique")),
        editable=bool(raw.get("editable")),
        on_lines=raw["name"] in lines,
        refers_to=tuple(raw["type"].get("refersTo", ())),
    )


def _insert_custom(fields: list[dict[str, Any]], custom: Iterable[CustomField]) -> None:
    """Custom fields stand after `tags`, the end of the first block (recording 80-describe-*)."""
    position = _end_of_first_block([item["name"] for item in fields])
    fields[position:position] = [_described(item) for item in custom]


def _end_of_first_block(names: Iterable[str]) -> int:
    listed = list(names)
    return listed.index("tags") + 1 if "tags" in listed else len(listed)


def _described(item: CustomField) -> dict[str, Any]:
    type_: dict[str, Any] = {"name": item.type}
    if item.type in ("picklist", "multipicklist"):
        offered = [{"label": value, "value": value} for value in item.values]
        type_ = {"picklistValues": offered, "defaultValue": None, "name": item.type}
    elif item.type == "date":
        type_ = {"format": "dd-mm-yyyy", "name": "date"}
    return {
        "name": item.name,
        "label": item.label,
        "mandatory": item.mandatory,
        "type": type_,
        "isunique": False,
        "nullable": True,
        "editable": True,
        "default": "0" if item.type == "double" else "",
    }


def add_custom(module: Module, item: CustomField) -> None:
    """An admin adds a field in the layout editor."""
    _insert_custom(module.described["fields"], [item])
    fields = list(module.fields.values())
    new = _field(_described(item), {item.name: item.column}, ())
    fields.insert(_end_of_first_block(module.fields), new)
    module.fields.clear()
    module.fields.update({field.name: field for field in fields})


def remove_custom(module: Module, name: str) -> None:
    """An admin removes a field of theirs."""
    fields = module.described["fields"]
    fields[:] = [raw for raw in fields if raw["name"] != name]
    del module.fields[name]


def _mark_unique(fields: list[dict[str, Any]], unique: set[str]) -> None:
    for raw in fields:
        if "isunique" in raw:
            raw["isunique"] = raw["name"] in unique

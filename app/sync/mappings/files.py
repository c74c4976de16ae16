"""Reads and writes users' mapping rows as a YAML file for review and version control.

Writing is deterministic. Reading treats every scalar as text, so that `off`, `no` and `12` are not
converted."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.domain import InvalidInput, Module
from app.modules.default_mappings import find_default
from app.policies.repository import MappingRow

Place = tuple[str, Module]
Rows = Mapping[Place, Sequence[MappingRow]]
"""Rows by store and module; a place that is not named is left as it is."""

HEADER = """\
# Field mappings of woo-vtiger. A row maps a WooCommerce field to a Vtiger field; a row with the id
# of a default row changes that one, and `direction: 'off'` switches it off. A module that is named
# here has these rows and no others of your own ([]: the defaults alone); one that is not named
# stays as it is. Try with: woo-vtiger mappings import FILE --dry-run
"""
ROOT = "mappings"
WIDTH = 100


def mapping_text(rows: Rows) -> str:
    """The text of the file with these rows."""
    return HEADER + "mappings:" + "".join(_stores(rows)) + ("" if rows else " {}\n")


def _stores(rows: Rows) -> Iterator[str]:
    for store in dict.fromkeys(store for store, _ in rows):
        yield f"\n  {_scalar(store)}:\n"
        for module in Module:
            if (store, module) in rows:
                yield _indented(_module(module, rows[store, module]), "    ")


def _module(module: Module, rows: Sequence[MappingRow]) -> str:
    if not rows:
        return f"{module}: []\n"
    return f"{module}:\n" + _indented("".join(_row(module, row) for row in rows), "  ")


def _row(module: Module, row: MappingRow) -> str:
    text: str = yaml.safe_dump(
        [_plain(row)], sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=False
    )
    default = find_default(module, row.id)
    if default is None:
        return text
    return f"# default row: {', '.join(default.woo)} and {default.vtiger}\n{text}"


def _plain(row: MappingRow) -> dict[str, Any]:
    """The row as plain data: the id first, a single WooCommerce field as text, pairs as a table."""
    data = row.stored()
    if len(row.woo) == 1:
        data["woo"] = row.woo[0]
    if row.pairs:
        data["pairs"] = dict(row.pairs)
    return {"id": data.pop("id"), **data}


def _indented(text: str, blanks: str) -> str:
    """Indent lines; only newlines end a line: YAML's other line breaks may be part of values."""
    lines = text.split("\n")
    return "\n".join(blanks + line if line else line for line in lines)


def _scalar(text: str) -> str:
    dumped: str = yaml.safe_dump(text, default_style=None, width=WIDTH)
    return dumped.partition("\n")[0]


def read_mapping_text(text: str) -> Rows:
    """The rows of a file. Raises InvalidInput, which names the place and the error."""
    return dict(_places(read_stores(text, ROOT)))


def read_stores(text: str, root: str) -> Mapping[str, Any]:
    """What a file has for each store below `root`, its only key. Raises InvalidInput."""
    try:
        data = yaml.load(text, Loader=Texts)  # noqa: S506 - it creates texts only
    except yaml.YAMLError as error:
        raise InvalidInput(f"The file is not valid YAML: {error}") from None
    whole = read_table_of(data, "The file")
    if not whole:
        raise InvalidInput(f"The file is empty: it has no `{root}:`. `{root} export` writes one.")
    for key in whole:
        if key != root:
            known = f"{root}:" if _near(key, [root]) else f"{root}: alone"
            raise InvalidInput(f"The file: `{key}:` is not known; it has {known}.")
    return read_table_of(whole.get(root), f"`{root}`")


class Texts(yaml.BaseLoader):
    """Reads every scalar as text and refuses duplicate keys, of which one would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                place = f"line {key.start_mark.line + 1}"
                raise InvalidInput(f"The file: `{name}:` occurs twice ({place}).")
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def _places(stores: Mapping[str, Any]) -> Iterator[tuple[Place, list[MappingRow]]]:
    for store, modules in stores.items():
        for name, rows in read_table_of(modules, f"Store {store}").items():
            place = f"{store} / {name}"
            if name not in list(Module):
                known = ", ".join(Module)
                raise InvalidInput(f"{place}: there is no such module; use one of {known}.")
            yield (store, Module(name)), _rows(place, rows)


def _rows(place: str, rows: Any) -> list[MappingRow]:
    if rows in ("", "[]", None):
        return []
    if not isinstance(rows, list):
        raise InvalidInput(f"{place}: write a list of rows, each beginning with `- id:`.")
    return [_read_row(f"{place} / row {number}", row) for number, row in enumerate(rows, start=1)]


def _read_row(place: str, row: Any) -> MappingRow:
    given = dict(read_table_of(row, place))
    if given.get("size") in ("", "null", "~"):
        del given["size"]
    try:
        return MappingRow.model_validate(given)
    except ValidationError as error:
        place = f"{place} ({given['id']})" if given.get("id") else place
        names = list(MappingRow.model_fields)
        faults = "; ".join(row_fault(fault, names) for fault in error.errors())
        raise InvalidInput(f"{place}: {faults}") from None


def row_fault(fault: ErrorDetails, properties: Sequence[str]) -> str:
    """The fault of a row that has these properties, in words."""
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] != "extra_forbidden":
        return f"{where}: {fault['msg']}"
    near = _near(where, properties)
    known = f"did you mean {near}?" if near else f"known are {', '.join(properties)}"
    return f"{where} is not a property of a row; {known}"


def _near(wrong: str, names: Sequence[str]) -> str:
    return next(iter(get_close_matches(wrong, names, n=1)), "")


def read_table_of(value: Any, place: str) -> Mapping[str, Any]:
    """The `name: value` lines at a place of a file; none for an empty one."""
    if isinstance(value, Mapping):
        return value
    if value in ("", None):
        return {}
    raise InvalidInput(f"{place}: write `name: value` lines, not {type(value).__name__}.")

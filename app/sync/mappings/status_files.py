"""Reads and writes status tables as a YAML file for review and version control."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from app.domain import InvalidInput
from app.policies.repository import StatusChoice, StatusTable
from app.sync.mappings.files import WIDTH, read_stores, read_table_of, row_fault

Tables = Mapping[str, StatusTable]
"""Status tables by store; a store that is not named is left as it is."""

ROOT = "statuses"
HEADER = """\
# Status tables of woo-vtiger. A row joins an order status of the shop (without `wc-`) and a value
# of Vtiger's sostatus; `direction` is both, woo_to_vtiger or vtiger_to_woo. A store that is named
# here has these rows and no others ([]: the default table); one that is not named stays as it is.
# Try with: woo-vtiger statuses import FILE --dry-run
"""


def tables_text(tables: Tables) -> str:
    """The text of the file with these tables."""
    plain = {ROOT: {store: _plain(table) for store, table in tables.items()}}
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=WIDTH)
    return HEADER + text


def _plain(table: StatusTable) -> dict[str, Any]:
    rows = [row.model_dump(mode="json") for row in table.rows]
    first = {"new_order": table.new_order} if table.new_order else {}
    return {**first, "rows": rows}


def read_tables_text(text: str) -> Tables:
    """The tables of a file. Raises InvalidInput, which names every invalid row and its error."""
    stores = read_stores(text, ROOT)
    faults: list[str] = []
    found = {store: _table(store, given, faults) for store, given in stores.items()}
    if faults:
        raise InvalidInput("; ".join(faults))
    return found


def _table(store: str, given: Any, faults: list[str]) -> StatusTable:
    """The table of one store: its rows, or `rows` beside `new_order`."""
    if isinstance(given, list) or given in ("", "[]"):
        given = {"rows": given}
    whole = read_table_of(given, store)
    for key in whole:
        if key not in ("rows", "new_order"):
            faults.append(f"{store}: `{key}:` is not known; it has rows: and new_order:")
    rows = whole.get("rows")
    if rows in ("", "[]", None):
        rows = []
    if not isinstance(rows, list):
        faults.append(f"{store}: write a list of rows, each beginning with `- shop:`")
        rows = []
    read = tuple(_rows(store, rows, faults))
    return StatusTable(rows=read, new_order=str(whole.get("new_order") or "") if read else "")


def _rows(store: str, rows: list[Any], faults: list[str]) -> Iterator[StatusChoice]:
    for number, row in enumerate(rows, start=1):
        place = f"{store} / row {number}"
        try:
            yield StatusChoice.model_validate(dict(read_table_of(row, place)))
        except ValidationError as error:
            texts = (row_fault(fault, list(StatusChoice.model_fields)) for fault in error.errors())
            faults.append(f"{place}: {'; '.join(texts)}")

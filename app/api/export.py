"""The log as a file: CSV that a spreadsheet opens without harm, or one JSON object a line."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson

from app.synclog.models import Entry

COLUMNS = (
    "id",
    "occurred_at",
    "store",
    "module",
    "target",
    "source_id",
    "target_id",
    "link_id",
    "event",
    "outcome",
    "reason",
    "message",
    "label",
    "attempts",
    "duration_ms",
    "delivery_count",
    "run_id",
)
IDS = frozenset({"id", "link_id", "run_id"})
DETAILS = ("changes", "notes", "conflicts")

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def _value(entry: Entry, name: str) -> Any:
    value = getattr(entry, name)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if name in IDS and value is not None else value


def harmless(value: Any) -> str:
    """Text that spreadsheets show instead of running it as a formula."""
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def _csv_line(values: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([harmless(value) for value in values])
    return line.getvalue()


async def csv_lines(entries: AsyncIterator[Entry]) -> AsyncIterator[str]:
    yield _csv_line(list(COLUMNS))
    async for entry in entries:
        yield _csv_line([_value(entry, name) for name in COLUMNS])


async def ndjson_lines(entries: AsyncIterator[Entry]) -> AsyncIterator[bytes]:
    async for entry in entries:
        row = {name: _value(entry, name) for name in (*COLUMNS, *DETAILS)}
        yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)

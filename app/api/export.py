"""The log as a file: CSV that a spreadsheet opens without harm, or one JSON object a line."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson

from app.spreadsheet import csv_line
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


def _value(entry: Entry, name: str) -> Any:
    value = getattr(entry, name)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value) if name in IDS and value is not None else value


async def csv_lines(entries: AsyncIterator[Entry]) -> AsyncIterator[str]:
    yield csv_line(COLUMNS)
    async for entry in entries:
        yield csv_line([_value(entry, name) for name in COLUMNS])


async def ndjson_lines(entries: AsyncIterator[Entry]) -> AsyncIterator[bytes]:
    async for entry in entries:
        row = {name: _value(entry, name) for name in (*COLUMNS, *DETAILS)}
        yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)

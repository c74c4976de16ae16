"""/sync-log: pages of the Sync Log, single entries, totals, and the export."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as QueryParameters
from fastapi.responses import StreamingResponse
from pydantic import Field

from app.api.deliveries import DeliveryItem, describe
from app.api.deps import (
    Answer,
    Guard,
    Id,
    OptionalId,
    PageAnswer,
    PageQuery,
    Query,
    RuntimeDep,
    Time,
    link_next,
    refuse_unknown,
)
from app.api.errors import documented, not_found
from app.api.examples import ENTRY, ENTRY_DETAIL, EXPORT_CSV, SUMMARY, example, page_of
from app.db.pagination import MOST_PER_PAGE
from app.domain import Module, Outcome, Scope, System
from app.escaping import csv_line
from app.inbox.repository import DeliveryFilter, search_deliveries
from app.parsing import Moment, RowNumber, Several, Text
from app.synclog.models import Entry
from app.synclog.repository import delivery_ids_of, find_entry
from app.synclog.search import LogFilter, count, export, search
from app.synclog.totals import Summary, summary

# Export: CSV that is safe to open in a spreadsheet, or one JSON object per line

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


router = APIRouter(
    prefix="/sync-log",
    tags=["Sync Log"],
    dependencies=[Depends(Guard(Scope.READ)), Depends(refuse_unknown)],
    responses=documented(401, 403, 422),
)


class LogQuery(Query):
    """Each filter may be repeated; repeated values are alternatives."""

    store: Several[Text] = Field([], description="key of a shop")
    module: Several[Module | Literal["none"]] = Field(
        [], description="`none`: entries without a module"
    )
    target: Several[System] = Field([], description="the system that was written to")
    outcome: Several[Outcome] = Field([], description="outcome of the entry")
    reason: Several[Text] = Field([], description="a reason code, such as `echo`")
    source_id: Several[Text] = Field([], description="id of the record in the source system")
    target_id: Several[Text] = Field([], description="id of the record in the target")
    link_id: Several[RowNumber] = Field([], description="id of the pair")
    run_id: Several[RowNumber] = Field([], description="id of a run")
    delivery_id: Several[RowNumber] = Field([], description="entries of this delivery")
    q: Several[Text] = Field(
        [], description="part of the message, the label or an id, ignoring case"
    )
    since: Several[Moment] = Field(
        [], description="at this time or later; UTC unless it has an offset"
    )
    until: Several[Moment] = Field([], description="before this time")

    def filters(self) -> LogFilter:
        chosen = {name: getattr(self, name) for name in LogQuery.model_fields}
        chosen["since"] = min(self.since, default=None)
        chosen["until"] = max(self.until, default=None)
        return LogFilter(**chosen)


class LogPageQuery(LogQuery, PageQuery):
    """Filters, pagination, and whether to count."""

    count: bool = Field(False, description="return the number of all matching items as `total`")


class ExportQuery(LogQuery):
    """Filters and the file format."""

    format: Literal["csv", "ndjson"] = "csv"


class SummaryQuery(Query):
    """Shops and period."""

    store: Several[Text] = Field([], description="key of a shop")
    since: Several[Moment] = Field(
        [], description="at this time or later; UTC unless it has an offset"
    )
    until: Several[Moment] = Field([], description="before this time")


class LogItem(Answer):
    """One entry of the Sync Log."""

    id: Id
    occurred_at: Time
    store: str
    module: str | None
    target: str
    source_id: str
    target_id: str | None
    link_id: OptionalId
    event: str
    outcome: str
    reason: str | None
    message: str
    label: str
    attempts: int
    duration_ms: int
    delivery_count: int
    run_id: OptionalId


class LogPage(PageAnswer[LogItem]):
    """A page of entries; `total` is present only if `count` was requested."""

    total: int = 0


class LogEntry(LogItem):
    """An entry with its changes, notes on fields that were left out, conflicts and deliveries."""

    changes: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    conflicts: list[dict[str, Any]]
    deliveries: list[DeliveryItem] = Field([])


@router.get("", response_model_exclude_unset=True, responses=example(page_of(ENTRY)))
async def search_sync_log(
    runtime: RuntimeDep,
    query: Annotated[LogPageQuery, QueryParameters()],
    request: Request,
    response: Response,
) -> LogPage:
    """Entries, newest first. A cursor remains valid while entries are added."""
    filters = query.filters()
    async with runtime.sessions() as session:
        page = await search(session, filters, cursor=query.cursor, limit=query.limit)
        total = {"total": await count(session, filters)} if query.count else {}
    link_next(request, response, page.next_cursor)
    items = [LogItem.model_validate(entry) for entry in page.items]
    return LogPage(items=items, next_cursor=page.next_cursor, **total)


@router.get("/summary", responses=example(SUMMARY))
async def get_summary(
    runtime: RuntimeDep, query: Annotated[SummaryQuery, QueryParameters()]
) -> Summary:
    """The two tables of totals, each named after the system that was written to."""
    since, until = min(query.since, default=None), max(query.until, default=None)
    async with runtime.sessions() as session:
        return await summary(session, store=query.store, since=since, until=until)


@router.get("/export", response_class=StreamingResponse, responses=example(EXPORT_CSV, "text/csv"))
async def export_sync_log(
    runtime: RuntimeDep, query: Annotated[ExportQuery, QueryParameters()]
) -> StreamingResponse:
    """All matching entries as a streamed file, newest first."""
    entries = export(runtime.sessions, query.filters())
    as_csv = query.format == "csv"
    return StreamingResponse(
        csv_lines(entries) if as_csv else ndjson_lines(entries),
        media_type="text/csv" if as_csv else "application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="sync-log.{query.format}"'},
    )


@router.get(
    "/{entry_id}",
    responses=example(ENTRY_DETAIL) | documented(404),
)
async def get_entry(runtime: RuntimeDep, entry_id: RowNumber) -> LogEntry:
    """One entry with its changed fields (old, new, source) and the deliveries that it settled."""
    async with runtime.sessions() as session:
        entry = await find_entry(session, entry_id)
        if entry is None:
            raise not_found(f"entry {entry_id}")
        ids = await delivery_ids_of(session, entry_id, MOST_PER_PAGE)
        filters = DeliveryFilter(id=ids or [0])
        page = await search_deliveries(session, filters, cursor=None, limit=MOST_PER_PAGE)
    deliveries = [describe(delivery) for delivery in page.items]
    return LogEntry.model_validate(entry).model_copy(update={"deliveries": deliveries})

"""Writing the log and its totals in one transaction, and every way of reading them."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.pagination import Page, fetch_page
from app.db.session import Sessions
from app.errors import System
from app.records import Event, Module, Outcome
from app.synclog.models import Entry, EntryDelivery
from app.synclog.totals import Tally, count_outcomes

KEY = (Entry.occurred_at, Entry.id)
NO_MODULE = "none"

_EXPORT_BATCH = 500


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An outcome about to be logged; `changes`, `notes`, `conflicts` as `Entry` describes them."""

    store: str
    module: Module | None
    target: System
    source_id: str
    target_id: str | None
    link_id: int | None
    event: Event
    outcome: Outcome
    reason: str | None
    message: str
    attempts: int
    duration_ms: int
    run_id: int | None = None
    label: str = ""
    changes: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[Mapping[str, Any]] = ()
    conflicts: Sequence[Mapping[str, Any]] = ()


async def append(session: AsyncSession, entry: NewEntry, delivery_ids: Sequence[int]) -> int:
    """Log one outcome, tie it to its deliveries and count it; all of it or nothing commits."""
    statement = insert(Entry).values(_row(entry) | {"delivery_count": len(delivery_ids)})
    logged = await session.execute(statement.returning(Entry.id, Entry.occurred_at))
    entry_id, occurred_at = logged.one()
    if delivery_ids:
        pairs = [{"entry_id": entry_id, "delivery_id": each} for each in delivery_ids]
        await session.execute(insert(EntryDelivery).values(pairs))
    if entry.module is not None:
        await count_outcomes(session, {_tally(entry, entry.module): 1}, occurred_at)
    return int(entry_id)


async def append_each(
    session: AsyncSession, entries: Sequence[tuple[NewEntry, Sequence[int]]]
) -> list[int]:
    """Log many outcomes, each with its deliveries; their ids in the same order."""
    rows = [_row(entry) | {"delivery_count": len(each)} for entry, each in entries]
    logged = await session.execute(
        insert(Entry).returning(Entry.id, Entry.occurred_at, sort_by_parameter_order=True), rows
    )
    found = logged.all()
    pairs = zip(found, entries, strict=True)
    ties = [
        {"entry_id": row.id, "delivery_id": delivery}
        for row, (_, deliveries) in pairs
        for delivery in deliveries
    ]
    await session.execute(insert(EntryDelivery), ties)
    tallies = [_tally(entry, entry.module) for entry, _ in entries if entry.module is not None]
    if tallies:
        await count_outcomes(session, Counter(tallies), found[0].occurred_at)
    return [int(row.id) for row in found]


def _row(entry: NewEntry) -> dict[str, Any]:
    return {item.name: getattr(entry, item.name) for item in fields(entry)}


def _tally(entry: NewEntry, module: Module) -> Tally:
    return Tally(entry.store, module, entry.target, entry.outcome)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What to show; several values of one filter mean either, several filters mean all."""

    store: Sequence[str] = ()
    module: Sequence[str] = ()
    target: Sequence[str] = ()
    outcome: Sequence[str] = ()
    reason: Sequence[str] = ()
    source_id: Sequence[str] = ()
    target_id: Sequence[str] = ()
    link_id: Sequence[int] = ()
    run_id: Sequence[int] = ()
    delivery_id: Sequence[int] = ()
    q: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None


_EQUAL = ("store", "target", "outcome", "reason", "source_id", "target_id", "link_id", "run_id")
_SEARCHED = (Entry.message, Entry.label, Entry.source_id, Entry.target_id)


def _conditions(filters: LogFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        getattr(Entry, name).in_(getattr(filters, name))
        for name in _EQUAL
        if getattr(filters, name)
    ]
    if filters.module:
        found.append(_in_modules(filters.module))
    if filters.delivery_id:
        found.append(Entry.id.in_(_told_of(filters.delivery_id)))
    if filters.q:
        found.append(
            or_(
                *(
                    column.icontains(word, autoescape=True)
                    for word in filters.q
                    for column in _SEARCHED
                )
            )
        )
    return found + _between(filters.since, filters.until)


def _in_modules(modules: Sequence[str]) -> ColumnElement[bool]:
    return func.coalesce(Entry.module, NO_MODULE).in_(modules)


def _told_of(delivery_ids: Sequence[int]) -> Select[int]:
    return select(EntryDelivery.entry_id).where(EntryDelivery.delivery_id.in_(delivery_ids))


def _between(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if since is not None:
        found.append(Entry.occurred_at >= since)
    if until is not None:
        found.append(Entry.occurred_at < until)
    return found


async def search(
    session: AsyncSession, filters: LogFilter, *, cursor: str | None, limit: int
) -> Page[Entry]:
    """Newest first. Raises InvalidInput for a cursor that is not ours."""
    matching = select(Entry).where(*_conditions(filters))
    return await fetch_page(session, matching, key=KEY, cursor=cursor, limit=limit)


async def count(session: AsyncSession, filters: LogFilter) -> int:
    found = select(func.count()).select_from(Entry).where(*_conditions(filters))
    return int(await session.scalar(found) or 0)


async def find_entry(session: AsyncSession, entry_id: int) -> Entry | None:
    return await session.get(Entry, entry_id)


async def find_label(session: AsyncSession, link_id: int) -> str:
    """What the pair was called last; "" if the log does not know any more."""
    named = select(Entry.label).where(Entry.link_id == link_id, Entry.label != "")
    return str(await session.scalar(named.order_by(Entry.id.desc()).limit(1)) or "")


async def delivery_ids_of(session: AsyncSession, entry_id: int, limit: int) -> list[int]:
    """The deliveries that the entry tells of, oldest first."""
    told = select(EntryDelivery.delivery_id).where(EntryDelivery.entry_id == entry_id)
    ordered = told.order_by(EntryDelivery.delivery_id).limit(limit)
    return list(await session.scalars(ordered))


async def export(sessions: Sessions, filters: LogFilter) -> AsyncIterator[Entry]:
    """Every matching entry, newest first, in batches: a slow reader holds no transaction open."""
    cursor: str | None = None
    while True:
        async with sessions() as session:
            page = await search(session, filters, cursor=cursor, limit=_EXPORT_BATCH)
        for entry in page.items:
            yield entry
        cursor = page.next_cursor
        if cursor is None:
            return

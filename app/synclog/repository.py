"""The Sync Log: writes entries and counts them in one transaction, and finds those of a record."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.db.session import (
    Driver,
    columns_of,
    cut,
    driver_of,
    fetch_prepared,
    storable,
    storable_text,
)
from app.domain import Event, Module, Outcome, Record, System
from app.synclog.models import SHARDS, Entry, EntryDelivery

# Retention: entries are deleted by age. Totals are kept, so that the summary does not change.


async def prune_entries(session: AsyncSession, days: int, *, most: int) -> int:
    """Delete at most `most` entries older than `days` days, the oldest first; return how many."""
    old = Entry.occurred_at < func.now() - func.make_interval(0, 0, 0, days)
    oldest = select(Entry.id).where(old).order_by(Entry.occurred_at, Entry.id).limit(most)
    ids = (await session.scalars(oldest)).all()
    await session.execute(delete(EntryDelivery).where(EntryDelivery.entry_id.in_(ids)))
    await session.execute(delete(Entry).where(Entry.id.in_(ids)))
    return len(ids)


# The latest outcome of each of a few records, in either direction.


async def search_latest(session: AsyncSession, records: Collection[Record]) -> dict[str, Entry]:
    """The latest entry of each record by record key; records without entries are left out.

    Changes, notes and conflicts of the entries are not read."""
    found: dict[str, Entry] = {}
    for system in System:
        theirs = [record for record in records if record.system is system]
        if not theirs:
            continue
        entries = [
            *await _search(session, theirs, target=system.other),
            *await _search(session, theirs, target=system),
        ]
        for entry in sorted(entries, key=lambda each: (each.occurred_at, each.id)):
            found[_record(entry, system).key] = entry
    wanted = {record.key for record in records}
    return {key: entry for key, entry in found.items() if key in wanted}


async def _search(
    session: AsyncSession, records: Sequence[Record], *, target: System
) -> Sequence[Entry]:
    """The latest entry of each record of one system, as the source or as the target."""
    column = Entry.target_id if records[0].system is target else Entry.source_id
    same = (Entry.store, Entry.module, column)
    entries = (
        select(Entry)
        .options(*(defer(each) for each in (Entry.changes, Entry.notes, Entry.conflicts)))
        .where(
            Entry.target == target,
            Entry.store.in_({record.store for record in records}),
            Entry.module.in_({record.module for record in records}),
            column.in_({record.id for record in records}),
        )
        .ext(distinct_on(*same))
        .order_by(*same, Entry.occurred_at.desc(), Entry.id.desc())
    )
    return (await session.scalars(entries)).all()


def _record(entry: Entry, system: System) -> Record:
    """The record of one system that an entry is about."""
    record_id = entry.target_id if entry.target == system else entry.source_id
    module = Module(entry.module) if entry.module else None
    return Record(entry.store, system, module, record_id or "")


# Hourly totals: updated with each entry, so that a summary need not read the log.

_SHARD_LOCKS = 0x53594E43  # the namespace of these advisory locks


@dataclass(frozen=True, slots=True)
class Tally:
    """The key by which outcomes of one hour are counted."""

    store: str
    module: Module
    target: System
    outcome: Outcome


_COUNT = f"""
WITH shard AS MATERIALIZED (
    SELECT coalesce(
        (SELECT free FROM (
            SELECT (n + pg_backend_pid()) %% {SHARDS} AS free FROM generate_series(1, {SHARDS}) AS n
        ) AS shards WHERE pg_try_advisory_xact_lock({_SHARD_LOCKS}, free) LIMIT 1),
        (SELECT 0 FROM (SELECT pg_advisory_xact_lock({_SHARD_LOCKS}, 0)) AS waited)) AS shard
)
INSERT INTO sync_totals AS known (store, module, target, outcome, hour_at, shard, count)
SELECT store, module, target, outcome, date_trunc('hour', %b::timestamptz, 'UTC'), shard, count
FROM shard CROSS JOIN
    unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::bigint[])
    AS counted (store, module, target, outcome, count)
ON CONFLICT (store, module, target, outcome, hour_at, shard)
    DO UPDATE SET count = known.count + excluded.count
RETURNING shard
"""  # noqa: S608 - constants only
"""Locks a shard until the transaction ends: two transactions that count the same outcomes in
different orders would deadlock on a shared one. Only a transaction without a shard waits for one,
so that no cycle of waits can form."""


async def count_outcomes(
    driver: Driver, tallies: Mapping[Tally, int], occurred_at: datetime
) -> None:
    """Add counts to the totals of the hour of `occurred_at`."""
    rows = [
        (each.store, str(each.module), str(each.target), str(each.outcome), count)
        for each, count in tallies.items()
    ]
    await fetch_prepared(driver, _COUNT, [occurred_at, *columns_of(rows, 5)])


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to write; `changes`, `notes` and `conflicts` as `Entry` describes them."""

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


_KINDS = {
    "store": "text",
    "module": "text",
    "target": "text",
    "source_id": "text",
    "target_id": "text",
    "link_id": "bigint",
    "event": "text",
    "outcome": "text",
    "reason": "text",
    "message": "text",
    "attempts": "bigint",
    "duration_ms": "bigint",
    "run_id": "bigint",
    "label": "text",
    "changes": "jsonb",
    "notes": "jsonb",
    "conflicts": "jsonb",
    "delivery_count": "bigint",
}
_APPEND = f"""
WITH new AS (
    SELECT * FROM unnest({", ".join(f"%b::{kind}[]" for kind in _KINDS.values())})
        WITH ORDINALITY AS new ({", ".join(_KINDS)}, number)
), logged AS (
    INSERT INTO sync_log ({", ".join(_KINDS)}) SELECT {", ".join(_KINDS)} FROM new ORDER BY number
    RETURNING id, occurred_at
), numbered AS (
    SELECT id, occurred_at, row_number() OVER (ORDER BY id) AS number FROM logged
), joined AS (
    INSERT INTO sync_log_deliveries (entry_id, delivery_id)
    SELECT id, delivery_id FROM numbered
    JOIN unnest(%b::bigint[], %b::bigint[]) AS settled (number, delivery_id) USING (number)
)
SELECT id, date_trunc('hour', occurred_at, 'UTC') FROM numbered ORDER BY number
"""  # noqa: S608 - constants only
"""Ids are given in the order of the entries."""

LoggedDeliveries = tuple[NewEntry, Sequence[int]]
"""An entry, and the ids of the deliveries that it settles."""


async def append(session: AsyncSession, entry: NewEntry, delivery_ids: Sequence[int]) -> int:
    """Write one entry with its deliveries, and count it, in the caller's transaction; return its
    id."""
    [entry_id] = await append_each(await driver_of(session), [(entry, delivery_ids)])
    return entry_id


async def append_each(driver: Driver, entries: Sequence[LoggedDeliveries]) -> list[int]:
    """Write many entries, each with its deliveries; return their ids in the same order."""
    rows = [_row(entry, deliveries) for entry, deliveries in entries]
    numbers = [n for n, (_, each) in enumerate(entries, start=1) for _ in each]
    deliveries = [delivery for _, each in entries for delivery in each]
    columns = columns_of(rows, len(_KINDS))
    logged = await fetch_prepared(driver, _APPEND, [*columns, numbers, deliveries])
    tallies: defaultdict[datetime, Counter[Tally]] = defaultdict(Counter)
    for (_, hour), (entry, _) in zip(logged, entries, strict=True):
        if entry.module is not None:
            tallies[hour][_tally(entry, entry.module)] += 1
    for hour, counted in tallies.items():
        await count_outcomes(driver, counted, hour)
    return [entry_id for entry_id, _ in logged]


def _tally(entry: NewEntry, module: Module) -> Tally:
    return Tally(entry.store, module, entry.target, entry.outcome)


def _row(entry: NewEntry, deliveries: Sequence[int]) -> list[object]:
    """The values in the order of `_KINDS`, as the columns' types store them."""
    values = {item.name: getattr(entry, item.name) for item in fields(entry)}
    values["delivery_count"] = len(deliveries)
    return [_storable(name, values[name]) for name in _KINDS]


def _storable(name: str, value: Any) -> object:
    if _KINDS[name] == "jsonb":
        return storable_text(value)
    if name == "message":
        return cut(storable(value))
    return storable(str(value)) if isinstance(value, str) else value


async def find_entry(session: AsyncSession, entry_id: int) -> Entry | None:
    return await session.get(Entry, entry_id)


async def find_label(session: AsyncSession, link_id: int) -> str:
    """The latest label of the pair in the log; "" without any."""
    named = select(Entry.label).where(Entry.link_id == link_id, Entry.label != "")
    return str(await session.scalar(named.order_by(Entry.id.desc()).limit(1)) or "")


async def delivery_ids_of(session: AsyncSession, entry_id: int, limit: int) -> list[int]:
    """The ids of at most `limit` deliveries that the entry settled, oldest first."""
    found = select(EntryDelivery.delivery_id).where(EntryDelivery.entry_id == entry_id)
    ordered = found.order_by(EntryDelivery.delivery_id).limit(limit)
    return list(await session.scalars(ordered))

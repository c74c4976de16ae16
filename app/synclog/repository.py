"""The Sync Log: writes entries and counts them in one transaction, and finds those of a record."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.domain import Event, Module, Outcome, Record, System
from app.synclog.models import SHARDS, Entry, EntryDelivery, Total
from app.synclog.totals import floor_of

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


async def count_outcomes(
    session: AsyncSession, tallies: Mapping[Tally, int], occurred_at: datetime
) -> None:
    """Add counts to the totals of the hour of `occurred_at`."""
    common = {"hour_at": floor_of(occurred_at, "hour"), "shard": await _take_shard(session)}
    statement = insert(Total).values(
        [asdict(tally) | common | {"count": count} for tally, count in tallies.items()]
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=list(Total.__table__.primary_key),
            set_={"count": Total.count + statement.excluded.count},
        )
    )


async def _take_shard(session: AsyncSession) -> int:
    """Lock a shard for this transaction and return its number.

    Two transactions that count the same outcomes in different orders would deadlock on a shared
    shard. Only a transaction without a shard waits for one, so that no cycle of waits can form.
    """
    free = text(
        "SELECT s FROM (SELECT (n + pg_backend_pid()) % :shards AS s"
        " FROM generate_series(0, :shards - 1) AS n) AS candidates"
        " WHERE pg_try_advisory_xact_lock(:space, s) LIMIT 1"
    )
    shard = await session.scalar(free, {"shards": SHARDS, "space": _SHARD_LOCKS})
    if shard is None:
        waiting = text("SELECT pg_advisory_xact_lock(:space, 0)")
        await session.execute(waiting, {"space": _SHARD_LOCKS})
    return int(shard or 0)


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


async def append(session: AsyncSession, entry: NewEntry, delivery_ids: Sequence[int]) -> int:
    """Write one entry with its deliveries, and count it, in the caller's transaction; return its
    id."""
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
    """Write many entries, each with its deliveries; return their ids in the same order."""
    rows = [_row(entry) | {"delivery_count": len(each)} for entry, each in entries]
    logged = await session.execute(
        insert(Entry).returning(Entry.id, Entry.occurred_at, sort_by_parameter_order=True), rows
    )
    found = logged.all()
    pairs = [
        {"entry_id": row.id, "delivery_id": delivery}
        for row, (_, deliveries) in zip(found, entries, strict=True)
        for delivery in deliveries
    ]
    await session.execute(insert(EntryDelivery), pairs)
    tallies: defaultdict[datetime, Counter[Tally]] = defaultdict(Counter)
    for row, (entry, _) in zip(found, entries, strict=True):
        if entry.module is not None:
            tallies[floor_of(row.occurred_at, "hour")][_tally(entry, entry.module)] += 1
    for hour, counted in tallies.items():
        await count_outcomes(session, counted, hour)
    return [int(row.id) for row in found]


def _row(entry: NewEntry) -> dict[str, Any]:
    return {item.name: getattr(entry, item.name) for item in fields(entry)}


def _tally(entry: NewEntry, module: Module) -> Tally:
    return Tally(entry.store, module, entry.target, entry.outcome)


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

"""The Sync Log: writes entries and their totals in one transaction, searches and counts them."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    cast,
    delete,
    func,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer

from app.db.pagination import Page, fetch_page
from app.db.session import Sessions
from app.domain import Event, Module, Outcome, Record, System
from app.synclog.models import SHARDS, Entry, EntryDelivery, Total

# Retention: entries are deleted by age. Totals are kept, so that the summary does not change.


async def prune_entries(session: AsyncSession, days: int, *, most: int) -> int:
    """Delete at most `most` entries older than `days` days; return how many."""
    old = Entry.occurred_at < func.now() - func.make_interval(0, 0, 0, days)
    ids = (await session.scalars(select(Entry.id).where(old).limit(most))).all()
    await session.execute(delete(EntryDelivery).where(EntryDelivery.entry_id.in_(ids)))
    await session.execute(delete(Entry).where(Entry.id.in_(ids)))
    return len(ids)


# Outcomes over time, for charts: steps of an hour or more from totals, shorter ones from the log.

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The number of entries by outcome in the step that begins at `starts_at`."""

    starts_at: datetime
    counts: Mapping[Outcome, int]


async def first_logged_at(session: AsyncSession, store: Sequence[str] = ()) -> datetime | None:
    """The time of the first entry, or its hour if entries were deleted since; None without any."""
    hour, entry = select(func.min(Total.hour_at)), select(func.min(Entry.occurred_at))
    if store:
        hour, entry = hour.where(Total.store.in_(store)), entry.where(Entry.store.in_(store))
    first_hour, first_entry = await session.scalar(hour), await session.scalar(entry)
    if first_hour is None or first_entry is None:
        return first_hour
    found: datetime = first_entry if first_entry - first_hour < _HOUR else first_hour
    return found


async def series(
    session: AsyncSession,
    *,
    since: datetime,
    until: datetime,
    step: timedelta,
    store: Sequence[str] = (),
) -> list[Bucket]:
    """A bucket for each step that `since <= time < until` touches, empty ones included."""
    counted = _hours(step) if step >= _HOUR else _entries(step)
    source = Total if step >= _HOUR else Entry
    at = Total.hour_at if step >= _HOUR else Entry.occurred_at
    first = _number(since, step)
    counted = counted.where(at >= _moment(first, step), at < until)
    if store:
        counted = counted.where(source.store.in_(store))
    found: dict[int, dict[Outcome, int]] = {}
    for number, outcome, count in await session.execute(counted):
        found.setdefault(int(number), {})[Outcome(outcome)] = int(count)
    last = _number(until - timedelta.resolution, step)
    return [
        Bucket(
            _moment(number, step), {each: found.get(number, {}).get(each, 0) for each in Outcome}
        )
        for number in range(first, last + 1)
    ]


def _hours(step: timedelta) -> Select[Any]:
    number = _number_column(Total.hour_at, step)
    counted = select(number, Total.outcome, func.sum(Total.count))
    return counted.group_by(number, Total.outcome)


def _entries(step: timedelta) -> Select[Any]:
    number = _number_column(Entry.occurred_at, step)
    counted = select(number, Entry.outcome, func.count()).where(Entry.module.is_not(None))
    return counted.group_by(number, Entry.outcome)


def _number_column(column: Any, step: timedelta) -> Any:
    return cast(
        func.floor(func.extract("epoch", column) / int(step.total_seconds())), BigInteger
    ).label("number")


def _number(moment: datetime, step: timedelta) -> int:
    """Steps since 1970: those of a day begin at midnight UTC."""
    return int(moment.timestamp() // step.total_seconds())


def _moment(number: int, step: timedelta) -> datetime:
    return datetime.fromtimestamp(number * step.total_seconds(), UTC)


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

Summary = dict[System, dict[Module, dict[Outcome, int]]]

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
    common = {"hour_at": _hour(occurred_at), "shard": await _take_shard(session)}
    statement = insert(Total).values(
        [asdict(tally) | common | {"count": count} for tally, count in tallies.items()]
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=list(Total.__table__.primary_key),
            set_={"count": Total.count + statement.excluded.count},
        )
    )


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


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


TABLE_OUTCOMES = (
    Outcome.CREATED,
    Outcome.UPDATED,
    Outcome.DELETED,
    Outcome.SKIPPED,
    Outcome.FAILED,
)
"""The outcomes that the two tables of the Sync Log always show."""


async def summary(
    session: AsyncSession,
    *,
    store: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> Summary:
    """Counts by target, module and outcome, zeros included, for `since <= time < until`.

    Whole hours come from the totals, the rest of a first and last hour from the log.
    """
    hours, edges = _split(since, until)
    counts: CompoundSelect[Any, Any, Any, Any] = union_all(
        _totals(store, hours), _logged(store, edges)
    )
    return _filled(await session.execute(counts))


async def summary_of_run(session: AsyncSession, run_id: int) -> Summary:
    """Counts by target, module and outcome of one run, zeros included, from the log."""
    counted = select(Entry.target, Entry.module, Entry.outcome, func.count())
    counted = counted.where(Entry.run_id == run_id, Entry.module.is_not(None))
    return _filled(
        await session.execute(counted.group_by(Entry.target, Entry.module, Entry.outcome))
    )


async def outcomes_of_run(session: AsyncSession, run_id: int) -> dict[Outcome, int]:
    """The number of a run's entries by outcome, zeros included."""
    counted = select(Entry.outcome, func.count()).where(Entry.run_id == run_id)
    rows = await session.execute(counted.group_by(Entry.outcome))
    counts = {Outcome(outcome): int(count) for outcome, count in rows}
    return {outcome: counts.get(outcome, 0) for outcome in Outcome}


def _filled(counts: Iterable[Any]) -> Summary:
    found: Summary = {
        target: {module: dict.fromkeys(Outcome, 0) for module in Module} for target in System
    }
    for target, module, outcome, count in counts:
        found[System(target)][Module(module)][Outcome(outcome)] += int(count)
    return found


Span = tuple[datetime | None, datetime | None]


def _split(since: datetime | None, until: datetime | None) -> tuple[Span, list[Span]]:
    """The whole hours to read from the totals, and the remaining spans to count in the log."""
    first = None if since is None else _hour(since + _HOUR - timedelta.resolution)
    last = None if until is None else _hour(until)
    if first is not None and last is not None and first > last:
        return (first, first), [(since, until)]
    edges: list[Span] = []
    if since != first:
        edges.append((since, first))
    if until != last:
        edges.append((last, until))
    return (first, last), edges


def _within(column: InstrumentedAttribute[datetime], span: Span) -> ColumnElement[bool]:
    since, until = span
    bounds = [column >= since] if since is not None else []
    bounds += [column < until] if until is not None else []
    return and_(True, *bounds)


_Counts = Select[str, Any, str, int]


def _totals(store: Sequence[str], hours: Span) -> _Counts:
    count = func.sum(Total.count)
    counted = select(Total.target, Total.module, Total.outcome, count)
    counted = counted.where(_within(Total.hour_at, hours))
    if store:
        counted = counted.where(Total.store.in_(store))
    return counted.group_by(Total.target, Total.module, Total.outcome)


def _logged(store: Sequence[str], edges: Sequence[Span]) -> _Counts:
    spans = or_(False, *(_within(Entry.occurred_at, edge) for edge in edges))
    counted = select(Entry.target, Entry.module, Entry.outcome, func.count())
    counted = counted.where(Entry.module.is_not(None), spans)
    if store:
        counted = counted.where(Entry.store.in_(store))
    return counted.group_by(Entry.target, Entry.module, Entry.outcome)


KEY = (Entry.occurred_at, Entry.id)
NO_MODULE = "none"

_EXPORT_BATCH = 500


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
    """Values of one filter are combined by OR, filters by AND; an empty filter matches all.

    `q` are words to find in message, label or ids."""

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
        found.append(Entry.id.in_(_entry_ids_of(filters.delivery_id)))
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


def _entry_ids_of(delivery_ids: Sequence[int]) -> Select[int]:
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
    """One page of entries, newest first. InvalidInput for an invalid cursor."""
    matching = select(Entry).where(*_conditions(filters))
    return await fetch_page(session, matching, key=KEY, cursor=cursor, limit=limit)


async def count(session: AsyncSession, filters: LogFilter) -> int:
    found = select(func.count()).select_from(Entry).where(*_conditions(filters))
    return int(await session.scalar(found) or 0)


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


async def export(sessions: Sessions, filters: LogFilter) -> AsyncIterator[Entry]:
    """Yield every matching entry, newest first. Reads in batches, so that no transaction stays open
    for a slow reader."""
    cursor: str | None = None
    while True:
        async with sessions() as session:
            page = await search(session, filters, cursor=cursor, limit=_EXPORT_BATCH)
        for entry in page.items:
            yield entry
        cursor = page.next_cursor
        if cursor is None:
            return

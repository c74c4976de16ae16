"""Totals of the Sync Log: the summary and charts, from counts by hour, day, month and year.

`append` counts an entry in a shard of its hour. The shards of past hours are compacted into one,
and added to the totals of their day, month and year: what is read is the new shards of a range, and
as few compacted counts as cover it. Each statement sees either state, so every sum is exact
(decision 28)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    cast,
    func,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.domain import Module, Outcome, System
from app.synclog.models import COMPACTED, Entry, PeriodTotal, Total

Summary = dict[System, dict[Module, dict[Outcome, int]]]

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)

# Compaction

_COMPACT = text("""
WITH taken AS (
    SELECT store, module, target, outcome, hour_at, shard FROM sync_totals
    WHERE shard >= 0 AND hour_at < date_trunc('hour', now(), 'UTC')
    ORDER BY hour_at LIMIT :most FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM sync_totals USING taken
    WHERE (sync_totals.store, sync_totals.module, sync_totals.target, sync_totals.outcome,
            sync_totals.hour_at, sync_totals.shard)
        = (taken.store, taken.module, taken.target, taken.outcome, taken.hour_at, taken.shard)
    RETURNING sync_totals.*
), hours AS (
    INSERT INTO sync_totals AS known (store, module, target, outcome, hour_at, shard, count)
    SELECT store, module, target, outcome, hour_at, :compacted, sum(count)
    FROM gone GROUP BY store, module, target, outcome, hour_at
    ON CONFLICT (store, module, target, outcome, hour_at, shard)
        DO UPDATE SET count = known.count + excluded.count
), periods AS (
    INSERT INTO sync_period_totals AS known
        (unit, starts_at, store, module, target, outcome, count)
    SELECT unit, date_trunc(unit, hour_at, 'UTC') AS starts_at, store, module, target, outcome,
        sum(count)
    FROM gone, unnest(ARRAY['day', 'month', 'year']) AS unit
    GROUP BY unit, starts_at, store, module, target, outcome
    ON CONFLICT (unit, starts_at, store, module, target, outcome)
        DO UPDATE SET count = known.count + excluded.count
)
SELECT count(*) FROM gone
""")
_COMPACTION_LOCK = 0x53594E44  # an arbitrary number, the same in all versions


async def compact_totals(session: AsyncSession, *, most: int) -> int:
    """Compact at most `most` shards of past hours; return how many. One process does it at a time.

    A transaction that began in a past hour may add a shard to it later: the next call takes it. A
    shard that such a transaction has locked is left to the next call, too."""
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(_COMPACTION_LOCK))):
        return 0
    return int(await session.scalar(_COMPACT, {"most": most, "compacted": COMPACTED}) or 0)


# Reading: pieces of a range of hours

Span = tuple[datetime | None, datetime | None]
"""`first <= time < second`; None: without bound."""
_Count = Select[*tuple[Any, ...]]


def floor_of(moment: datetime, unit: str) -> datetime:
    """The begin of the hour, day, month or year (UTC) that contains the moment."""
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if unit == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if unit == "day" else day.replace(day=1, month=1 if unit == "year" else day.month)


def _next(moment: datetime, unit: str) -> datetime:
    """The begin of the unit after the one that begins at the moment."""
    longest = {"hour": _HOUR, "day": _DAY, "month": 31 * _DAY, "year": 366 * _DAY}[unit]
    return floor_of(moment + longest, unit)


def _ceiling_of(moment: datetime, unit: str) -> datetime:
    begin = floor_of(moment, unit)
    return begin if begin == moment else _next(begin, unit)


UNITS = ("hour", "day", "month", "year")


def pieces(span: Span, units: Sequence[str] = UNITS) -> Iterator[tuple[str, Span]]:
    """The range of whole hours as ranges of whole units, as long ones as possible."""
    since, until = span
    if since is not None and until is not None and since >= until:
        return
    *shorter, unit = units
    first = None if since is None else _ceiling_of(since, unit)
    last = None if until is None else floor_of(until, unit)
    if first is not None and last is not None and first >= last:
        yield from pieces(span, shorter)
        return
    yield unit, (first, last)
    if since != first:
        yield from pieces((since, first), shorter)
    if until != last:
        yield from pieces((last, until), shorter)


def _within(column: InstrumentedAttribute[datetime], span: Span) -> ColumnElement[bool]:
    since, until = span
    bounds = [column >= since] if since is not None else []
    bounds += [column < until] if until is not None else []
    return and_(True, *bounds)


def _counts(span: Span, store: Sequence[str], units: Sequence[str] = UNITS) -> list[_Count]:
    """Statements that select `at`, store, target, module, outcome and count of a range of whole
    hours; `at` is the begin of the hour or of the longest unit that lies within the range."""
    new = and_(Total.shard >= 0, _within(Total.hour_at, span))
    found = [_of_hours(new)]
    for unit, piece in pieces(span, units):
        if unit == "hour":
            found.append(_of_hours(and_(Total.shard == COMPACTED, _within(Total.hour_at, piece))))
        else:
            found.append(
                select(
                    *(PeriodTotal.starts_at.label("at"), PeriodTotal.store, PeriodTotal.target),
                    *(PeriodTotal.module, PeriodTotal.outcome, PeriodTotal.count),
                ).where(PeriodTotal.unit == unit, _within(PeriodTotal.starts_at, piece))
            )
    if not store:
        return found
    return [each.where(each.selected_columns.store.in_(store)) for each in found]


def _of_hours(condition: ColumnElement[bool]) -> _Count:
    return select(
        *(Total.hour_at.label("at"), Total.store, Total.target),
        *(Total.module, Total.outcome, Total.count),
    ).where(condition)


def _split(since: datetime | None, until: datetime | None) -> tuple[Span, list[Span]]:
    """The whole hours to read from the totals, and the remaining spans to count in the log."""
    first = None if since is None else _ceiling_of(since, "hour")
    last = None if until is None else floor_of(until, "hour")
    if first is not None and last is not None and first > last:
        return (first, first), [(since, until)]
    edges: list[Span] = []
    if since != first:
        edges.append((since, first))
    if until != last:
        edges.append((last, until))
    return (first, last), edges


def _logged(store: Sequence[str], edges: Sequence[Span]) -> _Count:
    """The statement that selects the same columns of spans that are no whole hours."""
    spans = or_(False, *(_within(Entry.occurred_at, edge) for edge in edges))
    counted = select(
        *(func.min(Entry.occurred_at).label("at"), Entry.store, Entry.target),
        *(Entry.module, Entry.outcome, func.count().label("count")),
    ).where(Entry.module.is_not(None), spans)
    if store:
        counted = counted.where(Entry.store.in_(store))
    return counted.group_by(Entry.store, Entry.target, Entry.module, Entry.outcome)


# The summary: counts by target, module and outcome

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
    counts = _range(store, since, until).subquery()
    key = (counts.c.target, counts.c.module, counts.c.outcome)
    return _filled(await session.execute(select(*key, func.sum(counts.c.count)).group_by(*key)))


def _range(store: Sequence[str], since: datetime | None, until: datetime | None) -> Any:
    hours, edges = _split(since, until)
    logged = [_logged(store, edges)] if edges else []
    return union_all(*_counts(hours, store), *logged)


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


async def count_entries(
    session: AsyncSession,
    chosen: Mapping[str, Sequence[str]],
    *,
    since: datetime | None,
    until: datetime | None,
) -> int:
    """The number of entries with a module that the log still has. `chosen` are the wanted values of
    store, module, target and outcome; all values where a name is missing.

    Retention deletes the oldest entries first, so that the hours after the first entry are
    complete."""
    first = await session.scalar(select(func.min(Entry.occurred_at)))
    if first is None:
        return 0
    begin = first if since is None else max(first, since)
    counts = _range(chosen.get("store", ()), begin, until).subquery()
    wanted = (counts.c[name].in_(values) for name, values in chosen.items())
    return int(await session.scalar(select(func.sum(counts.c.count)).where(*wanted)) or 0)


# Outcomes over time, for charts: steps of an hour or more from totals, shorter ones from the log.


@dataclass(frozen=True, slots=True)
class Bucket:
    """The number of entries by outcome in the step that begins at `starts_at`."""

    starts_at: datetime
    counts: Mapping[Outcome, int]


async def first_logged_at(session: AsyncSession, store: Sequence[str] = ()) -> datetime | None:
    """The time of the first entry that was counted, or its hour if entries were deleted since; None
    without any."""
    hour = await session.scalar(_first_hour(store))
    if hour is None:
        return None
    entry = select(Entry.occurred_at).where(
        Entry.occurred_at >= hour, Entry.occurred_at < hour + _HOUR, Entry.module.is_not(None)
    )
    if store:
        entry = entry.where(Entry.store.in_(store))
    found: datetime = await session.scalar(entry.order_by(Entry.occurred_at).limit(1)) or hour
    return found


def _first_hour(store: Sequence[str]) -> Select[Any]:
    """Of stores: the first hour of each kind of entries, each by one search of the primary key."""
    if not store:
        return select(func.min(Total.hour_at))
    names = zip(
        ("store", "module", "target", "outcome"), (store, Module, System, Outcome), strict=True
    )
    kinds = [
        select(
            func.unnest(cast([str(each) for each in values], ARRAY(Text))).label(name)
        ).subquery()
        for name, values in names
    ]
    first = (
        select(Total.hour_at)
        .where(*(getattr(Total, each.c.keys()[0]) == each.c[0] for each in kinds))
        .order_by(Total.hour_at)
        .limit(1)
        .lateral()
    )
    return select(func.min(first.c.hour_at)).select_from(*kinds, first)


async def series(
    session: AsyncSession,
    *,
    since: datetime,
    until: datetime,
    step: timedelta,
    store: Sequence[str] = (),
) -> list[Bucket]:
    """A bucket for each step that `since <= time < until` touches, empty ones included."""
    first = _number(since, step)
    start = _moment(first, step)
    statement = _entries(store, (start, until), step)
    if step >= _HOUR:
        statement = _hours(store, (start, _ceiling_of(until, "hour")), step)
    found: dict[int, dict[Outcome, int]] = {}
    for number, outcome, count in await session.execute(statement):
        found.setdefault(int(number), {})[Outcome(outcome)] = int(count)
    last = _number(until - timedelta.resolution, step)
    return [
        Bucket(
            _moment(number, step), {each: found.get(number, {}).get(each, 0) for each in Outcome}
        )
        for number in range(first, last + 1)
    ]


def _hours(store: Sequence[str], span: Span, step: timedelta) -> Select[Any]:
    counts = union_all(*_counts(span, store, UNITS[:2] if step >= _DAY else UNITS[:1])).subquery()
    number = _number_column(counts.c.at, step)
    counted = select(number, counts.c.outcome, func.sum(counts.c.count))
    return counted.group_by(number, counts.c.outcome)


def _entries(store: Sequence[str], span: Span, step: timedelta) -> Select[Any]:
    number = _number_column(Entry.occurred_at, step)
    counted = select(number, Entry.outcome, func.count()).where(
        Entry.module.is_not(None), _within(Entry.occurred_at, span)
    )
    if store:
        counted = counted.where(Entry.store.in_(store))
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

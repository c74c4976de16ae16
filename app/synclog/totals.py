"""Hourly totals: counted as entries are logged, so that a summary reads hours, not the log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    func,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.errors import System
from app.records import Module, Outcome
from app.synclog.models import SHARDS, Entry, Total

Summary = dict[System, dict[Module, dict[Outcome, int]]]

_HOUR = timedelta(hours=1)
_SHARD_LOCKS = 0x53594E43  # keeps these advisory locks apart from other users of them


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted together within an hour."""

    store: str
    module: Module
    target: System
    outcome: Outcome


async def count_outcomes(
    session: AsyncSession, tallies: Mapping[Tally, int], occurred_at: datetime
) -> None:
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
    """A shard that is this transaction's alone until it ends.

    Two transactions that count the same outcomes in different orders would deadlock on a shared
    shard. Only a transaction that holds none ever waits, so waiting never goes round in a circle.
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
    """The same of one manual run, counted in the log."""
    counted = select(Entry.target, Entry.module, Entry.outcome, func.count())
    counted = counted.where(Entry.run_id == run_id, Entry.module.is_not(None))
    return _filled(
        await session.execute(counted.group_by(Entry.target, Entry.module, Entry.outcome))
    )


async def outcomes_of_run(session: AsyncSession, run_id: int) -> dict[Outcome, int]:
    """Its entries by outcome, zeros included."""
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
    """Whole hours to read from the totals, and what is left to count in the log."""
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

"""Stores runs: create, start, advance, finish, search. Times are those of the database's clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.pagination import Page, fetch_page
from app.domain import Direction, Module, Outcome
from app.runs.models import DUE_STATES, OPEN_STATES, Consent, RunDifference, RunState, SyncRun


@dataclass(frozen=True, slots=True)
class NewRun:
    """A requested run; without modules it covers all that are synced."""

    store: str
    modules: Sequence[Module] = ()
    direction: Direction = Direction.BOTH
    since: datetime | None = None
    dry_run: bool = False
    repair_of: int | None = None
    started_by: str = ""
    consent: Consent = Consent.GIVEN


async def create_run(session: AsyncSession, wanted: NewRun) -> SyncRun:
    run = SyncRun(**asdict(wanted) | {"modules": list(wanted.modules)})
    session.add(run)
    await session.flush()
    await session.refresh(run)
    return run


async def schedule_run(
    session: AsyncSession, wanted: NewRun, *, every_seconds: float
) -> SyncRun | None:
    """Create the store's next scheduled run; None unless the last one is over and was created at
    least `every_seconds` ago. Of two concurrent calls one gets the run.
    """
    due_at = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, every_seconds)
    recent = select(SyncRun.id).where(
        SyncRun.store == wanted.store, SyncRun.scheduled, SyncRun.created_at > due_at
    )
    if await session.scalar(recent.limit(1)) is not None:
        return None
    row = asdict(wanted) | {"modules": list(wanted.modules), "scheduled": True}
    created: SyncRun | None = await session.scalar(
        insert(SyncRun).values(row).on_conflict_do_nothing().returning(SyncRun)
    )
    return created


async def find_run(session: AsyncSession, run_id: int) -> SyncRun | None:
    return await session.get(SyncRun, run_id)


async def directions_of(session: AsyncSession, run_ids: Collection[int | None]) -> set[Direction]:
    found = select(SyncRun.direction).where(SyncRun.id.in_(run_ids)).distinct()
    return {Direction(each) for each in await session.scalars(found)}


async def search_due_runs(session: AsyncSession) -> Sequence[SyncRun]:
    """Runs that are due, oldest first; another worker may be executing them."""
    due = SyncRun.state.in_(DUE_STATES) & (SyncRun.next_attempt_at <= func.now())
    return (await session.scalars(select(SyncRun).where(due).order_by(SyncRun.id))).all()


async def resume_run(session: AsyncSession, run_id: int) -> SyncRun | None:
    """Start or resume the run; None if it is over, or waits for consent."""
    return await _update(
        session,
        run_id,
        states=DUE_STATES,
        state=RunState.RUNNING,
        attempts=SyncRun.attempts + 1,
        started_at=func.coalesce(SyncRun.started_at, func.now()),
        resumed_at=func.now(),
        resumed_done=func.coalesce(SyncRun.cursor["done"].as_integer(), 0),
        done=func.coalesce(SyncRun.cursor["done"].as_integer(), 0),
        agreed=func.coalesce(SyncRun.cursor["agreed"].as_integer(), 0),
    )


async def enter_step(
    session: AsyncSession,
    run_id: int,
    cursor: Mapping[str, Any],
    *,
    total: int,
    agreed_in: Mapping[str, int],
) -> SyncRun | None:
    """Store that a step begins, at which a later execution resumes. None if the run is over."""
    return await _update(
        session, run_id, cursor=dict(cursor), total=total, agreed_in=dict(agreed_in)
    )


async def add_counts(
    session: AsyncSession,
    run_id: int,
    *,
    done: int,
    agreed: int = 0,
    ahead: int = 0,
    agreed_in: Mapping[str, int] | None = None,
) -> SyncRun | None:
    """Add to the run's counts. None if the run is over meanwhile, which stops its execution.

    `ahead` is the estimated number of records of later steps: the total grows if a step has more
    records than were counted."""
    all_done = SyncRun.done + done
    counted: dict[str, Any] = {} if agreed_in is None else {"agreed_in": dict(agreed_in)}
    return await _update(
        session,
        run_id,
        **counted,
        done=all_done,
        agreed=SyncRun.agreed + agreed,
        total=func.greatest(SyncRun.total, all_done + ahead),
    )


async def postpone_run(
    session: AsyncSession, run_id: int, seconds: float, *, reason: str, message: str
) -> None:
    """Queue the run again for a retry in so many seconds, after a temporary failure."""
    await _update(
        session,
        run_id,
        state=RunState.QUEUED,
        next_attempt_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
        last_reason=reason,
        last_error=message,
    )


async def finish_run(
    session: AsyncSession,
    run_id: int,
    state: RunState,
    *,
    totals: Mapping[Outcome, int],
    reason: str | None = None,
    message: str | None = None,
) -> SyncRun | None:
    """Finish the run in a final state; None if it is over already."""
    return await _update(
        session,
        run_id,
        state=state,
        totals={str(outcome): count for outcome, count in totals.items()},
        finished_at=func.now(),
        last_reason=reason,
        last_error=message,
    )


async def request_consent(
    session: AsyncSession, run_id: int, expected: Mapping[str, Any]
) -> SyncRun | None:
    """Let the run wait for a person's consent to what is expected; None if it is over meanwhile."""
    values = {"state": RunState.ASKING, "expected": dict(expected)}
    return await _update(session, run_id, states=DUE_STATES, **values)


async def give_consent(session: AsyncSession, run_id: int) -> SyncRun | None:
    """Queue a run to which a person consented; None unless it waits for consent."""
    values = {"state": RunState.QUEUED, "consent": Consent.GIVEN, "next_attempt_at": func.now()}
    return await _update(session, run_id, states=(RunState.ASKING,), **values)


async def expect(session: AsyncSession, run_id: int, expected: Mapping[str, Any]) -> None:
    """Store what the run would create, or what a sync of its differences would create."""
    await _update(session, run_id, expected=dict(expected))


async def _update(
    session: AsyncSession,
    run_id: int,
    *,
    states: Sequence[RunState] = OPEN_STATES,
    **values: Any,
) -> SyncRun | None:
    """Set columns of the run if it is in one of the states; None if it is not."""
    statement = update(SyncRun).where(SyncRun.id == run_id, SyncRun.state.in_(states))
    changed = statement.values(**values, updated_at=func.now()).returning(SyncRun)
    run: SyncRun | None = await session.scalar(
        changed, execution_options={"populate_existing": True}
    )
    return run


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Values of one filter are combined by OR, filters by AND; an empty filter matches all."""

    store: Sequence[str] = ()
    state: Sequence[str] = ()
    dry_run: bool | None = None


async def search_runs(
    session: AsyncSession, filters: RunFilter, *, cursor: str | None, limit: int
) -> Page[SyncRun]:
    """One page of runs, newest first. InvalidInput for an invalid cursor."""
    wanted: list[ColumnElement[bool]] = []
    if filters.store:
        wanted.append(SyncRun.store.in_(filters.store))
    if filters.state:
        wanted.append(SyncRun.state.in_(filters.state))
    if filters.dry_run is not None:
        wanted.append(SyncRun.dry_run.is_(filters.dry_run))
    key = (SyncRun.created_at, SyncRun.id)
    return await fetch_page(
        session, select(SyncRun).where(*wanted), key=key, cursor=cursor, limit=limit
    )


async def add_differences(
    session: AsyncSession, run_id: int, found: Sequence[Mapping[str, Any]]
) -> None:
    """Store what a comparison found; a record that was stored before is updated."""
    if not found:
        return
    statement = insert(RunDifference).values([{**row, "run_id": run_id} for row in found])
    values = {name: statement.excluded[name] for name in found[0] if name != "record_key"}
    await session.execute(
        statement.on_conflict_do_update(index_elements=["run_id", "record_key"], set_=values)
    )
    counted = select(func.count()).where(RunDifference.run_id == run_id).scalar_subquery()
    await session.execute(
        update(SyncRun).where(SyncRun.id == run_id).values(difference_count=counted)
    )


@dataclass(frozen=True, slots=True)
class DifferenceFilter:
    """Values of one filter are combined by OR, filters by AND; an empty filter matches all.

    `q` are words to find in the label, the ids or the message."""

    module: Sequence[str] = ()
    plan: Sequence[str] = ()
    reason: Sequence[str] = ()
    q: Sequence[str] = ()


ALL_DIFFERENCES = DifferenceFilter()


async def search_differences(
    session: AsyncSession,
    run_id: int,
    filters: DifferenceFilter = ALL_DIFFERENCES,
    *,
    cursor: str | None,
    limit: int,
) -> Page[RunDifference]:
    """One page of a comparison's differences, latest first. InvalidInput for an invalid cursor."""
    key = (RunDifference.created_at, RunDifference.id)
    found = select(RunDifference).where(RunDifference.run_id == run_id)
    for name in ("module", "plan", "reason"):
        if wanted := getattr(filters, name):
            found = found.where(getattr(RunDifference, name).in_(wanted))
    if filters.q:
        columns = (
            RunDifference.label,
            RunDifference.woo_id,
            RunDifference.vtiger_id,
            RunDifference.message,
        )
        found = found.where(
            or_(*(column.icontains(q, autoescape=True) for column in columns for q in filters.q))
        )
    return await fetch_page(session, found, key=key, cursor=cursor, limit=limit)


async def count_differences(session: AsyncSession, run_id: int) -> dict[str, dict[str, int]]:
    """The number of a comparison's differences, by module and plan."""
    rows = await session.execute(
        select(RunDifference.module, RunDifference.plan, func.count())
        .where(RunDifference.run_id == run_id)
        .group_by(RunDifference.module, RunDifference.plan)
    )
    counts: dict[str, dict[str, int]] = {}
    for module, plan, count in rows:
        counts.setdefault(module, {})[plan] = int(count)
    return counts


async def prune_runs(session: AsyncSession, days: int) -> None:
    """Delete runs that ended more than `days` days ago, with their differences."""
    old = SyncRun.finished_at < func.now() - func.make_interval(0, 0, 0, days)
    await session.execute(delete(SyncRun).where(old))

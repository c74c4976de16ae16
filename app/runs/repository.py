"""Keeping runs: asked for, taken up, moved on, ended; every clock here is the database's."""

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
    """What is asked for; no modules: all that are synced."""

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
    """The store's next scheduled run, if the last one began that long ago and has ended.

    Two workers that ask at once get one run between them.
    """
    due_at = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, every_seconds)
    recent = select(SyncRun.id).where(
        SyncRun.store == wanted.store, SyncRun.scheduled, SyncRun.created_at > due_at
    )
    if await session.scalar(recent.limit(1)) is not None:
        return None
    row = asdict(wanted) | {"modules": list(wanted.modules), "scheduled": True}
    made: SyncRun | None = await session.scalar(
        insert(SyncRun).values(row).on_conflict_do_nothing().returning(SyncRun)
    )
    return made


async def find_run(session: AsyncSession, run_id: int) -> SyncRun | None:
    return await session.get(SyncRun, run_id)


async def directions_of(session: AsyncSession, run_ids: Collection[int | None]) -> set[Direction]:
    found = select(SyncRun.direction).where(SyncRun.id.in_(run_ids)).distinct()
    return {Direction(each) for each in await session.scalars(found)}


async def search_due_runs(session: AsyncSession) -> Sequence[SyncRun]:
    """Runs that want work now, oldest first; somebody may be at them."""
    due = SyncRun.state.in_(DUE_STATES) & (SyncRun.next_attempt_at <= func.now())
    return (await session.scalars(select(SyncRun).where(due).order_by(SyncRun.id))).all()


async def take_up(session: AsyncSession, run_id: int) -> SyncRun | None:
    """The run, begun or gone on with; None if it has ended, or asks first."""
    return await _move(
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
    """A step begins: whoever takes the run up later begins there. None if the run has ended."""
    return await _move(session, run_id, cursor=dict(cursor), total=total, agreed_in=dict(agreed_in))


async def count_on(
    session: AsyncSession,
    run_id: int,
    *,
    done: int,
    agreed: int = 0,
    ahead: int = 0,
    agreed_in: Mapping[str, int] | None = None,
) -> SyncRun | None:
    """More was looked at; `ahead` is about how much later steps will look at, so that a step that
    has more than was counted takes none of their part. None if the run has ended meanwhile, which
    stops it."""
    looked = SyncRun.done + done
    counted: dict[str, Any] = {} if agreed_in is None else {"agreed_in": dict(agreed_in)}
    return await _move(
        session,
        run_id,
        **counted,
        done=looked,
        agreed=SyncRun.agreed + agreed,
        total=func.greatest(SyncRun.total, looked + ahead),
    )


async def put_off(
    session: AsyncSession, run_id: int, seconds: float, *, reason: str, message: str
) -> None:
    """Something broke that may be well again by then."""
    await _move(
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
    """The end; None if it had ended already."""
    return await _move(
        session,
        run_id,
        state=state,
        totals={str(outcome): count for outcome, count in totals.items()},
        finished_at=func.now(),
        last_reason=reason,
        last_error=message,
    )


async def ask_consent(
    session: AsyncSession, run_id: int, expected: Mapping[str, Any]
) -> SyncRun | None:
    """It waits for somebody to agree to this. None if it has ended meanwhile."""
    values = {"state": RunState.ASKING, "expected": dict(expected)}
    return await _move(session, run_id, states=DUE_STATES, **values)


async def give_consent(session: AsyncSession, run_id: int) -> SyncRun | None:
    """Somebody agreed: it goes on at once. None unless it asks."""
    values = {"state": RunState.QUEUED, "consent": Consent.GIVEN, "next_attempt_at": func.now()}
    return await _move(session, run_id, states=(RunState.ASKING,), **values)


async def expect(session: AsyncSession, run_id: int, expected: Mapping[str, Any]) -> None:
    """What it would make, or what a sync of what it found would."""
    await _move(session, run_id, expected=dict(expected))


async def _move(
    session: AsyncSession,
    run_id: int,
    *,
    states: Sequence[RunState] = OPEN_STATES,
    **values: Any,
) -> SyncRun | None:
    statement = update(SyncRun).where(SyncRun.id == run_id, SyncRun.state.in_(states))
    changed = statement.values(**values, updated_at=func.now()).returning(SyncRun)
    moved: SyncRun | None = await session.scalar(
        changed, execution_options={"populate_existing": True}
    )
    return moved


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What to show; several values of one filter mean either."""

    store: Sequence[str] = ()
    state: Sequence[str] = ()
    dry_run: bool | None = None


async def search_runs(
    session: AsyncSession, filters: RunFilter, *, cursor: str | None, limit: int
) -> Page[SyncRun]:
    """Newest first. Raises InvalidInput for a cursor that is not ours."""
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
    """Keep what a comparison found; a record that was told before is told as it is now."""
    if not found:
        return
    statement = insert(RunDifference).values([{**row, "run_id": run_id} for row in found])
    told = {name: statement.excluded[name] for name in found[0] if name != "record_key"}
    await session.execute(
        statement.on_conflict_do_update(index_elements=["run_id", "record_key"], set_=told)
    )
    counted = select(func.count()).where(RunDifference.run_id == run_id).scalar_subquery()
    await session.execute(
        update(SyncRun).where(SyncRun.id == run_id).values(difference_count=counted)
    )


@dataclass(frozen=True, slots=True)
class DifferenceFilter:
    """What to show of a comparison; several values of one filter mean either. `q` is found in the
    label, the ids and the message."""

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
    """The latest found first. Raises InvalidInput for a cursor that is not ours."""
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
    """What a comparison found, by module and plan."""
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
    """Drop runs that ended longer ago, with what they found."""
    old = SyncRun.finished_at < func.now() - func.make_interval(0, 0, 0, days)
    await session.execute(delete(SyncRun).where(old))

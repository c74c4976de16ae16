"""Requests on runs: start, schedule, confirm and cancel them, and read their progress."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.db.pagination import MOST_PER_PAGE, Page
from app.db.session import transaction
from app.domain import DeliveryState, InvalidInput, Module, Outcome, StaleState
from app.inbox.repository import count_run
from app.module_facts import IN_ORDER
from app.modules.context import policy_of
from app.runs.models import RunDifference, RunState, SyncRun
from app.runs.repository import (
    ALL_DIFFERENCES,
    DifferenceFilter,
    NewRun,
    RunFilter,
    create_run,
    find_run,
    finish_run,
    give_consent,
    schedule_run,
    search_differences,
    search_runs,
)
from app.runtime import Runtime
from app.synclog.totals import outcomes_of_run

# Scheduled comparisons: the setting `STORES__<key>__COMPARE_HOURS`.

HOUR = 3600.0
SCHEDULE = "schedule"


async def schedule_due_runs(runtime: Runtime) -> list[SyncRun]:
    """Create the scheduled runs that are due and that no other worker has created."""
    found = [await _schedule(runtime, store) for store in runtime.stores]
    return [run for run in found if run is not None]


async def _schedule(runtime: Runtime, store: str) -> SyncRun | None:
    chosen = runtime.settings.stores[store]
    if not chosen.compare_hours:
        return None
    wanted = NewRun(store, dry_run=not chosen.compare_repairs, started_by=SCHEDULE)
    async with transaction(runtime.sessions) as session:
        return await schedule_run(session, wanted, every_seconds=chosen.compare_hours * HOUR)


NO_STORE = "There is no store {store}; the configured stores are {known}."
OFF = "Module {module} of store {store} is switched off."
NO_RUN = "There is no run {run_id}."
NO_REPORT = (
    "Run {run_id} is not a finished comparison: only the differences of one can be repaired."
)
REPAIR_ALONE = (
    "A repair syncs everything that comparison {run_id} found: {names} cannot be combined with it. "
    "Start a run without a repair for that."
)
NOT_WAITING = "Run {run_id} does not wait for consent: it is {state}."
OTHER_STORE = "Comparison {run_id} is of store {store}: omit the store."


async def modules_of(runtime: Runtime, store: str) -> list[Module]:
    """The enabled modules of a store, in the order of a run."""
    return [m for m in IN_ORDER if (await policy_of(runtime, store, m)).enabled]


async def start_run(runtime: Runtime, wanted: NewRun) -> SyncRun:
    """Create a run; the next free worker executes it.

    A repair takes store and modules from its comparison. Raises InvalidInput for an unknown store,
    a module that is off, a run that is not a finished comparison, and options that cannot be
    combined with a repair.
    """
    if wanted.repair_of is not None:
        wanted = await _repairing(runtime, wanted, wanted.repair_of)
    if wanted.store not in runtime.stores:
        known = ", ".join(runtime.stores)
        raise InvalidInput(NO_STORE.format(store=wanted.store, known=known), "store")
    for module in wanted.modules:
        if not (await policy_of(runtime, wanted.store, module)).enabled:
            raise InvalidInput(OFF.format(module=module, store=wanted.store), "module")
    async with transaction(runtime.sessions) as session:
        return await create_run(session, wanted)


async def _repairing(runtime: Runtime, wanted: NewRun, run_id: int) -> NewRun:
    chosen = {"dry_run": wanted.dry_run, "module": wanted.modules, "since": wanted.since}
    contradicting = [name for name, value in chosen.items() if value]
    if contradicting:
        message = REPAIR_ALONE.format(run_id=run_id, names=", ".join(contradicting))
        raise InvalidInput(message, contradicting[0])
    async with runtime.sessions() as session:
        report = await find_run(session, run_id)
    if report is None or not report.dry_run or report.state != RunState.DONE:
        raise InvalidInput(NO_REPORT.format(run_id=run_id), "repair_of")
    if wanted.store not in ("", report.store):
        message = OTHER_STORE.format(run_id=run_id, store=report.store)
        raise InvalidInput(message, "store")
    modules = tuple(Module(each) for each in report.modules)
    return replace(wanted, store=report.store, modules=modules)


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run and its progress.

    `outcomes` counts records by outcome, `waiting` those that are not settled. `rate` is in records
    per second, `eta_seconds` the remaining time at that rate; both are None while unknown.
    """

    run: SyncRun
    outcomes: Mapping[Outcome, int]
    waiting: int
    rate: float | None
    eta_seconds: float | None


async def get_progress(runtime: Runtime, run_id: int) -> RunProgress:
    """The progress of a run. Raises InvalidInput if there is no such run."""
    found = await find_progress(runtime, run_id)
    if found is None:
        raise InvalidInput(NO_RUN.format(run_id=run_id), "run_id")
    return found


async def find_progress(runtime: Runtime, run_id: int) -> RunProgress | None:
    """The progress of a run; None if there is no such run."""
    async with runtime.sessions() as session:
        run = await find_run(session, run_id)
    return None if run is None else await _progress(runtime, run)


async def _progress(runtime: Runtime, run: SyncRun) -> RunProgress:
    rate = _rate(run)
    left = max(0, run.total - run.done)
    return RunProgress(
        run,
        outcomes=await count_outcomes(runtime, run),
        waiting=await count_waiting(runtime, run.id),
        rate=rate,
        eta_seconds=left / rate if rate and run.is_open else None,
    )


async def count_outcomes(runtime: Runtime, run: SyncRun) -> dict[Outcome, int]:
    """The run's records by outcome so far; pairs that agreed count as unchanged."""
    if run.totals is not None:
        return {outcome: int(run.totals.get(outcome, 0)) for outcome in Outcome}
    async with runtime.sessions() as session:
        counts = await outcomes_of_run(session, run.id)
    return counts | {Outcome.UNCHANGED: counts[Outcome.UNCHANGED] + run.agreed}


async def count_waiting(runtime: Runtime, run_id: int) -> int:
    """The number of the run's records that are being processed or wait for another attempt."""
    async with runtime.sessions() as session:
        counts = await count_run(session, run_id)
    return counts[DeliveryState.PENDING] + counts[DeliveryState.PROCESSING]


def _rate(run: SyncRun) -> float | None:
    """Records per second since the run was last resumed; None while unknown."""
    if run.resumed_at is None:
        return None
    seconds = _seconds(run.resumed_at, run.finished_at or run.updated_at)
    processed = run.done - run.resumed_done
    return processed / seconds if seconds > 0 and processed > 0 else None


def _seconds(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds()


async def search(
    runtime: Runtime, filters: RunFilter, *, cursor: str | None = None, limit: int = 50
) -> Page[SyncRun]:
    """A page of runs, newest first. Raises InvalidInput for an unknown cursor."""
    async with runtime.sessions() as session:
        return await search_runs(session, filters, cursor=cursor, limit=limit)


async def differences(
    runtime: Runtime,
    run_id: int,
    filters: DifferenceFilter = ALL_DIFFERENCES,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RunDifference]:
    """A page of differences, latest first. Raises InvalidInput for an unknown cursor."""
    async with runtime.sessions() as session:
        return await search_differences(session, run_id, filters, cursor=cursor, limit=limit)


async def each_difference(
    runtime: Runtime, run_id: int, filters: DifferenceFilter = ALL_DIFFERENCES
) -> AsyncIterator[RunDifference]:
    """All differences of a comparison, latest first, read page by page."""
    cursor: str | None = None
    while True:
        page = await differences(runtime, run_id, filters, cursor=cursor, limit=MOST_PER_PAGE)
        for each in page.items:
            yield each
        cursor = page.next_cursor
        if cursor is None:
            return


async def confirm_run(runtime: Runtime, run_id: int) -> SyncRun | None:
    """Give consent to a run, which then continues; None if there is no such run.

    Raises StaleState if it does not wait for consent.
    """
    async with transaction(runtime.sessions) as session:
        run = await find_run(session, run_id)
        if run is None:
            return None
        agreed = await give_consent(session, run_id)
    if agreed is None:
        raise StaleState(NOT_WAITING.format(run_id=run_id, state=run.state))
    return agreed


async def cancel_run(runtime: Runtime, run_id: int) -> SyncRun | None:
    """Cancel a run before its next page; an ended run is returned unchanged, None if there is none.

    Records that it has hinted already are synced all the same.
    """
    async with runtime.sessions() as session:
        run = await find_run(session, run_id)
    if run is None or not run.is_open:
        return run
    totals = await count_outcomes(runtime, run)
    async with transaction(runtime.sessions) as session:
        ended = await finish_run(session, run_id, RunState.CANCELLED, totals=totals)
    return ended or run

"""Executes runs step by step; after an interruption another worker resumes at the last step."""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from app.db.session import OUTAGES, transaction
from app.domain import (
    DependencyNotReady,
    Direction,
    LeaseLost,
    Module,
    Origin,
    Record,
    System,
    WooVtigerError,
)
from app.inbox.replay import Part, defer_to_run, release_backlog
from app.inbox.repository import search_hinted
from app.links.leases import PairLease, hold
from app.links.repository import count_links, search_guest_orders
from app.module_facts import IN_ORDER
from app.modules.contacts.bulk import ContactListing
from app.modules.context import Context, policy_of
from app.modules.ports import PAGE, ListedRecord, Listing, pages
from app.modules.registry import SPECS
from app.policies.repository import SyncPolicy, narrowed
from app.runs.models import DUE_STATES, Consent, RunDifference, RunState, SyncRun
from app.runs.repository import (
    add_counts,
    add_differences,
    enter_step,
    expect,
    find_run,
    finish_run,
    postpone_run,
    request_consent,
    resume_run,
    search_due_runs,
)
from app.runtime import Runtime
from app.sync.pipeline import delay_seconds, retry_policy, should_retry
from app.sync.runs.comparison import SECOND, Compared, Survey, changed_since
from app.sync.runs.forecast import Forecast, Forecaster, describe_forecast, needs_consent
from app.sync.runs.requests import count_outcomes, each_difference, modules_of
from app.sync.runs.settling import RunExecutor
from app.sync.sweep import Change, Sweep
from app.tasks import overlapping
from app.woocommerce.schemas import WooCustomer

# The steps of a run: the records of a system, guests, a comparison, or a repair.

PAGES = 4
"""Pages in progress at a time: one is recorded, one created, one read, and one listed."""

Count = Callable[[int, int], Awaitable[None]]
"""Called with the number of records processed, and of those that needed no change."""


@dataclass(frozen=True, slots=True)
class StepRunner:
    """Executes single steps of a run.

    All methods raise DependencyNotReady, the RemoteError tree, and the errors of `count` and
    `lease`.
    """

    runtime: Runtime
    run: SyncRun
    lease: PairLease
    executor: RunExecutor
    count: Count

    async def records(self, listing: Listing, system: System) -> None:
        """Sync all records of a system and its deletions; with `since` only what has changed."""
        sweep, present, started_at = self._sweep(listing), set[str](), self.runtime.clock()
        since, emails = self.run.since, set[str]()
        counts_agreed = system is System.WOOCOMMERCE or since is not None
        async with overlapping(PAGES) as begin:
            async for page in listing.each(system, since and since - SECOND):
                changed = changed_since([seen for seen in page if seen.id not in present], since)
                present.update(seen.id for seen in page)
                emails.update(_emails_of(page))
                found = await sweep.find_changes(changed)
                agreed = len(changed) - len(found) if counts_agreed else 0
                await begin(self._settle(found), partial(self.count, len(page), agreed))
        if system is System.WOOCOMMERCE and listing.module is Module.CONTACTS:
            self.executor.customers = frozenset(emails)
        if since is None:
            await self._settle(await sweep.find_missing(system, present, started_at=started_at))

    async def guests(self, listing: Listing) -> None:
        """Sync guests whose contact differs from their latest order; runs after all orders, which
        are the source of guests."""
        if not isinstance(listing, ContactListing):
            raise TypeError("the listing of contacts has another type")
        if not (await self._policy(Module.CONTACTS)).enabled:
            return
        async for page in listing.each_guest():
            await self._settle(await self._sweep(listing).find_changes(page))
            await self.count(len(page), 0)

    def _sweep(self, listing: Listing) -> Sweep:
        return Sweep(self.runtime, self.run.store, listing, origin=Origin.MANUAL, is_run=True)

    async def _policy(self, module: Module) -> SyncPolicy:
        policy = await policy_of(self.runtime, self.run.store, module)
        return narrowed(policy, Direction(self.run.direction))

    async def _settle(self, changes: Sequence[Change]) -> None:
        """Settle changes page by page, except records that this run has hinted before."""
        for start in range(0, len(changes), PAGE):
            part = changes[start : start + PAGE]
            async with self.runtime.sessions() as session:
                keys = [change.record.key for change in part]
                known = await search_hinted(session, self.run.id, keys)
            self.lease.check()
            new = [each for each in part if each.record.key not in known]
            if new:
                module = new[0].record.module or Module.CONTACTS
                await self.executor.settle(new, await self._policy(module))

    async def compare(self, listing: Listing) -> None:
        """Compare both sides of all records and store the differences."""
        store, module, reader = self.run.store, listing.module, await listing.reader()
        survey = Survey(self.runtime, store, listing, reader, await self._policy(module))
        async for page in pages(survey.run(self.run.since)):
            found = [_row(store, module, each) for each in page if not each.agrees]
            async with transaction(self.runtime.sessions) as session:
                await self.lease.confirm(session)
                await add_differences(session, self.run.id, found)
            await self.count(len(page), len(page) - len(found))

    async def repair(self) -> None:
        """Sync all records that a comparison found; both sides are read again."""
        async for page in pages(each_difference(self.runtime, self.run.repair_of or 0)):
            await self._settle([Change(_record(self.run.store, each)) for each in page])
            await self.count(len(page), 0)


def _row(store: str, module: Module, compared: Compared) -> dict[str, Any]:
    woo = compared.woo_id is not None
    record_id = compared.woo_id or compared.vtiger_id or ""
    system = System.WOOCOMMERCE if woo else System.VTIGER
    return {
        "record_key": Record(store, system, module, record_id).key,
        "module": module,
        "plan": compared.plan,
        "label": compared.label,
        "woo_id": compared.woo_id,
        "vtiger_id": compared.vtiger_id,
        "reason": compared.skip.reason if compared.skip else None,
        "message": compared.skip.message if compared.skip else "",
        "fields": [
            {"field": each.field, "woocommerce": each.woo, "vtiger": each.vtiger, "act": each.act}
            for each in compared.fields
        ],
    }


def _emails_of(page: Sequence[ListedRecord]) -> set[str]:
    customers = [seen.raw for seen in page if isinstance(seen.raw, WooCustomer)]
    return {customer.email.strip().casefold() for customer in customers}


def _record(store: str, found: RunDifference) -> Record:
    woo = found.woo_id is not None
    system = System.WOOCOMMERCE if woo else System.VTIGER
    return Record(store, system, Module(found.module), found.woo_id or found.vtiger_id or "")


COMPARE = "compare"
GUESTS = "guests"
REPAIR = "repair"

Step = tuple[str, str]
"""A module and the kind of step: a system, GUESTS, COMPARE or REPAIR."""


class RunEnded(Exception):
    """The run has ended in the meantime, for example by cancellation."""


class ConsentNeeded(Exception):
    """The run needs a user's consent to its forecast."""

    def __init__(self, forecast: Forecast) -> None:
        super().__init__(forecast)
        self.forecast = forecast


@dataclass(slots=True)
class RunSteps:
    """Executes the steps of one run in one worker."""

    runtime: Runtime
    run: SyncRun
    lease: PairLease
    remaining: int = 0
    """The estimated number of records in the steps after this one."""
    backlog_size: int = 0
    """The number of waiting hints above which they are left to the run."""
    parts: Sequence[Part] = ()
    """The modules and systems that this step and later ones process whole."""

    async def run_all(self) -> None:
        """Execute the steps from the stored cursor to the last one.

        Raises RunEnded, ConsentNeeded, LeaseLost, DependencyNotReady and the RemoteError tree.
        """
        try:
            await self._run_all()
        except (RunEnded, WooVtigerError):
            await self._release_backlog(self.parts)
            raise

    async def _run_all(self) -> None:
        executor = RunExecutor(self.runtime, self.run)
        self.backlog_size = executor.portion
        runner = StepRunner(self.runtime, self.run, self.lease, executor, self.count)
        cursor = self.run.cursor or await self._begin()
        for index in range(cursor["step"], len(cursor["steps"])):
            module, kind = cursor["steps"][index]
            counts = [*cursor["counts"]]
            if kind in (System.VTIGER, GUESTS):
                counts[index] = await self._count(module, kind)
            self.remaining = sum(counts[index + 1 :])
            self.run.total = self.run.done + counts[index] + self.remaining
            now = {"step": index, "done": self.run.done, "agreed": self.run.agreed}
            cursor = {**cursor, **now, "counts": counts}
            await self._enter_step(cursor)
            self.parts = _parts(self.run, cursor["steps"][index:])
            await self._leave_backlog()
            await self._run_step(runner, module, kind)
            await self._release_backlog(self.parts[:1])
        await executor.finish()
        if self.run.dry_run:
            await self._save_forecast(await self._forecaster.of_report(self.run.id))

    async def _begin(self) -> dict[str, Any]:
        """Make the plan. Raises ConsentNeeded, without storing a plan, if consent is required."""
        if self.run.consent != Consent.GIVEN and not self.run.dry_run:
            forecast = await self._forecast()
            await self._save_forecast(forecast)
            if needs_consent(self.run, forecast):
                raise ConsentNeeded(forecast)
        return await self._plan()

    async def _forecast(self) -> Forecast:
        if self.run.repair_of is not None:
            return await self._forecaster.of_report(self.run.repair_of)
        return await self._forecaster.of_modules(await self._modules())

    @property
    def _forecaster(self) -> Forecaster:
        return Forecaster(self.runtime, self.run, self.lease)

    async def _save_forecast(self, forecast: Forecast) -> None:
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            await expect(session, self.run.id, forecast.as_json())

    async def _modules(self) -> list[Module]:
        chosen = [Module(each) for each in self.run.modules]
        chosen = chosen or await modules_of(self.runtime, self.run.store)
        return sorted(chosen, key=IN_ORDER.index)

    async def _plan(self) -> dict[str, Any]:
        """The steps with their record counts, one call for each module and system.

        Records that the run will create in Vtiger are estimated, and counted when their step
        starts.
        """
        steps = _steps(self.run, await self._modules())
        counts = {step: await self._count(*step) for step in steps}
        for module, kind in steps:
            if kind == System.VTIGER and (module, System.WOOCOMMERCE) in counts:
                created = counts[module, System.WOOCOMMERCE] - await self._count_pairs(module)
                counts[module, kind] += max(0, created)
        return {"steps": [list(step) for step in steps], "counts": [*counts.values()], "step": 0}

    async def _count_pairs(self, module: str) -> int:
        """The number of pairs; 0 for a run with `since`: a written record counts as changed."""
        if self.run.since is not None:
            return 0
        async with self.runtime.sessions() as session:
            return await count_links(session, self.run.store, Module(module))

    async def _count(self, module: str, kind: str) -> int:
        if kind == REPAIR:
            return await self._count_reported()
        if kind == GUESTS:
            async with self.runtime.sessions() as session:
                return len(await search_guest_orders(session, self.run.store))
        listing = await self._listing(Module(module))
        systems = tuple(System) if kind == COMPARE else (System(kind),)
        counts = [await listing.count(system, self.run.since) for system in systems]
        return max(counts) if kind == COMPARE else sum(counts)  # a pair is compared once

    async def _count_reported(self) -> int:
        async with self.runtime.sessions() as session:
            report = await session.get(SyncRun, self.run.repair_of)
        return report.difference_count if report is not None else 0

    async def _enter_step(self, cursor: Mapping[str, Any]) -> None:
        module, kind = cursor["steps"][cursor["step"]]
        started = {str(module): 0} if kind == COMPARE else {}
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            moved = await enter_step(
                session,
                self.run.id,
                cursor,
                total=self.run.total,
                agreed_in={**self.run.agreed_in, **started},
            )
        self._update_run(moved)

    async def count(self, done: int, agreed: int) -> None:
        """Add to the progress. Raises RunEnded if the run was cancelled, and LeaseLost."""
        module, kind = self.run.cursor["steps"][self.run.cursor["step"]]
        known = self.run.agreed_in
        agreed_in = {**known, module: known[module] + agreed} if kind == COMPARE else None
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            moved = await add_counts(
                session,
                self.run.id,
                done=done,
                agreed=agreed,
                ahead=self.remaining,
                agreed_in=agreed_in,
            )
        self._update_run(moved)
        await self._leave_backlog()

    async def _leave_backlog(self) -> None:
        """Leave a large backlog of hints about new records to this run's steps.

        Such a backlog arises when the add-on reports all changes after an outage of the service.
        """
        run_id, store = self.run.id, self.run.store
        async with transaction(self.runtime.sessions) as session:
            await defer_to_run(session, run_id, store, self.parts, most=self.backlog_size)

    async def _release_backlog(self, parts: Sequence[Part]) -> None:
        async with transaction(self.runtime.sessions) as session:
            await release_backlog(session, self.run.store, parts)

    def _update_run(self, moved: SyncRun | None) -> None:
        if moved is None:
            raise RunEnded
        self.run = moved

    async def _run_step(self, runner: StepRunner, module: str, kind: str) -> None:
        if kind == REPAIR:
            await runner.repair()
            return
        listing = await self._listing(Module(module))
        if kind == COMPARE:
            await runner.compare(listing)
        elif kind == GUESTS:
            await runner.guests(listing)
        else:
            if prepare := SPECS[Module(module)].prepare_run:
                await prepare(self.runtime)
            await runner.records(listing, System(kind))

    async def _listing(self, module: Module) -> Listing:
        store, direction = self.run.store, Direction(self.run.direction)
        policy = narrowed(await policy_of(self.runtime, store, module), direction)
        return SPECS[module].open_listing(Context(self.runtime, store, policy, self.lease))


def _parts(run: SyncRun, steps: Sequence[Sequence[str]]) -> list[Part]:
    """The parts that the steps process whole; none for a dry run or a run with `since`."""
    if run.dry_run or run.since is not None:
        return []
    systems = set(System)
    return [(Module(module), System(kind)) for module, kind in steps if kind in systems]


def _steps(run: SyncRun, modules: list[Module]) -> list[Step]:
    """The steps, dependencies first; a one-way run reads the source system only."""
    if run.repair_of is not None:
        return [("", REPAIR)]
    if run.dry_run:
        return [(module, COMPARE) for module in modules]
    sources = [system for system in System if Direction(run.direction).allows(system.other)]
    steps: list[Step] = [(module, system) for module in modules for system in sources]
    includes_guests = Module.SALES_ORDERS in modules and run.since is None
    if includes_guests and System.WOOCOMMERCE in sources:
        steps.append((Module.CONTACTS, GUESTS))
    return steps


# Executing due runs.
#
# One run of a store executes at a time, in the worker that holds its lease. Each record found is
# a hint with its own row in the log, so a crash loses nothing: claimed hints are woken again by any
# worker, and a record is hinted once per run.

log = logging.getLogger(__name__)

_RANDOM = random.Random()  # noqa: S311 - jitter needs no secrecy


async def execute_due(runtime: Runtime) -> int:
    """Execute the due runs that no other worker executes; returns their number."""
    async with runtime.sessions() as session:
        due = [run.id for run in await search_due_runs(session)]
    return sum([await execute(runtime, run_id) for run_id in due])


async def execute(runtime: Runtime, run_id: int) -> bool:
    """Execute a run until it ends or has to wait; False if another worker runs its store."""
    async with runtime.sessions() as session:
        run = await find_run(session, run_id)
    if run is None or run.state not in DUE_STATES or run.store not in runtime.stores:
        return False
    seconds = runtime.settings.worker.lease_seconds
    try:
        async with hold(
            runtime.sessions, [f"run:{run.store}"], owner=uuid4().hex, seconds=seconds
        ) as lease:
            await _execute(runtime, run_id, lease)
    except LeaseLost:
        log.debug("another worker executes a run of store %s", run.store)
        return False
    return True


async def _execute(runtime: Runtime, run_id: int, lease: PairLease) -> None:
    async with transaction(runtime.sessions) as session:
        run = await resume_run(session, run_id)
    if run is None:
        return
    log.info("run %d of store %s started", run.id, run.store)
    try:
        await RunSteps(runtime, run, lease).run_all()
    except RunEnded:
        log.info("run %d was cancelled", run.id)
    except ConsentNeeded as needed:
        async with transaction(runtime.sessions) as session:
            await lease.confirm(session)
            await request_consent(session, run.id, needed.forecast.as_json())
        log.info("run %d waits for consent: %s", run.id, describe_forecast(needed.forecast))
    except LeaseLost:
        raise
    except WooVtigerError as error:
        await _put_off_or_fail(runtime, run, error, lease=lease)
    except OUTAGES:
        raise  # nothing can be stored now; the run is resumed later
    except Exception as error:
        log.exception("unhandled exception in run %d", run.id)
        message = f"{type(error).__name__}: an error in the service; see its log for details."
        await _finish(runtime, run, RunState.FAILED, lease=lease, reason="bug", message=message)
    else:
        await _finish(runtime, run, RunState.DONE, lease=lease)


async def _put_off_or_fail(
    runtime: Runtime, run: SyncRun, error: WooVtigerError, *, lease: PairLease
) -> None:
    policy = retry_policy(runtime.settings.sync)
    age: timedelta = runtime.clock() - run.created_at
    if not should_retry(policy, error, age):
        reason, message = error.reason, error.summary
        await _finish(runtime, run, RunState.FAILED, lease=lease, reason=reason, message=message)
        return
    attempts = 1 if isinstance(error, DependencyNotReady) else run.attempts
    seconds = delay_seconds(policy, error, attempts, _RANDOM)
    log.warning("run %d waits %.0f s: %s", run.id, seconds, error.summary)
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        await postpone_run(session, run.id, seconds, reason=error.reason, message=error.summary)


async def _finish(
    runtime: Runtime,
    run: SyncRun,
    state: RunState,
    *,
    lease: PairLease,
    reason: str | None = None,
    message: str | None = None,
) -> None:
    async with runtime.sessions() as session:
        now = await find_run(session, run.id)
    totals = await count_outcomes(runtime, now or run)
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        await finish_run(session, run.id, state, totals=totals, reason=reason, message=message)
    log.info("run %d is %s", run.id, state)

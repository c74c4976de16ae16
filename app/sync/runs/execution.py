"""Carries out a run, step after step: whoever takes it up begins where it stands."""

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
from app.modules.ports import PAGE, Listing, Seen, pages
from app.modules.registry import SPECS, narrowed, open_listing, policy_of
from app.modules.spec import Context
from app.policies.repository import SyncPolicy
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
from app.sync.pipeline import delay_seconds, retry_policy, worth_trying
from app.sync.runs.comparison import SECOND, Compared, Survey, changed_since
from app.sync.runs.executor import RunExecutor
from app.sync.runs.forecast import Forecast, Forecaster, describe_forecast, needs_consent
from app.sync.runs.requests import count_outcomes, each_difference, modules_of
from app.sync.sweep import Change, Sweep
from app.tasks import overlapping
from app.woocommerce.schemas import WooCustomer

# What a run looks at: a system's records, guests, both sides side by side, an earlier report.

PAGES = 4
"""That are in hand at a time: one is told of, one is made, one is read, and one is listed."""

Count = Callable[[int, int], Awaitable[None]]
"""Told how many records were looked at, and how many of them gave nothing to do."""


@dataclass(frozen=True, slots=True)
class RunLooks:
    """The looks of one run. They raise what `count` and `lease` raise, DependencyNotReady and the
    RemoteError tree."""

    runtime: Runtime
    run: SyncRun
    lease: PairLease
    bringer: RunExecutor
    count: Count

    async def records(self, listing: Listing, system: System) -> None:
        """All records of a system, and those that vanished from it; or what changed lately."""
        sweep, living, started_at = self._sweep(listing), set[str](), self.runtime.clock()
        since, emails = self.run.since, set[str]()
        told = system is System.WOOCOMMERCE or since is not None
        async with overlapping(PAGES) as begin:
            async for page in listing.each(system, since and since - SECOND):
                changed = changed_since([seen for seen in page if seen.id not in living], since)
                living.update(seen.id for seen in page)
                emails.update(_emails_of(page))
                found = await sweep.changes(changed)
                agreed = len(changed) - len(found) if told else 0
                await begin(self._bring(found), partial(self.count, len(page), agreed))
        if system is System.WOOCOMMERCE and listing.adapter.module is Module.CONTACTS:
            self.bringer.customers = frozenset(emails)
        if since is None:
            await self._bring(await sweep.vanished(system, living, started_at=started_at))

    async def guests(self, listing: Listing) -> None:
        """Those whose contact is not as their latest order has it: orders tell of guests, so all
        orders were looked at before."""
        if not isinstance(listing, ContactListing):
            raise TypeError("contacts are listed by another")
        if not (await self._policy(Module.CONTACTS)).enabled:
            return
        async for page in listing.each_guest():
            await self._bring(await self._sweep(listing).changes(page))
            await self.count(len(page), 0)

    def _sweep(self, listing: Listing) -> Sweep:
        return Sweep(self.runtime, self.run.store, listing, origin=Origin.MANUAL, is_run=True)

    async def _policy(self, module: Module) -> SyncPolicy:
        policy = await policy_of(self.runtime, self.run.store, module)
        return narrowed(policy, Direction(self.run.direction))

    async def _bring(self, changes: Sequence[Change]) -> None:
        """A page at a time, without what this run has brought up before."""
        for start in range(0, len(changes), PAGE):
            part = changes[start : start + PAGE]
            async with self.runtime.sessions() as session:
                keys = [change.record.key for change in part]
                known = await search_hinted(session, self.run.id, keys)
            self.lease.check()
            new = [each for each in part if each.record.key not in known]
            if new:
                module = new[0].record.module or Module.CONTACTS
                await self.bringer.bring(new, await self._policy(module))

    async def compare(self, listing: Listing) -> None:
        """Both sides whole; what differs is written down, and nothing else is."""
        store, module = self.run.store, listing.adapter.module
        survey = Survey(self.runtime, store, listing, await self._policy(module))
        async for page in pages(survey.run(self.run.since)):
            found = [_row(store, module, each) for each in page if not each.agrees]
            async with transaction(self.runtime.sessions) as session:
                await self.lease.confirm(session)
                await add_differences(session, self.run.id, found)
            await self.count(len(page), len(page) - len(found))

    async def repair(self) -> None:
        """What a comparison found, whatever has become of it: both sides are read anew."""
        async for page in pages(each_difference(self.runtime, self.run.repair_of or 0)):
            await self._bring([Change(_record(self.run.store, each)) for each in page])
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


def _emails_of(page: Sequence[Seen]) -> set[str]:
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
"""A module, and what to look at: a system's records, guests, a comparison, what one found."""


class RunEnded(Exception):
    """The run has ended meanwhile."""


class ConsentNeeded(Exception):
    """Somebody has to agree to what the run would do."""

    def __init__(self, forecast: Forecast) -> None:
        super().__init__(forecast)
        self.forecast = forecast


@dataclass(slots=True)
class Steps:
    """One worker's way through a run."""

    runtime: Runtime
    run: SyncRun
    lease: PairLease
    ahead: int = 0
    """About how many records the steps after this one will look at."""
    few: int = 0
    """How many hints are no backlog: a few rounds of the workers settle them."""
    parts: Sequence[Part] = ()
    """What this step and those after it look at whole."""

    async def go(self) -> None:
        """From the step that the run stands at to the last one.

        Raises RunEnded, ConsentNeeded, LeaseLost, DependencyNotReady and the RemoteError tree.
        """
        try:
            await self._go()
        except (RunEnded, WooVtigerError):
            await self._give_back(self.parts)
            raise

    async def _go(self) -> None:
        bringer = RunExecutor(self.runtime, self.run)
        self.few = bringer.portion
        looks = RunLooks(self.runtime, self.run, self.lease, bringer, self.count)
        cursor = self.run.cursor or await self._begin()
        for index in range(cursor["step"], len(cursor["steps"])):
            module, what = cursor["steps"][index]
            counts = [*cursor["counts"]]
            if what in (System.VTIGER, GUESTS):
                counts[index] = await self._count(module, what)
            self.ahead = sum(counts[index + 1 :])
            self.run.total = self.run.done + counts[index] + self.ahead
            now = {"step": index, "done": self.run.done, "agreed": self.run.agreed}
            cursor = {**cursor, **now, "counts": counts}
            await self._enter(cursor)
            self.parts = _parts(self.run, cursor["steps"][index:])
            await self._leave_backlog()
            await self._take(looks, module, what)
            await self._give_back(self.parts[:1])
        await bringer.finish()
        if self.run.dry_run:
            await self._expect(await self._forecaster.of_report(self.run.id))

    async def _begin(self) -> dict[str, Any]:
        """The plan, unless somebody has to agree first: nothing is written down then."""
        if self.run.consent != Consent.GIVEN and not self.run.dry_run:
            forecast = await self._foresee()
            await self._expect(forecast)
            if needs_consent(self.run, forecast):
                raise ConsentNeeded(forecast)
        return await self._plan()

    async def _foresee(self) -> Forecast:
        if self.run.repair_of is not None:
            return await self._forecaster.of_report(self.run.repair_of)
        return await self._forecaster.of_modules(await self._modules())

    @property
    def _forecaster(self) -> Forecaster:
        return Forecaster(self.runtime, self.run, self.lease)

    async def _expect(self, forecast: Forecast) -> None:
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            await expect(session, self.run.id, forecast.as_json())

    async def _modules(self) -> list[Module]:
        chosen = [Module(each) for each in self.run.modules]
        chosen = chosen or await modules_of(self.runtime, self.run.store)
        return sorted(chosen, key=IN_ORDER.index)

    async def _plan(self) -> dict[str, Any]:
        """What there is to look at, counted first: one call a module and system. What is made in
        Vtiger meanwhile is guessed, and counted when the step begins that looks at it."""
        steps = _steps(self.run, await self._modules())
        counts = {step: await self._count(*step) for step in steps}
        for module, what in steps:
            if what == System.VTIGER and (module, System.WOOCOMMERCE) in counts:
                made = counts[module, System.WOOCOMMERCE] - await self._count_pairs(module)
                counts[module, what] += max(0, made)
        return {"steps": [list(step) for step in steps], "counts": [*counts.values()], "step": 0}

    async def _count_pairs(self, module: str) -> int:
        """0 for a run that looks at what changed, for a record that is written has changed."""
        if self.run.since is not None:
            return 0
        async with self.runtime.sessions() as session:
            return await count_links(session, self.run.store, Module(module))

    async def _count(self, module: str, what: str) -> int:
        if what == REPAIR:
            return await self._count_reported()
        if what == GUESTS:
            async with self.runtime.sessions() as session:
                return len(await search_guest_orders(session, self.run.store))
        listing = await self._listing(Module(module))
        systems = tuple(System) if what == COMPARE else (System(what),)
        counts = [await listing.count(system, self.run.since) for system in systems]
        return max(counts) if what == COMPARE else sum(counts)  # a pair is compared once

    async def _count_reported(self) -> int:
        async with self.runtime.sessions() as session:
            report = await session.get(SyncRun, self.run.repair_of)
        return report.difference_count if report is not None else 0

    async def _enter(self, cursor: Mapping[str, Any]) -> None:
        module, what = cursor["steps"][cursor["step"]]
        begun = {str(module): 0} if what == COMPARE else {}
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            moved = await enter_step(
                session,
                self.run.id,
                cursor,
                total=self.run.total,
                agreed_in={**self.run.agreed_in, **begun},
            )
        self._go_on(moved)

    async def count(self, done: int, agreed: int) -> None:
        """So many more were looked at. Raises RunEnded if the run was cancelled, and LeaseLost."""
        module, what = self.run.cursor["steps"][self.run.cursor["step"]]
        known = self.run.agreed_in
        agreed_in = {**known, module: known[module] + agreed} if what == COMPARE else None
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            moved = await add_counts(
                session,
                self.run.id,
                done=done,
                agreed=agreed,
                ahead=self.ahead,
                agreed_in=agreed_in,
            )
        self._go_on(moved)
        await self._leave_backlog()

    async def _leave_backlog(self) -> None:
        """Hints of new records that came together, as from an add-on after days without the
        service, are brought by this run's steps, not one by one before them."""
        run_id, store = self.run.id, self.run.store
        async with transaction(self.runtime.sessions) as session:
            await defer_to_run(session, run_id, store, self.parts, most=self.few)

    async def _give_back(self, parts: Sequence[Part]) -> None:
        async with transaction(self.runtime.sessions) as session:
            await release_backlog(session, self.run.store, parts)

    def _go_on(self, moved: SyncRun | None) -> None:
        if moved is None:
            raise RunEnded
        self.run = moved

    async def _take(self, looks: RunLooks, module: str, what: str) -> None:
        if what == REPAIR:
            await looks.repair()
            return
        listing = await self._listing(Module(module))
        if what == COMPARE:
            await looks.compare(listing)
        elif what == GUESTS:
            await looks.guests(listing)
        else:
            if prepare := SPECS[Module(module)].prepare_run:
                await prepare(self.runtime)
            await looks.records(listing, System(what))

    async def _listing(self, module: Module) -> Listing:
        store, direction = self.run.store, Direction(self.run.direction)
        policy = narrowed(await policy_of(self.runtime, store, module), direction)
        return await open_listing(Context(self.runtime, store, policy, self.lease), module)


def _parts(run: SyncRun, steps: Sequence[Sequence[str]]) -> list[Part]:
    """None of a run that writes nothing, or leaves out what has not changed lately."""
    if run.dry_run or run.since is not None:
        return []
    systems = set(System)
    return [(Module(module), System(what)) for module, what in steps if what in systems]


def _steps(run: SyncRun, modules: list[Module]) -> list[Step]:
    """What others rest on first. A run of one direction looks at the side that it comes from."""
    if run.repair_of is not None:
        return [("", REPAIR)]
    if run.dry_run:
        return [(module, COMPARE) for module in modules]
    sources = [system for system in System if Direction(run.direction).allows(system.other)]
    steps: list[Step] = [(module, system) for module in modules for system in sources]
    told_of_guests = Module.SALES_ORDERS in modules and run.since is None
    if told_of_guests and System.WOOCOMMERCE in sources:
        steps.append((Module.CONTACTS, GUESTS))
    return steps


# Carrying out a run: step after step, so that whoever takes it up begins at the last one.
#
# One run of a store at a time, by whichever worker holds its lease. A look only reads; what it
# finds is a hint like any other, with a row of its own in the log, so a crash loses nothing: what
# was in hand is woken again by any worker, and what this run has brought up is not brought up
# twice.

log = logging.getLogger(__name__)

_RANDOM = random.Random()  # noqa: S311 - jitter needs no secrecy


async def execute_due(runtime: Runtime) -> int:
    """Carry out the runs that want work and that nobody else is at; how many those were."""
    async with runtime.sessions() as session:
        due = [run.id for run in await search_due_runs(session)]
    return sum([await execute(runtime, run_id) for run_id in due])


async def execute(runtime: Runtime, run_id: int) -> bool:
    """Go on with a run until it ends or has to wait; False if another worker is at its store."""
    async with runtime.sessions() as session:
        run = await find_run(session, run_id)
    if run is None or run.state not in DUE_STATES or run.store not in runtime.stores:
        return False
    seconds = runtime.settings.worker.lease_seconds
    try:
        async with hold(
            runtime.sessions, [f"run:{run.store}"], owner=uuid4().hex, seconds=seconds
        ) as lease:
            await _carry_out(runtime, run_id, lease)
    except LeaseLost:
        log.debug("another worker is at a run of store %s", run.store)
        return False
    return True


async def _carry_out(runtime: Runtime, run_id: int, lease: PairLease) -> None:
    async with transaction(runtime.sessions) as session:
        run = await resume_run(session, run_id)
    if run is None:
        return
    log.info("run %d of store %s is under way", run.id, run.store)
    try:
        await Steps(runtime, run, lease).go()
    except RunEnded:
        log.info("run %d was cancelled", run.id)
    except ConsentNeeded as needed:
        async with transaction(runtime.sessions) as session:
            await lease.confirm(session)
            await request_consent(session, run.id, needed.forecast.as_json())
        log.info("run %d asks first: %s", run.id, describe_forecast(needed.forecast))
    except LeaseLost:
        raise
    except WooVtigerError as error:
        await _put_off_or_fail(runtime, run, error, lease=lease)
    except OUTAGES:
        raise  # nothing can be written down now; the run is taken up again
    except Exception as error:
        log.exception("a bug in run %d", run.id)
        message = f"{type(error).__name__}: an error in the service; its log tells more."
        await _finish(runtime, run, RunState.FAILED, lease=lease, reason="bug", message=message)
    else:
        await _finish(runtime, run, RunState.DONE, lease=lease)


async def _put_off_or_fail(
    runtime: Runtime, run: SyncRun, error: WooVtigerError, *, lease: PairLease
) -> None:
    policy = retry_policy(runtime.settings.sync)
    age: timedelta = runtime.clock() - run.created_at
    if not worth_trying(policy, error, age):
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

"""The parts of a run, one after the other: which there are, and where the run stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.db.session import transaction
from app.errors import System, WooVtigerError
from app.inbox.backlog import Part, leave_to_run, release_backlog
from app.links.guests import search_guest_orders
from app.links.leases import PairLease
from app.links.repository import count_links
from app.module_facts import IN_ORDER
from app.records import Direction, Module
from app.runs.models import Consent, SyncRun
from app.runs.repository import count_on, enter_step, expect
from app.runtime import Runtime
from app.sync.adapters import narrowed, policy_of
from app.sync.bringing import Bringer
from app.sync.forecast import Forecast, Forecaster, needs_consent
from app.sync.listing import Listing
from app.sync.listings import open_listing
from app.sync.module_spec import Context
from app.sync.registry import SPECS
from app.sync.run import modules_of
from app.sync.run_looks import RunLooks

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

        Raises RunEnded, ConsentNeeded, LeaseLost, Waiting and the RemoteError tree.
        """
        try:
            await self._go()
        except (RunEnded, WooVtigerError):
            await self._give_back(self.parts)
            raise

    async def _go(self) -> None:
        bringer = Bringer(self.runtime, self.run)
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
            moved = await count_on(
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
            await leave_to_run(session, run_id, store, self.parts, most=self.few)

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

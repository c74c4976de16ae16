"""The parts of a run, one after the other: which there are, and where the run stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.db.session import transaction
from app.errors import System
from app.links.leases import PairLease
from app.records import Direction, Module
from app.runs.models import SyncRun
from app.runs.repository import count_on, enter_step
from app.runtime import Runtime
from app.sync.adapters import Context, narrowed, policy_of
from app.sync.bringing import Bringer
from app.sync.listing import Listing
from app.sync.listings import IN_ORDER, open_listing
from app.sync.run import modules_of
from app.sync.run_looks import RunLooks
from app.sync.setup import ensure_setup

COMPARE = "compare"
GUESTS = "guests"
REPAIR = "repair"

Step = tuple[str, str]
"""A module, and what to look at: a system's records, guests, a comparison, what one found."""


class RunEnded(Exception):
    """The run has ended meanwhile."""


@dataclass(slots=True)
class Steps:
    """One worker's way through a run."""

    runtime: Runtime
    run: SyncRun
    lease: PairLease

    async def go(self) -> None:
        """From the step that the run stands at to the last one.

        Raises RunEnded, LeaseLost, Waiting and the RemoteError tree.
        """
        bringer = Bringer(self.runtime, self.run)
        looks = RunLooks(self.runtime, self.run, self.lease, bringer, self.count)
        cursor = self.run.cursor or await self._plan()
        for index in range(cursor["step"], len(cursor["steps"])):
            cursor = {**cursor, "step": index, "done": self.run.done, "agreed": self.run.agreed}
            await self._enter(cursor)
            module, what = cursor["steps"][index]
            await self._take(looks, module, what)
        await bringer.finish()

    async def _plan(self) -> dict[str, Any]:
        """What there is to look at, counted first: one call a module and system."""
        modules = [Module(each) for each in self.run.modules]
        modules = modules or await modules_of(self.runtime, self.run.store)
        steps = _steps(self.run, sorted(modules, key=IN_ORDER.index))
        self.run.total = sum([await self._count(*step) for step in steps])
        return {"steps": [list(step) for step in steps], "step": 0}

    async def _count(self, module: str, what: str) -> int:
        if what == REPAIR:
            return await self._count_reported()
        if what == GUESTS:
            return 0
        listing = await self._listing(Module(module))
        systems = tuple(System) if what == COMPARE else (System(what),)
        return sum([await listing.count(system, self.run.since) for system in systems])

    async def _count_reported(self) -> int:
        async with self.runtime.sessions() as session:
            report = await session.get(SyncRun, self.run.repair_of)
        return report.difference_count if report is not None else 0

    async def _enter(self, cursor: Mapping[str, Any]) -> None:
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            moved = await enter_step(session, self.run.id, cursor, total=self.run.total)
        self._go_on(moved)

    async def count(self, done: int, agreed: int) -> None:
        """So many more were looked at. Raises RunEnded if the run was cancelled, and LeaseLost."""
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            moved = await count_on(session, self.run.id, done=done, agreed=agreed)
        self._go_on(moved)

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
            if module == Module.SALES_ORDERS:
                await ensure_setup(self.runtime)
            await looks.records(listing, System(what))

    async def _listing(self, module: Module) -> Listing:
        store, direction = self.run.store, Direction(self.run.direction)
        policy = narrowed(await policy_of(self.runtime, store, module), direction)
        return await open_listing(Context(self.runtime, store, policy, self.lease), module)


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

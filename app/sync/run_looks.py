"""What a run looks at: a system's records, guests, both sides side by side, an earlier report."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.db.session import transaction
from app.errors import System
from app.inbox.waiting import search_hinted
from app.links.leases import PairLease
from app.policies.schemas import SyncPolicy
from app.records import Direction, Module, Origin, Record
from app.runs.models import RunDifference, SyncRun
from app.runs.repository import add_differences
from app.runtime import Runtime
from app.sync.adapters import narrowed, policy_of
from app.sync.bringing import Bringer
from app.sync.comparison import Compared
from app.sync.contact_listing import ContactListing
from app.sync.listing import PAGE, Listing, pages
from app.sync.run import each_difference
from app.sync.survey import SECOND, Survey, changed_since
from app.sync.sweep import Change, Sweep

Count = Callable[[int, int], Awaitable[None]]
"""Told how many records were looked at, and how many of them gave nothing to do."""


@dataclass(frozen=True, slots=True)
class RunLooks:
    """The looks of one run. They raise what `count` and `lease` raise, Waiting and the RemoteError
    tree."""

    runtime: Runtime
    run: SyncRun
    lease: PairLease
    bringer: Bringer
    count: Count

    async def records(self, listing: Listing, system: System) -> None:
        """All records of a system, and those that vanished from it; or what changed lately."""
        sweep, living, started_at = self._sweep(listing), set[str](), self.runtime.clock()
        since = self.run.since
        async for page in listing.each(system, since and since - SECOND):
            living.update(seen.id for seen in page)
            changed = changed_since(page, since)
            found = await sweep.changes(changed)
            await self._bring(found)
            told = system is System.WOOCOMMERCE or since is not None
            await self.count(len(page), len(changed) - len(found) if told else 0)
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


def _record(store: str, found: RunDifference) -> Record:
    woo = found.woo_id is not None
    system = System.WOOCOMMERCE if woo else System.VTIGER
    return Record(store, system, Module(found.module), found.woo_id or found.vtiger_id or "")

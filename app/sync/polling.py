"""Catch-up: finding what no webhook or callback told of, and hinting it like anything else.

The first poll of a module takes stock and hints nothing: records that were there before are
brought over by `woo-vtiger sync`, never by surprise. What changed silently (an order's product
that was deleted, a refund taken back) is found by such a run too.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from app.db.session import transaction
from app.errors import LeaseLost, RemoteError, System, Waiting
from app.links.leases import PairLease, hold
from app.links.repository import find_watermark, save_watermark
from app.policies.schemas import SyncPolicy
from app.records import DeletePolicy, Module
from app.runtime import Runtime
from app.sync.adapters import Context, policy_of
from app.sync.listing import Listing
from app.sync.listings import IN_ORDER, open_listing
from app.sync.outbox import OutboxReader, find_outbox_look, keep_mark
from app.sync.sweep import Sweep

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=2)
TURN = "upkeep:poll"
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)


async def poll(runtime: Runtime) -> int:
    """Look at every store once, unless another worker is at it; how many hints that gave."""
    seconds = runtime.settings.worker.lease_seconds
    hints = 0
    try:
        async with hold(runtime.sessions, [TURN], owner=uuid4().hex, seconds=seconds) as lease:
            outbox = OutboxReader(runtime)
            for store in runtime.stores:
                for module in IN_ORDER:
                    hints += await _poll_module(runtime, store, module, lease=lease, outbox=outbox)
    except LeaseLost:
        log.debug("another worker polls")
    return hints


async def _poll_module(
    runtime: Runtime, store: str, module: Module, *, lease: PairLease, outbox: OutboxReader
) -> int:
    policy = await policy_of(runtime, store, module)
    if not policy.enabled:
        return 0
    try:
        listing = await open_listing(Context(runtime, store, policy, lease), module)
        looks = [Look(runtime, store, listing, policy, system, outbox) for system in System]
        return sum([await look.run() for look in looks])
    except (RemoteError, Waiting) as error:
        log.warning("catch-up of %s of store %s is put off: %s", module, store, error)
        return 0


@dataclass(frozen=True, slots=True)
class Look:
    """One poll of one module's records in one system."""

    runtime: Runtime
    store: str
    listing: Listing
    policy: SyncPolicy
    system: System
    outbox: OutboxReader

    async def run(self) -> int:
        """How many hints that gave. Raises the RemoteError tree.

        Vtiger's add-on, where it is installed, tells what changed; else the records' times do.
        """
        if self.system is not System.VTIGER or self.system in self.listing.lists_all:
            return await self._by_time()
        outbox = await self.outbox.find()
        sweep = Sweep(self.runtime, self.store, self.listing)
        told = await find_outbox_look(self.runtime, sweep, outbox, self._key)
        if told is not None:
            return await told.run()
        hints = await self._by_time()
        await keep_mark(self.runtime, sweep.module, outbox, self._key)
        return hints

    async def _by_time(self) -> int:
        """Everything that changed since the last such look.

        The mark is taken before the look and by the remote's own clock: what changes while the
        pages are read is seen by the next look.
        """
        started_at, reached_at = self.runtime.clock(), await self._reached_at()
        mark = started_at
        if self.system not in self.listing.lists_all:
            latest_at = await self.listing.find_last_change(self.system) or BEFORE_ALL
            mark = max(latest_at, reached_at or latest_at)
        sweep = Sweep(self.runtime, self.store, self.listing, take_stock=reached_at is None)
        hints, living = 0, set[str]()
        async for page in self.listing.each(self.system, (reached_at or mark) - OVERLAP):
            living.update(seen.id for seen in page)
            hints += await sweep.differences(page)
        hints += await self._find_gone(sweep, living, started_at)
        await self._save(mark)
        return hints

    async def _find_gone(self, sweep: Sweep, living: set[str], started_at: datetime) -> int:
        """What vanished from Vtiger counts only where deletions do something to the shop."""
        if self.system in self.listing.lists_all:
            return await self._vanished(sweep, living, started_at)
        if self.system is System.WOOCOMMERCE:
            return await sweep.trashed()
        if self.policy.delete_policy is DeletePolicy.IGNORE:
            return 0
        ids = {record_id async for record_id in self.listing.each_vtiger_id()}
        return await self._vanished(sweep, ids, started_at)

    async def _vanished(self, sweep: Sweep, living: set[str], started_at: datetime) -> int:
        gone = await sweep.vanished(self.system, living, started_at=started_at)
        return await sweep.bring_up(gone)

    @property
    def _key(self) -> str:
        return f"{self.store}:{self.listing.adapter.module}:{self.system}"

    async def _reached_at(self) -> datetime | None:
        async with self.runtime.sessions() as session:
            return await find_watermark(session, self._key)

    async def _save(self, mark: datetime) -> None:
        async with transaction(self.runtime.sessions) as session:
            await save_watermark(session, self._key, mark)

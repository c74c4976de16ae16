"""Catch-up: finding what no webhook or callback told of, and hinting it like anything else.

The first poll of a module takes stock and hints nothing: records that were there before are
brought over by `woo-vtiger sync`, never by surprise. What leaves no trace of its time (a product
or an order deleted for good, a refund taken back) is found by a look at everything, once a day and
whenever webhooks were found broken.
"""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from app.db.outage import OUTAGES
from app.db.session import transaction
from app.errors import LeaseLost, RateLimited, RemoteError, RemoteHeld, System, Waiting
from app.gate import calling_for
from app.incidents.models import IncidentKind
from app.incidents.report import report, report_mended
from app.incidents.repository import Trouble
from app.links.leases import PairLease, hold_turn
from app.links.passes import is_pass_due, save_pass
from app.links.repository import find_watermark, save_watermark
from app.policies.schemas import SyncPolicy
from app.records import DeletePolicy, Module
from app.runtime import Runtime
from app.sync.adapters import Context, policy_of
from app.sync.listing import Listing
from app.sync.listings import IN_ORDER, open_listing
from app.sync.outbox import OutboxReader
from app.sync.outbox_look import find_outbox_look, keep_mark
from app.sync.owed import collect_owed
from app.sync.sweep import Sweep

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=2)
MOST_AHEAD = timedelta(days=1)
"""No clock of a remote that still answers to signatures and sessions is further off."""
TURN = "upkeep:poll"
BUG = "an error in the service; its log tells more."
CAUGHT_UP = "It was looked at again."
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)


async def poll(runtime: Runtime) -> int:
    """Look at every store once, unless another worker is at it; how many hints that gave. What a
    worker left undone that died at it is done as soon as its lease ends."""
    seconds = runtime.settings.worker.lease_seconds
    hints = 0
    try:
        async with hold_turn(runtime.sessions, TURN, owner=uuid4().hex, seconds=seconds) as lease:
            hints += await _collect_owed(runtime)
            outbox = OutboxReader(runtime)
            for store in runtime.stores:
                for module in IN_ORDER:
                    hints += await _poll_module(runtime, store, module, lease=lease, outbox=outbox)
    except LeaseLost:
        log.debug("another worker polls")
    return hints


async def _collect_owed(runtime: Runtime) -> int:
    try:
        with calling_for("poll:owed"):
            return await collect_owed(runtime)
    except RemoteError as error:
        log.info("what waits for Vtiger's version is put off: %s", error)
        return 0


async def _poll_module(
    runtime: Runtime, store: str, module: Module, *, lease: PairLease, outbox: OutboxReader
) -> int:
    """A module that cannot be looked at keeps no other from it."""
    policy = await policy_of(runtime, store, module)
    if not policy.enabled:
        return 0
    trouble = Trouble(IncidentKind.POLL_FAILED, System.WOOCOMMERCE, store, module)
    try:
        with calling_for(f"poll:{store}:{module}"):
            listing = await open_listing(Context(runtime, store, policy, lease), module)
            looks = [
                Look(runtime, store, listing, policy, system, outbox, lease) for system in System
            ]
            hints = sum([await look.run() for look in looks])
    except (RateLimited, RemoteHeld, Waiting) as error:
        log.info("catch-up of %s of store %s is put off: %s", module, store, error)
        return 0
    except RemoteError as error:
        other = replace(trouble, system=error.system)
        await report(runtime.sessions, other, f"Catch-up of {module} is put off: {error}")
        return 0
    except LeaseLost:
        raise
    except OUTAGES:
        raise
    except Exception:
        log.exception("a bug in the catch-up of %s of store %s", module, store)
        await report(runtime.sessions, trouble, f"Catch-up of {module} met {BUG}")
        return 0
    for system in System:
        await report_mended(runtime.sessions, replace(trouble, system=system), CAUGHT_UP)
    return hints


@dataclass(frozen=True, slots=True)
class Look:
    """One poll of one module's records in one system."""

    runtime: Runtime
    store: str
    listing: Listing
    policy: SyncPolicy
    system: System
    outbox: OutboxReader
    lease: PairLease

    async def run(self) -> int:
        """How many hints that gave. Raises LeaseLost and the RemoteError tree.

        Vtiger's add-on, where it is installed, tells what changed; else the records' times do.
        """
        if self.system is not System.VTIGER or self.system in self.listing.lists_all:
            return await self._by_time()
        outbox = await self.outbox.find()
        sweep = Sweep(self.runtime, self.store, self.listing)
        told = await find_outbox_look(self.runtime, sweep, outbox, self._key, lease=self.lease)
        if told is not None:
            return await told.run()
        hints = await self._by_time()
        await keep_mark(self.runtime, sweep.module, outbox, self._key, lease=self.lease)
        return hints

    async def _by_time(self) -> int:
        """Everything that changed since the last such look.

        The mark is taken before the look and by the remote's own clock: what changes while the
        pages are read is seen by the next look.
        """
        started_at, reached_at = self.runtime.clock(), await self._reached_at()
        mark = started_at
        if not self._lists_all:
            latest_at = await self._latest_at(started_at)
            mark = max(latest_at, reached_at or latest_at)
        whole = reached_at is not None and await self._is_whole_due()
        sweep = Sweep(self.runtime, self.store, self.listing, take_stock=reached_at is None)
        hints, living = 0, set[str]()
        since = None if whole else (reached_at or mark) - OVERLAP
        async for page in self.listing.each(self.system, since):
            living.update(seen.id for seen in page)
            hints += await sweep.differences(page)
        if whole or self._lists_all:
            hints += await self._vanished(sweep, living, started_at)
        else:
            hints += await self._find_gone(sweep, started_at)
        await self._save(mark, started_at, whole=whole or reached_at is None)
        return hints

    async def _latest_at(self, started_at: datetime) -> datetime:
        """The remote's last change. A record whose stamp is of days to come tells nothing of its
        clock: believed, it would hide every change until then."""
        found = await self.listing.find_last_change(self.system) or BEFORE_ALL
        return found if found <= started_at + MOST_AHEAD else started_at - MOST_AHEAD

    @property
    def _lists_all(self) -> bool:
        return self.system in self.listing.lists_all

    async def _is_whole_due(self) -> bool:
        """Time to look at everything: what was deleted for good leaves no other trace."""
        if self._lists_all:
            return False
        interval = self.runtime.settings.sync.full_pass_interval
        async with self.runtime.sessions() as session:
            return await is_pass_due(session, self._key, interval)

    async def _find_gone(self, sweep: Sweep, started_at: datetime) -> int:
        """What vanished from Vtiger counts only where deletions do something."""
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

    async def _save(self, mark: datetime, started_at: datetime, *, whole: bool) -> None:
        took = (self.runtime.clock() - started_at).total_seconds()
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            await save_watermark(session, self._key, mark)
            if whole:
                await save_pass(session, self._key, store=self.store, seconds_ago=took)

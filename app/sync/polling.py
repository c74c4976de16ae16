"""Catch-up: finding what no webhook or callback told of, and hinting it like anything else.

The first poll of a module takes stock and hints nothing: records that were there before are
brought over by `woo-vtiger sync`, never by surprise. From then on a record without a pair is hinted
only if it changed after the stock-taking, by whichever look it is found. What leaves no trace of
its time (a product or an order deleted for good, a refund taken back) is found by a look at
everything, once a day and whenever webhooks were found broken."""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from app.db.session import OUTAGES, transaction
from app.domain import (
    DeletePolicy,
    DependencyNotReady,
    LeaseLost,
    Module,
    RateLimited,
    RemoteError,
    RemotePaused,
    System,
)
from app.http.client import Verdict, calling_for, judge
from app.links.leases import PairLease, acquire_turn
from app.links.repository import (
    find_baseline,
    find_watermark,
    is_pass_due,
    save_baseline,
    save_pass,
    save_watermark,
)
from app.module_facts import IN_ORDER
from app.modules.dependencies import retry_missing
from app.modules.ports import Listing
from app.modules.registry import open_listing, policy_of
from app.modules.spec import Context
from app.policies.repository import SyncPolicy
from app.remotes.incidents import Trouble, report, report_resolved
from app.remotes.models import IncidentKind
from app.runtime import Runtime
from app.sync.outbox import OutboxReader, find_outbox_look, keep_mark
from app.sync.sweep import OVERLAP, Sweep

log = logging.getLogger(__name__)

MOST_AHEAD = timedelta(days=1)
"""No clock of a remote that still answers to signatures and sessions is further off."""
TURN = "upkeep:poll"
BUG = "an error in the service; its log tells more."
CAUGHT_UP = "It was looked at again."
OF_THE_WHOLE = (Verdict.DOWN, Verdict.THROTTLED, Verdict.REJECTED)
"""What a system's own incident tells of: a wrong key is one incident, not one a module."""
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)


async def poll(runtime: Runtime) -> int:
    """Look at every store once, unless another worker is at it; how many hints that gave. What a
    worker left undone that died at it is done as soon as its lease ends."""
    seconds = runtime.settings.worker.lease_seconds
    hints = 0
    try:
        async with acquire_turn(
            runtime.sessions, TURN, owner=uuid4().hex, seconds=seconds
        ) as lease:
            hints += await _retry_missing(runtime)
            outbox = OutboxReader(runtime)
            for store in runtime.stores:
                for module in IN_ORDER:
                    hints += await _poll_module(runtime, store, module, lease=lease, outbox=outbox)
    except LeaseLost:
        log.debug("another worker polls")
    return hints


async def _retry_missing(runtime: Runtime) -> int:
    try:
        with calling_for("poll:owed"):
            return await retry_missing(runtime)
    except RemoteError as error:
        log.info("what waits for Vtiger's version is put off: %s", error.summary)
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
    except (RateLimited, RemotePaused, DependencyNotReady) as error:
        log.info("catch-up of %s of store %s is put off: %s", module, store, error.summary)
        return 0
    except RemoteError as error:
        if judge(error) in OF_THE_WHOLE:
            log.warning("catch-up of %s of store %s is put off: %s", module, store, error.summary)
            return 0
        other = replace(trouble, system=error.system)
        await report(runtime.sessions, other, f"Catch-up of {module} is put off: {error.summary}")
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
        await report_resolved(runtime.sessions, replace(trouble, system=system), CAUGHT_UP)
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
        async with self.runtime.sessions() as session:
            baseline_at = await find_baseline(session, self._key)
        sweep = Sweep(self.runtime, self.store, self.listing, baseline_at=baseline_at)
        told = await find_outbox_look(self.runtime, sweep, outbox, self._key, lease=self.lease)
        if told is not None:
            return await told.run()
        hints = await self._by_time()
        await keep_mark(self.runtime, sweep.module, outbox, self._key, lease=self.lease)
        return hints

    async def _by_time(self) -> int:
        """Everything that changed since the last such look, or a stock-taking at the first one."""
        started_at = self.runtime.clock()
        async with self.runtime.sessions() as session:
            reached_at = await find_watermark(session, self._key)
            baseline_at = await find_baseline(session, self._key)
        if reached_at is None:
            return await self._take_baseline(started_at)
        return await self._look_since(reached_at, baseline_at, started_at)

    async def _take_baseline(self, started_at: datetime) -> int:
        """Remember when it was, by the remote's own clock, and the state of what had changed just
        before; what is older is known by its time. Where all is listed, all is remembered.

        The latest time of a remote may lie ahead (a product that is scheduled), so all that seems
        to be later than our own clock is remembered as well.
        """
        mark, baseline_at, since = started_at, started_at, None
        if not self._lists_all:
            mark = await self._latest_at(started_at)
            baseline_at = min(mark, started_at)
            since = baseline_at - OVERLAP
        sweep = Sweep(self.runtime, self.store, self.listing, take_baseline=True)
        hints, living = 0, set[str]()
        async for page in self.listing.each(self.system, since):
            living.update(seen.id for seen in page)
            hints += await sweep.differences(page)
        hints += await self._find_gone(sweep, living, started_at, whole=False)
        await self._save(mark, started_at, whole=True, baseline_at=baseline_at)
        return hints

    async def _look_since(
        self, reached_at: datetime, baseline_at: datetime | None, started_at: datetime
    ) -> int:
        """The mark is taken before the look and by the remote's own clock: what changes while the
        pages are read is seen by the next look."""
        mark = started_at
        if not self._lists_all:
            mark = max(await self._latest_at(started_at), reached_at)
        whole = await self._is_whole_due()
        sweep = Sweep(self.runtime, self.store, self.listing, baseline_at=baseline_at)
        hints, living = 0, set[str]()
        async for page in self.listing.each(self.system, None if whole else reached_at - OVERLAP):
            living.update(seen.id for seen in page)
            hints += await sweep.differences(page)
        hints += await self._find_gone(sweep, living, started_at, whole=whole)
        await self._save(mark, started_at, whole=whole)
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

    async def _find_gone(
        self, sweep: Sweep, living: set[str], started_at: datetime, *, whole: bool
    ) -> int:
        """`living` are all there are after a `whole` look. What vanished from Vtiger counts only
        where deletions do something."""
        if whole or self._lists_all:
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

    async def _save(
        self,
        mark: datetime,
        started_at: datetime,
        *,
        whole: bool,
        baseline_at: datetime | None = None,
    ) -> None:
        took = (self.runtime.clock() - started_at).total_seconds()
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            await save_watermark(session, self._key, mark)
            if baseline_at is not None:
                await save_baseline(session, self._key, baseline_at)
            if whole:
                await save_pass(session, self._key, store=self.store, seconds_ago=took)

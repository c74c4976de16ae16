"""Catch-up polls: hint the changes that no webhook or callback reported.

The first poll of a module records a baseline and hints nothing: existing records are synced by
`woo-vtiger sync` only. Later polls hint a record without a link only if it changed after the
baseline. Changes that leave no time stamp (a product or an order deleted permanently, a refund
removed) are found by a full pass, once a day and whenever webhooks were found broken."""

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
from app.modules.context import Context, policy_of
from app.modules.dependencies import retry_missing
from app.modules.ports import Listing
from app.modules.registry import SPECS
from app.policies.repository import SyncPolicy
from app.remotes.incidents import Trouble, report, report_resolved
from app.remotes.models import IncidentKind
from app.runtime import Runtime
from app.sync.addon_outbox import OutboxReader, find_outbox_poll, save_mark
from app.sync.sweep import OVERLAP, Sweep

log = logging.getLogger(__name__)

MAX_CLOCK_LEAD = timedelta(days=1)
"""The largest plausible deviation of a remote's clock: signatures and sessions fail before that."""
TURN = "upkeep:poll"
UNHANDLED = "an error in the service; see its log for details."
CAUGHT_UP = "The catch-up works again."
SYSTEM_WIDE = (Verdict.DOWN, Verdict.THROTTLED, Verdict.REJECTED)
"""Verdicts that concern the whole system and have one incident, not one for each module."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


async def poll(runtime: Runtime) -> int:
    """Poll every store once, unless another worker is polling; returns the number of hints.

    If a worker dies while polling, another one can poll as soon as its lease expires.
    """
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
        log.info("retry of missing references is postponed: %s", error.summary)
        return 0


async def _poll_module(
    runtime: Runtime, store: str, module: Module, *, lease: PairLease, outbox: OutboxReader
) -> int:
    """Poll one module; an error is reported as an incident and does not stop the other modules."""
    policy = await policy_of(runtime, store, module)
    if not policy.enabled:
        return 0
    trouble = Trouble(IncidentKind.POLL_FAILED, System.WOOCOMMERCE, store, module)
    try:
        with calling_for(f"poll:{store}:{module}"):
            listing = SPECS[module].open_listing(Context(runtime, store, policy, lease))
            polls = [
                ModulePoll(runtime, store, listing, policy, system, outbox, lease)
                for system in System
            ]
            hints = sum([await each.run() for each in polls])
    except (RateLimited, RemotePaused, DependencyNotReady) as error:
        log.info("catch-up of %s of store %s is postponed: %s", module, store, error.summary)
        return 0
    except RemoteError as error:
        if judge(error) in SYSTEM_WIDE:
            log.warning("catch-up of %s of store %s is postponed: %s", module, store, error.summary)
            return 0
        other = replace(trouble, system=error.system)
        await report(runtime.sessions, other, f"Catch-up of {module} is postponed: {error.summary}")
        return 0
    except LeaseLost:
        raise
    except OUTAGES:
        raise
    except Exception:
        log.exception("unhandled exception in the catch-up of %s of store %s", module, store)
        await report(runtime.sessions, trouble, f"Catch-up of {module} failed: {UNHANDLED}")
        return 0
    for system in System:
        await report_resolved(runtime.sessions, replace(trouble, system=system), CAUGHT_UP)
    return hints


@dataclass(frozen=True, slots=True)
class ModulePoll:
    """One poll of one module's records in one system."""

    runtime: Runtime
    store: str
    listing: Listing
    policy: SyncPolicy
    system: System
    outbox: OutboxReader
    lease: PairLease

    async def run(self) -> int:
        """Poll once; returns the number of hints. Raises LeaseLost and the RemoteError tree.

        Changes in Vtiger are read from the add-on's outbox if it is installed, and otherwise
        selected by the records' times.
        """
        if self.system is not System.VTIGER or self.system in self.listing.lists_all:
            return await self._poll_by_time()
        outbox = await self.outbox.find()
        async with self.runtime.sessions() as session:
            baseline_at = await find_baseline(session, self._key)
        sweep = Sweep(self.runtime, self.store, self.listing, baseline_at=baseline_at)
        outbox_poll = await find_outbox_poll(
            self.runtime, sweep, outbox, self._key, lease=self.lease
        )
        if outbox_poll is not None:
            return await outbox_poll.run()
        hints = await self._poll_by_time()
        await save_mark(self.runtime, sweep.module, outbox, self._key, lease=self.lease)
        return hints

    async def _poll_by_time(self) -> int:
        """Hint what changed since the watermark; the first poll records the baseline."""
        started_at = self.runtime.clock()
        async with self.runtime.sessions() as session:
            reached_at = await find_watermark(session, self._key)
            baseline_at = await find_baseline(session, self._key)
        if reached_at is None:
            return await self._take_baseline(started_at)
        return await self._poll_since(reached_at, baseline_at, started_at)

    async def _take_baseline(self, started_at: datetime) -> int:
        """Store the time of the baseline, by the remote's clock, and the digests of records that
        changed just before it; older ones are recognised by their time. If the listing returns all
        records, all digests are stored.

        The latest time of a remote may be in the future (a scheduled product), so records that seem
        newer than our own clock are included.
        """
        mark, baseline_at, since = started_at, started_at, None
        if not self._lists_all:
            mark = await self._latest_at(started_at)
            baseline_at = min(mark, started_at)
            since = baseline_at - OVERLAP
        sweep = Sweep(self.runtime, self.store, self.listing, take_baseline=True)
        hints, present = 0, set[str]()
        async for page in self.listing.each(self.system, since):
            present.update(seen.id for seen in page)
            hints += await sweep.hint_changes(page)
        hints += await self._hint_missing(sweep, present, started_at, full=False)
        await self._save(mark, started_at, full=True, baseline_at=baseline_at)
        return hints

    async def _poll_since(
        self, reached_at: datetime, baseline_at: datetime | None, started_at: datetime
    ) -> int:
        """Hint what changed since `reached_at`.

        The new watermark is read from the remote before the listing, so that changes made while
        the pages are read are found by the next poll.
        """
        mark = started_at
        if not self._lists_all:
            mark = max(await self._latest_at(started_at), reached_at)
        full = await self._is_full_pass_due()
        sweep = Sweep(self.runtime, self.store, self.listing, baseline_at=baseline_at)
        hints, present = 0, set[str]()
        async for page in self.listing.each(self.system, None if full else reached_at - OVERLAP):
            present.update(seen.id for seen in page)
            hints += await sweep.hint_changes(page)
        hints += await self._hint_missing(sweep, present, started_at, full=full)
        await self._save(mark, started_at, full=full)
        return hints

    async def _latest_at(self, started_at: datetime) -> datetime:
        """The time of the remote's last change.

        A time far in the future is not used as watermark: it would hide all changes until then.
        """
        found = await self.listing.find_last_change(self.system) or EARLIEST
        return found if found <= started_at + MAX_CLOCK_LEAD else started_at - MAX_CLOCK_LEAD

    @property
    def _lists_all(self) -> bool:
        return self.system in self.listing.lists_all

    async def _is_full_pass_due(self) -> bool:
        """Whether a full pass is due, which alone finds permanently deleted records."""
        if self._lists_all:
            return False
        interval = self.runtime.settings.sync.full_pass_interval
        async with self.runtime.sessions() as session:
            return await is_pass_due(session, self._key, interval)

    async def _hint_missing(
        self, sweep: Sweep, present: set[str], started_at: datetime, *, full: bool
    ) -> int:
        """Hint deleted records; after a `full` pass `present` are the ids of all records.

        Deletions in Vtiger are searched only if the delete policy acts on them.
        """
        if full or self._lists_all:
            return await self._hint_absent(sweep, present, started_at)
        if self.system is System.WOOCOMMERCE:
            return await sweep.hint_trashed()
        if self.policy.delete_policy is DeletePolicy.IGNORE:
            return 0
        ids = {record_id async for record_id in self.listing.each_vtiger_id()}
        return await self._hint_absent(sweep, ids, started_at)

    async def _hint_absent(self, sweep: Sweep, present: set[str], started_at: datetime) -> int:
        gone = await sweep.find_missing(self.system, present, started_at=started_at)
        return await sweep.hint(gone)

    @property
    def _key(self) -> str:
        return f"{self.store}:{self.listing.module}:{self.system}"

    async def _save(
        self,
        mark: datetime,
        started_at: datetime,
        *,
        full: bool,
        baseline_at: datetime | None = None,
    ) -> None:
        elapsed = (self.runtime.clock() - started_at).total_seconds()
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            await save_watermark(session, self._key, mark)
            if baseline_at is not None:
                await save_baseline(session, self._key, baseline_at)
            if full:
                await save_pass(session, self._key, store=self.store, seconds_ago=elapsed)

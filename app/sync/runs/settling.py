"""Settles the records of a run, many at a time, with lower priority than live hints."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from time import monotonic
from uuid import uuid4

from app.db.session import store_rows, transaction
from app.domain import (
    DependencyNotReady,
    Direction,
    Event,
    LeaseLost,
    Module,
    Origin,
    Record,
    RemoteError,
    RemoteUnavailable,
    ResponseUnreadable,
    System,
    WooVtigerError,
)
from app.inbox.repository import (
    NewDelivery,
    is_live_delivery_due,
    run_key,
    search_hinted,
    search_open_of_run,
    store_claimed,
)
from app.links.leases import PairLease, hold
from app.links.repository import save_sightings
from app.modules.context import Context, policy_of
from app.modules.dependencies import Dependencies
from app.modules.ports import Bulk, ListedRecord, Side
from app.modules.registry import IN_BULK, SPECS, BulkOpener
from app.policies.repository import SyncPolicy, narrowed
from app.runs.models import SyncRun
from app.runtime import Runtime
from app.sync.bulk import BulkChoice, BulkCreation, Item
from app.sync.creation import LinkWriter, supports_create_key
from app.sync.pipeline import describe_unhandled, drain
from app.sync.sweep import Change, digest_of, is_excluded
from app.sync.work import failed, record_outcome
from app.synclog.repository import NewEntry
from app.tasks import run_together
from app.vtiger.addon import MOST_ITEMS
from app.vtiger.client import ORDERS

log = logging.getLogger(__name__)

YIELD_STEP_SECONDS = 0.05
MAX_YIELD_SECONDS = 1.0
RECHECK_SECONDS = 0.2
FINISH_TIMEOUT_SECONDS = 30.0
BATCH_SIZE = 100
"""Creates that are started together if Vtiger's add-on writes: a page, to fill its calls."""
DUE_WITHIN_SECONDS = 2.0


@dataclass(slots=True)
class LiveTrafficPriority:
    """Delays the writes of a run while live hints wait, for MAX_YIELD_SECONDS at most.

    Hints that were left to the run do not count. One check serves all writes that wait.
    """

    runtime: Runtime
    checked_at: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def wait(self) -> None:
        """Wait until no live hint waits, or MAX_YIELD_SECONDS have passed."""
        async with self.turn:
            await self._wait()

    async def _wait(self) -> None:
        give_up_at = monotonic() + MAX_YIELD_SECONDS
        while monotonic() - self.checked_at > RECHECK_SECONDS:
            async with self.runtime.sessions() as session:
                live = await is_live_delivery_due(session)
            if not live or monotonic() > give_up_at:
                self.checked_at = monotonic()
                return
            await asyncio.sleep(YIELD_STEP_SECONDS)


@dataclass(frozen=True, slots=True)
class BulkPage:
    """A page of new records of one system, and their hints by id."""

    creation: BulkCreation
    changes: Sequence[Change]
    sides: Sequence[Side]
    hints: Mapping[str, NewDelivery]

    async def claim(self) -> list[Item]:
        """Claim the records to create in bulk. Raises LeaseLost and the RemoteError tree."""
        chosen = await self.creation.choice.choose(self.sides)
        return await self.creation.claim(self.hints, chosen)

    def left(self, items: Sequence[Item]) -> list[Change]:
        """The records to settle singly: all others except excluded ones, such as drafts, and those
        that cannot be paired as they are and are logged already."""
        claimed = {item.side.id for item in items}
        sides = {side.id: side for side in self.sides}
        rest = [each for each in self.changes if each.record.id not in claimed]
        found = [self._as_read(each, sides.get(each.record.id)) for each in rest]
        return [each for each in found if each is not None]

    def _as_read(self, change: Change, side: Side | None) -> Change | None:
        if side is None:
            return change
        adapter, digest = self.creation.choice.bulk.adapter, digest_of(side, None)
        refused = side.id in self.creation.choice.refused
        is_impossible = refused or adapter.creation_objection(side) is not None
        is_reported = change.reported == digest and is_impossible
        out = is_reported or is_excluded(adapter, side)
        return None if out else replace(change, digest=digest)


@dataclass(frozen=True, slots=True)
class PageLocks:
    """Locks that let one page at a time be read, and one page at a time create twins."""

    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    creating: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class RunExecutor:
    """Stores the hints of a run as claimed deliveries and settles them.

    New records are created in bulk, all others are drained singly. Deliveries that are postponed or
    leased by another worker are left to the normal dispatch. Several pages may be in progress: one
    is read while the page before is created. `customers` are the e-mails of the shop's customers,
    once the run has listed them.
    """

    runtime: Runtime
    run: SyncRun
    opener: BulkOpener = field(default_factory=BulkOpener)
    locks: PageLocks = field(default_factory=PageLocks)
    customers: frozenset[str] | None = None
    priority: LiveTrafficPriority = field(init=False)
    slots: asyncio.Semaphore = field(init=False)
    addon_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_ITEMS))

    def __post_init__(self) -> None:
        self.priority = LiveTrafficPriority(self.runtime)
        self.slots = asyncio.Semaphore(self.runtime.settings.worker.concurrency)

    @property
    def portion(self) -> int:
        """The number of records settled together: a few for each concurrent job of a worker."""
        return 4 * self.runtime.settings.worker.concurrency

    async def settle(self, changes: Sequence[Change], policy: SyncPolicy) -> None:
        """Settle these records, at most a page of one system.

        Raises the RemoteError tree if an outage stopped the whole page.
        """
        new = [each for each in changes if _is_new(each)]
        left = [each for each in changes if not _is_new(each)]
        items: list[Item] = []
        if new:
            items, unclaimed = await self._create(new, policy, self.locks)
            left += unclaimed
        await self._drain(_undecided(items))
        await self._settle_singly(left)
        _raise_outage(items)

    async def _create(
        self, changes: Sequence[Change], policy: SyncPolicy, locks: PageLocks
    ) -> tuple[list[Item], list[Change]]:
        """Create records in bulk; returns those items and the changes left to settle singly."""
        async with self._hold() as lease, self._hold() as names:
            try:
                async with locks.reading:
                    page = await self._open(changes, policy, (lease, names), locks)
                    items = await page.claim()
            except (LeaseLost, DependencyNotReady, RemoteError) as error:
                if _is_outage(error):
                    raise
                return [], list(changes)  # one record made the whole call fail
            with contextlib.suppress(LeaseLost):  # still claimed, and found by `finish`
                await page.creation.settle(items)
            return items, page.left(items)

    def _hold(self) -> AbstractAsyncContextManager[PairLease]:
        seconds = self.runtime.settings.worker.lease_seconds
        return hold(self.runtime.sessions, [], owner=uuid4().hex, seconds=seconds)

    async def _open(
        self,
        changes: Sequence[Change],
        policy: SyncPolicy,
        leases: tuple[PairLease, PairLease],
        locks: PageLocks,
    ) -> BulkPage:
        """Read the page's records whole; an unreadable one is left to be settled singly."""
        store, module = self.run.store, changes[0].record.module or Module.CONTACTS
        lease, names = leases
        dependencies = Dependencies(self.runtime, drain, run_id=self.run.id)
        context = Context(
            self.runtime,
            store,
            policy,
            lease,
            dependencies,
            names=names,
            customers=self.customers,
        )
        bulk = await self.opener.open(context, module)
        seen = [change.seen for change in changes if change.seen is not None]
        await self._create_prerequisites(bulk, seen)
        await bulk.preload_links(seen)
        reads = await SPECS[module].reader(bulk.adapter).complete(seen)
        sides = [read for read in reads if isinstance(read, Side)]
        choice = BulkChoice(self.runtime, store, policy, bulk, lease)
        link_writer = LinkWriter(self.runtime.sessions, lease)
        keyed = await supports_create_key(self.runtime, changes[0].record.system.other, module)
        creation = BulkCreation(
            choice,
            link_writer,
            self.priority.wait,
            locks.creating,
            names,
            asyncio.Semaphore(BATCH_SIZE) if keyed else self.slots,
            BATCH_SIZE if keyed else self.portion,
            keyed,
        )
        return BulkPage(creation, changes, sides, {c.record.id: self._hint(c) for c in changes})

    async def _create_prerequisites(self, bulk: Bulk, seen: Sequence[ListedRecord]) -> None:
        """Create the new contacts that these records depend on in bulk; all other dependencies are
        synced by the record that needs them."""
        store, module = self.run.store, Module.CONTACTS
        policy = await policy_of(self.runtime, store, module)
        policy = narrowed(policy, Direction(self.run.direction))
        if not policy.enabled or not policy.direction.allows(System.VTIGER):
            return
        contacts = {
            Record(store, each.system, module, each.id): each
            for each in await bulk.search_prerequisites(seen)
        }
        async with self.runtime.sessions() as session:
            keys = [record.key for record in contacts]
            known = await search_hinted(session, self.run.id, keys) if keys else set()
        new = [
            Change(record, paired=False, seen=each)
            for record, each in contacts.items()
            if record.key not in known
        ]
        if new:
            items, _ = await self._create(new, policy, PageLocks())
            await self._drain(_undecided(items))
            _raise_outage(items)

    async def _settle_singly(self, changes: Sequence[Change]) -> None:
        """Drain in small portions: a claimed delivery that waits long counts as stranded."""
        size = max(self.portion, MOST_ITEMS)
        for start in range(0, len(changes), size):
            part = changes[start : start + size]
            for change, error in await store_rows(part, self._store_hints):
                await self._record_refused(change, error)
            await self._drain([change.record.key for change in part])

    async def _store_hints(self, changes: Sequence[Change]) -> None:
        async with transaction(self.runtime.sessions) as session:
            await store_claimed(session, [self._hint(change) for change in changes], attempts=0)
            await save_sightings(session, {change.record.key: change.digest for change in changes})

    async def _record_refused(self, change: Change, error: Exception) -> None:
        """Log a record as failed whose hint cannot be stored."""
        record = change.record
        log.error("the hint of %s cannot be stored", record.key, exc_info=error)
        result = failed(record.system.other, record.id, WooVtigerError(describe_unhandled(error)))
        entry = NewEntry(
            store=record.store,
            module=record.module,
            target=result.target,
            source_id=result.source_id,
            target_id=None,
            link_id=None,
            event=change.event,
            outcome=result.outcome,
            reason=result.reason,
            message=result.message,
            attempts=0,
            duration_ms=0,
            run_id=self.run.id,
        )
        async with transaction(self.runtime.sessions) as session:
            await record_outcome(session, entry, [])

    def _hint(self, change: Change) -> NewDelivery:
        key = run_key(change.record, self.run.id)
        return NewDelivery(change.record, Origin.MANUAL, change.event, key, run_id=self.run.id)

    async def _drain(self, keys: Sequence[str]) -> None:
        """Drain concurrently; if Vtiger's add-on writes, as many as fill one of its calls."""
        fills_calls = False
        with contextlib.suppress(RemoteError):  # each record reports the error itself
            fills_calls = await self.runtime.vtiger.saves(ORDERS)
        slots = self.addon_slots if fills_calls else self.slots
        await run_together(self._drain_one(key, slots) for key in keys)

    async def _drain_one(self, key: str, slots: asyncio.Semaphore) -> None:
        async with slots:
            await self.priority.wait()
            await drain(self.runtime, key, owner=uuid4().hex)

    async def finish(self) -> None:
        """Settle the run's open deliveries that are due: those of a worker that died, and those
        that waited for another record. Deliveries postponed for longer are left."""
        give_up_at = monotonic() + FINISH_TIMEOUT_SECONDS
        while True:
            async with self.runtime.sessions() as session:
                keys = await search_open_of_run(
                    session, self.run.id, within_seconds=DUE_WITHIN_SECONDS
                )
            if not keys or monotonic() > give_up_at:
                return
            await self._drain(keys)
            await asyncio.sleep(YIELD_STEP_SECONDS)


def _is_outage(error: Exception) -> bool:
    return isinstance(error, RemoteUnavailable) and not isinstance(error, ResponseUnreadable)


def _is_new(change: Change) -> bool:
    new = not change.paired and change.seen is not None and change.event is Event.CHANGED
    return new and change.record.module in IN_BULK


def _undecided(items: Sequence[Item]) -> list[str]:
    return [item.delivery.record_key for item in items if item.is_undecided]


def _raise_outage(items: Sequence[Item]) -> None:
    """Raise the outage that stopped most of a page: the next page would fail too."""
    failed = [item.error for item in items if item.error is not None and _is_outage(item.error)]
    if len(failed) * 2 > len(items):
        raise failed[0]

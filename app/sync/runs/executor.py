"""Settles what a run brought up, many records at a time, behind live traffic."""

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
from app.modules.dependencies import Dependencies
from app.modules.ports import Bulk, Seen, Side
from app.modules.registry import IN_BULK, BulkOpener, listing_of, narrowed, policy_of
from app.modules.spec import Context
from app.policies.repository import SyncPolicy
from app.runs.models import SyncRun
from app.runtime import Runtime
from app.sync.bulk import BulkChoice, BulkCreation, Item
from app.sync.creation import LinkWriter, takes_key
from app.sync.pipeline import drain, of_bug
from app.sync.sweep import Change, digest_of, is_left_out
from app.sync.work import failed, tell
from app.synclog.repository import NewEntry
from app.tasks import run_together
from app.vtiger.addon import MOST_ITEMS
from app.vtiger.client import ORDERS

log = logging.getLogger(__name__)

GIVE_WAY_STEP = 0.05
GIVE_WAY_S = 1.0
LOOK_AGAIN_S = 0.2
PATIENCE_S = 30.0
IN_BATCHES = 100
"""Creates that are begun together where Vtiger's add-on writes: a page, so that its calls are
full."""
SOON_S = 2.0


@dataclass(slots=True)
class LiveTrafficPriority:
    """Live hints go first; but a shop where something always happens does not stop a run, and hints
    that are left to it are not waited for. One looks for all that are about to write."""

    runtime: Runtime
    looked_at: float = float("-inf")
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def wait(self) -> None:
        async with self.turn:
            await self._wait()

    async def _wait(self) -> None:
        give_up_at = monotonic() + GIVE_WAY_S
        while monotonic() - self.looked_at > LOOK_AGAIN_S:
            async with self.runtime.sessions() as session:
                live = await is_live_delivery_due(session)
            if not live or monotonic() > give_up_at:
                self.looked_at = monotonic()
                return
            await asyncio.sleep(GIVE_WAY_STEP)


@dataclass(frozen=True, slots=True)
class BulkPage:
    """New records of one system, and their hints by id."""

    creation: BulkCreation
    changes: Sequence[Change]
    sides: Sequence[Side]
    hints: Mapping[str, NewDelivery]

    async def store_claimed(self) -> list[Item]:
        """Those that are plainly new. Raises LeaseLost and the RemoteError tree."""
        chosen = await self.creation.choice.choose(self.sides)
        return await self.creation.store_claimed(self.hints, chosen)

    def left(self, items: Sequence[Item]) -> list[Change]:
        """The others, but for those that are none to be brought up, such as drafts, and those
        that cannot have a partner as they are, which the log says already."""
        taken = {item.side.id for item in items}
        sides = {side.id: side for side in self.sides}
        rest = [each for each in self.changes if each.record.id not in taken]
        found = [self._as_read(each, sides.get(each.record.id)) for each in rest]
        return [each for each in found if each is not None]

    def _as_read(self, change: Change, side: Side | None) -> Change | None:
        if side is None:
            return change
        adapter, digest = self.creation.choice.bulk.adapter, digest_of(side, None)
        refused = side.id in self.creation.choice.refused
        hopeless = refused or adapter.creation_objection(side) is not None
        is_told = change.told == digest and hopeless
        out = is_told or is_left_out(adapter, side)
        return None if out else replace(change, digest=digest)


@dataclass(frozen=True, slots=True)
class Turns:
    """Of the pages that are in hand one at a time is read and chosen from, and of one at a time
    twins are made."""

    reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    making: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class RunExecutor:
    """Takes a run's hints in, in hand already, and settles them.

    New records are created together, all others go the single way. Hints that wait for another
    try, or are in other hands, go the way of all hints. Several pages may be in hand: one is read
    while twins are made of the one before. `customers` are the e-mails of the shop's customers,
    once the run has listed them.
    """

    runtime: Runtime
    run: SyncRun
    opener: BulkOpener = field(default_factory=BulkOpener)
    turns: Turns = field(default_factory=Turns)
    customers: frozenset[str] | None = None
    priority: LiveTrafficPriority = field(init=False)
    at_once: asyncio.Semaphore = field(init=False)
    in_calls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_ITEMS))

    def __post_init__(self) -> None:
        self.priority = LiveTrafficPriority(self.runtime)
        self.at_once = asyncio.Semaphore(self.runtime.settings.worker.concurrency)

    @property
    def portion(self) -> int:
        return 4 * self.runtime.settings.worker.concurrency

    async def bring(self, changes: Sequence[Change], policy: SyncPolicy) -> None:
        """Settle these records, at most a page of one system. Raises what stopped the whole page:
        the RemoteError tree."""
        new = [each for each in changes if _is_new(each)]
        left = [each for each in changes if not _is_new(each)]
        items: list[Item] = []
        if new:
            items, untaken = await self._create(new, policy, self.turns)
            left += untaken
        await self._drain(_undecided(items))
        await self._bring_alone(left)
        _raise_outage(items)

    async def _create(
        self, changes: Sequence[Change], policy: SyncPolicy, turns: Turns
    ) -> tuple[list[Item], list[Change]]:
        """What was created together, and what is left to the single way."""
        async with self._hold() as lease, self._hold() as names:
            try:
                async with turns.reading:
                    page = await self._open(changes, policy, (lease, names), turns)
                    items = await page.store_claimed()
            except (LeaseLost, DependencyNotReady, RemoteError) as error:
                if _is_outage(error):
                    raise
                return [], list(changes)  # one of them spoilt it for all
            with contextlib.suppress(LeaseLost):  # in hand still, and found by `finish`
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
        turns: Turns,
    ) -> BulkPage:
        """The page's records, read whole; one that cannot be read is left to the single way,
        where it fails alone."""
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
        await self._bring_first(bulk, seen)
        await bulk.foresee(seen)
        reads = await listing_of(context, bulk.adapter).complete(seen)
        sides = [read for read in reads if isinstance(read, Side)]
        choice = BulkChoice(self.runtime, store, policy, bulk, lease)
        keeper = LinkWriter(self.runtime.sessions, lease)
        keyed = await takes_key(self.runtime, changes[0].record.system.other, module)
        creation = BulkCreation(
            choice,
            keeper,
            self.priority.wait,
            turns.making,
            names,
            asyncio.Semaphore(IN_BATCHES) if keyed else self.at_once,
            IN_BATCHES if keyed else self.portion,
            keyed,
        )
        return BulkPage(creation, changes, sides, {c.record.id: self._hint(c) for c in changes})

    async def _bring_first(self, bulk: Bulk, seen: Sequence[Seen]) -> None:
        """The new people whom these records need, together; any other is brought, as ever, by the
        record that needs it."""
        store, module = self.run.store, Module.CONTACTS
        policy = await policy_of(self.runtime, store, module)
        policy = narrowed(policy, Direction(self.run.direction))
        if not policy.enabled or not policy.direction.allows(System.VTIGER):
            return
        people = {
            Record(store, each.system, module, each.id): each
            for each in await bulk.search_first(seen)
        }
        async with self.runtime.sessions() as session:
            keys = [record.key for record in people]
            known = await search_hinted(session, self.run.id, keys) if keys else set()
        new = [
            Change(record, paired=False, seen=each)
            for record, each in people.items()
            if record.key not in known
        ]
        if new:
            items, _ = await self._create(new, policy, Turns())
            await self._drain(_undecided(items))
            _raise_outage(items)

    async def _bring_alone(self, changes: Sequence[Change]) -> None:
        """A few at a time: what waits in hand for long is taken for stranded."""
        size = max(self.portion, MOST_ITEMS)
        for start in range(0, len(changes), size):
            part = changes[start : start + size]
            for change, error in await store_rows(part, self._take_in):
                await self._tell_refused(change, error)
            await self._drain([change.record.key for change in part])

    async def _take_in(self, changes: Sequence[Change]) -> None:
        async with transaction(self.runtime.sessions) as session:
            await store_claimed(session, [self._hint(change) for change in changes], attempts=0)
            await save_sightings(session, {change.record.key: change.digest for change in changes})

    async def _tell_refused(self, change: Change, error: Exception) -> None:
        """A record of which not even a hint can be stored fails alone."""
        record = change.record
        log.error("the hint of %s cannot be stored", record.key, exc_info=error)
        result = failed(record.system.other, record.id, WooVtigerError(of_bug(error)))
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
            await tell(session, entry, [])

    def _hint(self, change: Change) -> NewDelivery:
        key = run_key(change.record, self.run.id)
        return NewDelivery(change.record, Origin.MANUAL, change.event, key, run_id=self.run.id)

    async def _drain(self, keys: Sequence[str]) -> None:
        """As many at a time as fill a call of Vtiger's add-on, where that writes."""
        fills_calls = False
        with contextlib.suppress(RemoteError):  # each record finds out for itself
            fills_calls = await self.runtime.vtiger.saves(ORDERS)
        turns = self.in_calls if fills_calls else self.at_once
        await run_together(self._drain_one(key, turns) for key in keys)

    async def _drain_one(self, key: str, turns: asyncio.Semaphore) -> None:
        async with turns:
            await self.priority.wait()
            await drain(self.runtime, key, owner=uuid4().hex)

    async def finish(self) -> None:
        """Settle what a worker that died had in hand, and what had to wait for another of the
        run; what is to be tried later stays."""
        give_up_at = monotonic() + PATIENCE_S
        while True:
            async with self.runtime.sessions() as session:
                keys = await search_open_of_run(session, self.run.id, within_seconds=SOON_S)
            if not keys or monotonic() > give_up_at:
                return
            await self._drain(keys)
            await asyncio.sleep(GIVE_WAY_STEP)


def _is_outage(error: Exception) -> bool:
    return isinstance(error, RemoteUnavailable) and not isinstance(error, ResponseUnreadable)


def _is_new(change: Change) -> bool:
    new = not change.paired and change.seen is not None and change.event is Event.CHANGED
    return new and change.record.module in IN_BULK


def _undecided(items: Sequence[Item]) -> list[str]:
    return [item.delivery.record_key for item in items if item.is_undecided]


def _raise_outage(items: Sequence[Item]) -> None:
    """Where most of a page could not be written, the next one would fare no better."""
    failed = [item.error for item in items if item.error is not None and _is_outage(item.error)]
    if len(failed) * 2 > len(items):
        raise failed[0]

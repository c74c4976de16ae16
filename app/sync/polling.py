"""Catch-up polls: hint the changes that no webhook or callback reported.

The first poll of a module records a baseline and hints nothing: existing records are synced by
`woo-vtiger sync` only. Later polls hint a record without a link only if it changed after the
baseline. Changes that leave no time stamp (a product or an order deleted permanently, a refund
removed) are found by a full pass, once a day and whenever webhooks were found broken."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from app.db.session import OUTAGES, Session, transaction
from app.domain import (
    DeletePolicy,
    DependencyNotReady,
    Event,
    LeaseLost,
    Module,
    RateLimited,
    Rejected,
    RemoteError,
    RemotePaused,
    System,
)
from app.http.client import Verdict, calling_for, judge
from app.links.leases import PairLease, acquire_turn
from app.links.models import OutboxMark
from app.links.repository import (
    delete_outbox_mark,
    find_addon_absence,
    find_baseline,
    find_lowest_sequence,
    find_outbox_mark,
    find_watermark,
    is_pass_due,
    save_addon_absence,
    save_baseline,
    save_outbox_mark,
    save_pass,
    save_watermark,
)
from app.module_facts import FACTS, IN_ORDER
from app.modules.context import Context, policy_of
from app.modules.dependencies import retry_missing
from app.modules.ports import PAGE, ListedRecord, Listing, pages
from app.modules.registry import SPECS
from app.policies.repository import SyncPolicy
from app.remotes.incidents import Trouble, report, report_resolved
from app.remotes.models import IncidentKind
from app.runtime import Runtime
from app.sync.sweep import OVERLAP, Sweep
from app.vtiger.addon import AddonFacts, OutboxChange, OutboxPage
from app.vtiger.query import one_of

log = logging.getLogger(__name__)

# Polls of Vtiger by the add-on's outbox, which is read once for all modules.
#
# Changed records are read and compared as in any sweep; deletions are found without a full pass.
# Once a day, and whenever the outbox is incomplete (another installation, rows that were dropped
# before they were read, too many rows), a poll does not use it.

ABSENCE_RECHECK = timedelta(minutes=15)
FULL_POLL_INTERVAL = timedelta(days=1)
GAP_WINDOW = timedelta(minutes=2)
MAX_CHANGES = 10_000


@dataclass(frozen=True, slots=True)
class Outbox:
    """The rows after sequence `since`; `whole` is False if they could not all be read."""

    facts: AddonFacts
    since: int
    changes: Sequence[OutboxChange]
    whole: bool

    def covers(self, module: Module) -> bool:
        """Whether it records all changes of the module and its parents, such as Accounts."""
        facts = FACTS[module]
        return {facts.vtiger_name, *facts.vtiger_parents} <= self.facts.modules

    def reaches(self, mark: OutboxMark, now: datetime) -> bool:
        """Whether the rows read contain every change since the mark."""
        return (
            self.whole
            and mark.installation == self.facts.installation
            and self.since <= mark.sequence <= self.facts.newest
            and self.facts.oldest <= mark.sequence + 1
            and now - mark.looked_at < FULL_POLL_INTERVAL
        )

    def settled(self, sequence: int) -> int:
        """The sequence to continue from: gaps among recent numbers may still be filled."""
        for change in self.changes:
            if self.facts.now - change.created_at < GAP_WINDOW:
                break
            sequence = max(sequence, change.sequence)
        return sequence


@dataclass(slots=True)
class OutboxReader:
    """Reads the outbox on first use and caches it for one poll."""

    runtime: Runtime
    _asked: bool = False
    _found: Outbox | None = None

    async def find(self) -> Outbox | None:
        """The outbox; None if it is not available and polls have to query."""
        if not self._asked:
            self._asked, self._found = True, await _open_outbox(self.runtime)
        return self._found


async def _open_outbox(runtime: Runtime) -> Outbox | None:
    """Read the outbox; if it was absent, only after ABSENCE_RECHECK again."""
    now = runtime.clock()
    async with runtime.sessions() as session:
        absent_at = await find_addon_absence(session)
        since = await find_lowest_sequence(session, now - FULL_POLL_INTERVAL)
    if absent_at is not None and timedelta() <= now - absent_at < ABSENCE_RECHECK:
        return None
    try:
        return await _read_outbox(runtime, since)
    except Rejected as error:
        log.warning("Vtiger's add-on cannot be read, so polls query instead: %s", error.summary)
        await _record_absence(runtime)
    except RemoteError as error:
        log.warning("Vtiger's add-on could not be read this time: %s", error.summary)
    return None


async def _read_outbox(runtime: Runtime, since: int | None) -> Outbox | None:
    """Read the rows after `since`; without a mark only the state of the outbox."""
    page = await runtime.vtiger.find_changes(since or 0, *((1,) if since is None else ()))
    if page is None:
        await _record_absence(runtime)
        return None
    changes = list(page.changes)
    first: OutboxPage = page
    while since is not None and page.more and len(changes) < MAX_CHANGES:
        following = await runtime.vtiger.find_changes(page.last)
        if following is None or following.facts.installation != first.facts.installation:
            return Outbox(first.facts, since, (), whole=False)
        page = following
        changes += page.changes
    return Outbox(first.facts, since or 0, changes, whole=since is not None and not page.more)


async def _record_absence(runtime: Runtime) -> None:
    async with transaction(runtime.sessions) as session:
        await save_addon_absence(session, runtime.clock())


@dataclass(frozen=True, slots=True)
class OutboxPoll:
    """One poll of one module's records in Vtiger by the outbox."""

    runtime: Runtime
    sweep: Sweep
    outbox: Outbox
    mark: OutboxMark
    lease: PairLease

    async def run(self) -> int:
        """Poll once; returns the number of hints. Raises LeaseLost and the RemoteError tree."""
        events = self._latest_events(FACTS[self.sweep.module].vtiger_name)
        gone = [record_id for record_id, event in events.items() if event is Event.DELETED]
        present = [record_id for record_id in events if record_id not in gone]
        hints = 0
        for ids in _batches([*present, *await self._find_children(set(events))]):
            hints += await self._compare(ids)
        hints += await self.sweep.hint(await self.sweep.reported_deleted(System.VTIGER, gone))
        await self._save_progress()
        return hints

    async def _save_progress(self) -> None:
        """Save the mark, and the watermark for polls without the outbox and for monitoring.

        All changes up to the add-on's own sweep of the previous poll have been read by now.
        """
        sequence = self.outbox.settled(self.mark.sequence)
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            swept_to = await find_watermark(session, _swept_key(self.mark.key))
            reached_at = await find_watermark(session, self.mark.key)
            if reached_at is not None:
                await save_watermark(
                    session, self.mark.key, max(swept_to or reached_at, reached_at)
                )
            await _save_swept(session, self.mark.key, self.outbox.facts)
            await save_outbox_mark(session, _advanced(self.mark, sequence))

    def _latest_events(self, name: str) -> dict[str, Event]:
        """The latest event of each record of a Vtiger module since the mark."""
        return {
            change.record_id: change.event
            for change in self.outbox.changes
            if change.module == name and change.sequence > self.mark.sequence and change.record_id
        }

    async def _find_children(self, known: set[str]) -> list[str]:
        """Ids of records whose parent changed: their own modification time does not show it."""
        facts = FACTS[self.sweep.module]
        found: dict[str, None] = {}
        for parent, field in facts.vtiger_parents.items():
            for ids in _batches(list(self._latest_events(parent))):
                found_there = self.runtime.vtiger.search(
                    facts.vtiger_name, (one_of(field, ids),), columns=("id",)
                )
                async for record in found_there:
                    found[record.id] = None
        return [record_id for record_id in found if record_id not in known]

    async def _compare(self, ids: Sequence[str]) -> int:
        module = self.sweep.module
        columns = SPECS[module].vtiger_columns
        where = (one_of("id", ids),)
        found = self.runtime.vtiger.search(FACTS[module].vtiger_name, where, columns=columns)
        hints = 0
        async for page in pages(found):
            seen = [ListedRecord(System.VTIGER, record.id, record) for record in page]
            hints += await self.sweep.hint_changes(seen)
        return hints


async def find_outbox_poll(
    runtime: Runtime, sweep: Sweep, outbox: Outbox | None, key: str, *, lease: PairLease
) -> OutboxPoll | None:
    """The poll by the outbox; None if the module has to be polled by time."""
    if outbox is None or not outbox.covers(sweep.module):
        return None
    async with runtime.sessions() as session:
        mark = await find_outbox_mark(session, key)
    if mark is None or not outbox.reaches(mark, runtime.clock()):
        return None
    return OutboxPoll(runtime, sweep, outbox, mark, lease)


async def save_mark(
    runtime: Runtime, module: Module, outbox: Outbox | None, key: str, *, lease: PairLease
) -> None:
    """Save the sequence from which the next poll can use the outbox, after a poll by time.

    The outbox was read before that poll began, so the poll has found all changes in it.
    """
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        if outbox is None or not outbox.covers(module):
            await delete_outbox_mark(session, key)
            return
        facts = outbox.facts
        mark = OutboxMark(
            key=key,
            installation=facts.installation,
            sequence=facts.newest,
            looked_at=runtime.clock(),
        )
        await save_outbox_mark(session, mark)
        await _save_swept(session, key, facts)


async def _save_swept(session: Session, key: str, facts: AddonFacts) -> None:
    if facts.swept_to is not None:
        await save_watermark(session, _swept_key(key), facts.swept_to)


def _swept_key(key: str) -> str:
    return f"{key}:swept"


def _advanced(mark: OutboxMark, sequence: int) -> OutboxMark:
    return OutboxMark(
        key=mark.key,
        installation=mark.installation,
        sequence=sequence,
        looked_at=mark.looked_at,
    )


def _batches(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]


# Polls of all modules, by the records' times where there is no outbox.

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

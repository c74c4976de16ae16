"""Polls of Vtiger by the add-on's outbox, which is read once for all modules.

Changed records are read and compared as in any sweep; deletions are found without a full pass."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.db.session import Session, transaction
from app.domain import Event, Module, Rejected, RemoteError, System
from app.links.leases import PairLease
from app.links.models import OutboxMark
from app.links.repository import (
    delete_outbox_mark,
    find_addon_absence,
    find_lowest_sequence,
    find_outbox_mark,
    find_watermark,
    save_addon_absence,
    save_outbox_mark,
    save_watermark,
)
from app.module_facts import FACTS
from app.modules.ports import PAGE, ListedRecord, pages
from app.modules.registry import SPECS
from app.runtime import Runtime
from app.sync.sweep import Sweep
from app.vtiger.addon import AddonFacts, OutboxChange, OutboxPage
from app.vtiger.query import one_of

# Reading the outbox.
#
# Once a day, and whenever the outbox is incomplete (another installation, rows that were dropped
# before they were read, too many rows), a poll does not use it.

log = logging.getLogger(__name__)

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
            self._asked, self._found = True, await _open(self.runtime)
        return self._found


async def _open(runtime: Runtime) -> Outbox | None:
    """Read the outbox; if it was absent, only after ABSENCE_RECHECK again."""
    now = runtime.clock()
    async with runtime.sessions() as session:
        absent_at = await find_addon_absence(session)
        since = await find_lowest_sequence(session, now - FULL_POLL_INTERVAL)
    if absent_at is not None and timedelta() <= now - absent_at < ABSENCE_RECHECK:
        return None
    try:
        return await _read(runtime, since)
    except Rejected as error:
        log.warning("Vtiger's add-on cannot be read, so polls query instead: %s", error.summary)
        await _record_absence(runtime)
    except RemoteError as error:
        log.warning("Vtiger's add-on could not be read this time: %s", error.summary)
    return None


async def _read(runtime: Runtime, since: int | None) -> Outbox | None:
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

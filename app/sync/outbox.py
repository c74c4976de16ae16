"""The Vtiger add-on's outbox: read once per poll, and a look at Vtiger's records by what it
lists.

Changed records are read and compared as by any look, and deletions come without a pass over
everything."""

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
from app.modules.ports import PAGE, Seen, pages
from app.modules.registry import SPECS
from app.runtime import Runtime
from app.sync.sweep import Sweep
from app.vtiger.addon import AddonFacts, OutboxChange, OutboxPage
from app.vtiger.query import one_of

# The Vtiger add-on's outbox as one poll reads it, for all looks at once.
#
# Once a day, and whenever the outbox cannot tell all (another installation, rows that were dropped
# before they were read, too many of them), a look goes without it.

log = logging.getLogger(__name__)

ASK_AGAIN = timedelta(minutes=15)
LOOK_WITHOUT = timedelta(days=1)
SETTLED = timedelta(minutes=2)
MOST_CHANGES = 10_000


@dataclass(frozen=True, slots=True)
class Outbox:
    """What was read of it after `since`; `whole` is False where there was more than is worth it."""

    facts: AddonFacts
    since: int
    changes: Sequence[OutboxChange]
    whole: bool

    def covers(self, module: Module) -> bool:
        """Whether it tells all changes of the module; a contact changes with its Account too."""
        facts = FACTS[module]
        return {facts.vtiger_name, *facts.vtiger_parents} <= self.facts.modules

    def reaches(self, mark: OutboxMark, now: datetime) -> bool:
        """Whether nothing happened between the mark and what was read but what is in it."""
        return (
            self.whole
            and mark.installation == self.facts.installation
            and self.since <= mark.sequence <= self.facts.newest
            and self.facts.oldest <= mark.sequence + 1
            and now - mark.looked_at < LOOK_WITHOUT
        )

    def settled(self, sequence: int) -> int:
        """Up to where to go on: numbers of young rows may have gaps that still fill."""
        for change in self.changes:
            if self.facts.now - change.created_at < SETTLED:
                break
            sequence = max(sequence, change.sequence)
        return sequence


@dataclass(slots=True)
class OutboxReader:
    """Reads it when the first look of a poll asks, once for all looks."""

    runtime: Runtime
    _asked: bool = False
    _found: Outbox | None = None

    async def find(self) -> Outbox | None:
        """None where polls have to query."""
        if not self._asked:
            self._asked, self._found = True, await _open(self.runtime)
        return self._found


async def _open(runtime: Runtime) -> Outbox | None:
    """One that was absent is not asked for again for a while."""
    now = runtime.clock()
    async with runtime.sessions() as session:
        absent_at = await find_addon_absence(session)
        since = await find_lowest_sequence(session, now - LOOK_WITHOUT)
    if absent_at is not None and timedelta() <= now - absent_at < ASK_AGAIN:
        return None
    try:
        return await _read(runtime, since)
    except Rejected as error:
        log.warning("Vtiger's add-on cannot be read, so polls query instead: %s", error.summary)
        await _keep_absent(runtime)
    except RemoteError as error:
        log.warning("Vtiger's add-on could not be read this time: %s", error.summary)
    return None


async def _read(runtime: Runtime, since: int | None) -> Outbox | None:
    """Without any mark only how it fares."""
    page = await runtime.vtiger.find_changes(since or 0, *((1,) if since is None else ()))
    if page is None:
        await _keep_absent(runtime)
        return None
    changes = list(page.changes)
    first: OutboxPage = page
    while since is not None and page.more and len(changes) < MOST_CHANGES:
        following = await runtime.vtiger.find_changes(page.last)
        if following is None or following.facts.installation != first.facts.installation:
            return Outbox(first.facts, since, (), whole=False)
        page = following
        changes += page.changes
    return Outbox(first.facts, since or 0, changes, whole=since is not None and not page.more)


async def _keep_absent(runtime: Runtime) -> None:
    async with transaction(runtime.sessions) as session:
        await save_addon_absence(session, runtime.clock())


@dataclass(frozen=True, slots=True)
class OutboxLook:
    """One look at one module's records in Vtiger by what the outbox tells."""

    runtime: Runtime
    sweep: Sweep
    outbox: Outbox
    mark: OutboxMark
    lease: PairLease

    async def run(self) -> int:
        """How many hints that gave. Raises LeaseLost and the RemoteError tree."""
        told = self._told(FACTS[self.sweep.module].vtiger_name)
        gone = [record_id for record_id, event in told.items() if event is Event.DELETED]
        living = [record_id for record_id in told if record_id not in gone]
        hints = 0
        for ids in _groups([*living, *await self._of_parents(set(told))]):
            hints += await self._compare(ids)
        hints += await self.sweep.bring_up(await self.sweep.reported_deleted(System.VTIGER, gone))
        await self._keep()
        return hints

    async def _keep(self) -> None:
        """Times go along, for looks without and for those who watch: up to where Vtiger's own sweep
        was at the look before, everything has been read by now."""
        sequence = self.outbox.settled(self.mark.sequence)
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            swept_to = await find_watermark(session, _swept_key(self.mark.key))
            reached_at = await find_watermark(session, self.mark.key)
            if reached_at is not None:
                await save_watermark(
                    session, self.mark.key, max(swept_to or reached_at, reached_at)
                )
            await _keep_swept(session, self.mark.key, self.outbox.facts)
            await save_outbox_mark(session, _moved(self.mark, sequence))

    def _told(self, name: str) -> dict[str, Event]:
        """The last that happened to each record."""
        return {
            change.record_id: change.event
            for change in self.outbox.changes
            if change.module == name and change.sequence > self.mark.sequence and change.record_id
        }

    async def _of_parents(self, known: set[str]) -> list[str]:
        """A company that was renamed changes its contacts, whose own time stays as it was."""
        facts = FACTS[self.sweep.module]
        found: dict[str, None] = {}
        for parent, field in facts.vtiger_parents.items():
            for ids in _groups(list(self._told(parent))):
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
            seen = [Seen(System.VTIGER, record.id, record) for record in page]
            hints += await self.sweep.differences(seen)
        return hints


async def find_outbox_look(
    runtime: Runtime, sweep: Sweep, outbox: Outbox | None, key: str, *, lease: PairLease
) -> OutboxLook | None:
    """None where the look has to go without."""
    if outbox is None or not outbox.covers(sweep.module):
        return None
    async with runtime.sessions() as session:
        mark = await find_outbox_mark(session, key)
    if mark is None or not outbox.reaches(mark, runtime.clock()):
        return None
    return OutboxLook(runtime, sweep, outbox, mark, lease)


async def keep_mark(
    runtime: Runtime, module: Module, outbox: Outbox | None, key: str, *, lease: PairLease
) -> None:
    """After a look without: from which sequence on the next look can go by the outbox.

    The outbox was read before that look began, so all that is in it was there to be seen.
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
        await _keep_swept(session, key, facts)


async def _keep_swept(session: Session, key: str, facts: AddonFacts) -> None:
    if facts.swept_to is not None:
        await save_watermark(session, _swept_key(key), facts.swept_to)


def _swept_key(key: str) -> str:
    return f"{key}:swept"


def _moved(mark: OutboxMark, sequence: int) -> OutboxMark:
    return OutboxMark(
        key=mark.key,
        installation=mark.installation,
        sequence=sequence,
        looked_at=mark.looked_at,
    )


def _groups(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]

"""One look at Vtiger's records by what the add-on's outbox tells: a shorter way to the same hints.

Changed records are read and compared as by any look, and deletions come without a pass over
everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db.session import Session, transaction
from app.errors import System
from app.links.leases import PairLease
from app.links.models import OutboxMark
from app.links.outbox_marks import find_outbox_mark, forget_outbox_mark, save_outbox_mark
from app.links.repository import find_watermark, save_watermark
from app.module_facts import FACTS
from app.records import Event, Module
from app.runtime import Runtime
from app.sync.listing import PAGE, Seen, pages
from app.sync.outbox import Outbox
from app.sync.registry import SPECS
from app.sync.sweep import Sweep
from app.vtiger.addon import AddonFacts
from app.vtiger.query import one_of


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
        hints += await self.sweep.bring_up(await self.sweep.told_gone(System.VTIGER, gone))
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
            await forget_outbox_mark(session, key)
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

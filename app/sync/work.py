"""One drain's work on one record, and the way its results are written down."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from app.db.session import Session, transaction
from app.errors import System
from app.inbox.models import Delivery, DeliveryState
from app.inbox.repository import settle
from app.links.conflicts import Report, note, search_unsettled
from app.links.leases import PairLease
from app.links.models import FieldConflict, Intent, Link
from app.links.repository import close_intent, find_intent, save_link
from app.policies.schemas import SyncPolicy
from app.records import Event, Origin, Outcome, Record
from app.runtime import Runtime
from app.sync.hold import with_partner
from app.sync.outcome import Result, describe_notes
from app.sync.owed import bring_up_for
from app.sync.sides import Adapter, Side
from app.sync.telling import tell
from app.synclog.repository import NewEntry

LANDED = "Found what a broken call had done."


@dataclass(frozen=True, slots=True)
class Ending:
    """A result that settles the hint, with the pair's new state, and what became of conflicts."""

    result: Result
    link: Link | None = None
    conflicts: Report | None = None


def with_notes(ending: Ending, side: Side) -> Ending:
    """The ending, with what was left out of a side when it was read."""
    if not side.notes:
        return ending
    notes = [*ending.result.notes, *describe_notes(side.notes)]
    return replace(ending, result=replace(ending.result, notes=notes))


@dataclass(slots=True)
class Work:
    """What the steps of one drain share. `unsettled` are the pair's conflicts that wait for a
    person or for being written; `entry_id` is the first row written for its hints."""

    runtime: Runtime
    adapter: Adapter
    policy: SyncPolicy
    record: Record
    deliveries: Sequence[Delivery]
    lease: PairLease
    unsettled: Sequence[FieldConflict] = ()
    started: float = field(default_factory=monotonic)
    entry_id: int | None = None
    has_told_creation: bool = False

    @property
    def target(self) -> System:
        return self.record.system.other

    @property
    def event(self) -> Event:
        return Event(self.deliveries[-1].event)

    @property
    def is_retried(self) -> bool:
        """An earlier try at these hints broke off, or its worker died."""
        return any(delivery.attempts > 1 for delivery in self.deliveries)

    @property
    def is_needed(self) -> bool:
        """Another record, such as an order, asks for this one."""
        return is_needed(self.deliveries)

    def may_write(self, system: System) -> bool:
        return self.policy.direction.allows(system)

    async def was_started(self) -> bool:
        """Whether an earlier try was about to create the twin and never told how that ended."""
        return await self.find_begun() is not None

    async def find_begun(self) -> tuple[Intent, float] | None:
        """What such a try wrote down, and how many seconds ago."""
        async with self.runtime.sessions() as session:
            return await find_intent(session, self.record)

    async def read_conflicts(self, link: Link) -> None:
        async with self.runtime.sessions() as session:
            self.unsettled = await search_unsettled(session, link.id)

    async def keep(self, link: Link, result: Result | None = None) -> Link:
        """Write a step down at once: what a crash must not forget. An intent stays open until
        the log tells that the twin was created."""
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            kept = await save_link(session, link)
            if result is not None:
                await self._append(session, result, kept)
            await bring_up_for(session, [kept])
        return kept

    async def finish(self, ending: Ending) -> None:
        """One transaction: pair, log row, and the hints settled by it."""
        dead = ending.result.outcome is Outcome.FAILED
        state = DeliveryState.DEAD if dead else DeliveryState.DONE
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            link = await save_link(session, ending.link) if ending.link is not None else None
            if link is not None:
                await self._tell_creation(session, ending.result, link)
            if link is not None and ending.conflicts is not None:
                await note(session, link, ending.conflicts)
            entry_id = await self._append(session, ending.result, link)
            ids, ended = self._delivery_ids, self._ended(link)
            await settle(session, ids, entry_id, state=state, ended=ended)

    def _ended(self, link: Link | None) -> set[str]:
        """The keys of the records that are settled: both of the pair, as hints name them."""
        records = with_partner(self.record, link)
        return {*(each.record_key for each in self.deliveries), *(each.key for each in records)}

    async def _tell_creation(self, session: Session, result: Result, link: Link) -> None:
        """A twin that an earlier try made is told as created, though this hint ends otherwise."""
        told = self.has_told_creation or self._tells_creation(result)
        if told or await find_intent(session, self.record) is None:
            return
        twin_id = link.side(self.target).id
        made = Result(self.target, Outcome.CREATED, self.record.id, twin_id, link.id)
        await self._append(session, replace(made, label=result.label, message=LANDED), link)

    def _tells_creation(self, result: Result) -> bool:
        return result.outcome is Outcome.CREATED and result.target is self.target

    @property
    def _delivery_ids(self) -> list[int]:
        return [delivery.id for delivery in self.deliveries]

    async def _append(self, session: Session, result: Result, link: Link | None) -> int:
        entry_id = await tell(
            session,
            entry_of(self.record, self.deliveries, result, link, self.started),
            self._delivery_ids,
        )
        if self._tells_creation(result):
            self.has_told_creation = True
            await close_intent(session, self.record)
        self.entry_id = self.entry_id or entry_id
        return self.entry_id


def is_needed(deliveries: Sequence[Delivery]) -> bool:
    """Whether another record asks for the one that these hints are about."""
    return any(delivery.origin == Origin.DEPENDENCY for delivery in deliveries)


def entry_of(
    record: Record,
    deliveries: Sequence[Delivery],
    result: Result,
    link: Link | None,
    started: float,
) -> NewEntry:
    target_id = link.side(result.target).id if link is not None else None
    return NewEntry(
        store=record.store,
        module=record.module,
        target=result.target,
        source_id=result.source_id,
        target_id=result.target_id or target_id,
        link_id=link.id if link is not None else result.link_id,
        event=Event(deliveries[-1].event),
        outcome=result.outcome,
        reason=result.reason,
        message=result.message,
        attempts=max(delivery.attempts for delivery in deliveries),
        duration_ms=round((monotonic() - started) * 1000),
        run_id=deliveries[-1].run_id,
        label=result.label,
        changes=result.changes,
        notes=result.notes,
        conflicts=result.conflicts,
    )

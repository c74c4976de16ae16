"""One drain's work on one record: its results, the row of the log, ids written into both
records."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from app.db.session import Session, transaction
from app.domain import (
    DeliveryState,
    Event,
    Module,
    Origin,
    Outcome,
    Record,
    System,
    WooVtigerError,
    key_in_logs,
)
from app.inbox.models import Delivery
from app.inbox.repository import NewDelivery, external_id_key, member_key, settle
from app.links.conflicts import Report, note, search_unsettled
from app.links.leases import PairLease
from app.links.models import FieldConflict, Intent, Link
from app.links.repository import close_intent, find_intent, save_link, search_links
from app.mapping.rules import holds, read_base
from app.mapping.values import FieldNote, Value
from app.module_facts import FACTS
from app.modules.dependencies import Dependencies, hint_waiting_for
from app.modules.ports import Adapter, Side, Skip, stamp_written, with_partner
from app.modules.registry import (
    MODULE_OFF,
    NO_MODULE,
    NO_STORE,
    _policy_for,
    open_adapter,
    policy_of,
)
from app.modules.spec import Context
from app.observability import OUTCOMES, SYNC_SECONDS
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.sync.merge import Conflict
from app.synclog.repository import NewEntry, append, append_each

# A row of the Sync Log is told three times: in the table, in the metrics, and as a log line.

log = logging.getLogger(__name__)


async def tell(session: Session, entry: NewEntry, delivery_ids: Sequence[int]) -> int:
    """The id of the row, written in the session's transaction."""
    entry_id = await append(session, entry, delivery_ids)
    _say(entry, entry_id)
    return entry_id


async def record_outcomes(
    session: Session, entries: Sequence[tuple[NewEntry, Sequence[int]]]
) -> list[int]:
    """The same of many rows at once, each with its deliveries."""
    ids = await append_each(session, entries)
    for (entry, _), entry_id in zip(entries, ids, strict=True):
        _say(entry, entry_id)
    return ids


def _say(entry: NewEntry, entry_id: int) -> None:
    module = entry.module or ""
    OUTCOMES.labels(entry.store, module, entry.target, entry.outcome, entry.reason or "").inc()
    SYNC_SECONDS.labels(module).observe(entry.duration_ms / 1000)
    log.info("%s in %s", entry.outcome, entry.target.label, extra=_fields(entry, entry_id))


def _fields(entry: NewEntry, entry_id: int) -> dict[str, object]:
    record = Record(entry.store, entry.target.other, entry.module, entry.source_id)
    told = {
        "sync_log": entry_id,
        "record": key_in_logs(record.key),
        "target_id": entry.target_id and key_in_logs(entry.target_id),
        "reason": entry.reason,
    }
    return {name: value for name, value in told.items() if value is not None}


# How a hint ended, as values; the pipeline turns each into one row of the sync log.


@dataclass(frozen=True, slots=True)
class Result:
    """One outcome. `target` is the system that was, or would have been, written to."""

    target: System
    outcome: Outcome
    source_id: str
    target_id: str | None = None
    link_id: int | None = None
    reason: str | None = None
    message: str = ""
    label: str = ""
    changes: Sequence[Mapping[str, Any]] = field(default=())
    notes: Sequence[Mapping[str, Any]] = field(default=())
    conflicts: Sequence[Mapping[str, Any]] = field(default=())


def skipped(target: System, source_id: str, skip: Skip, *, label: str = "") -> Result:
    return Result(
        target=target,
        outcome=Outcome.SKIPPED,
        source_id=source_id,
        reason=skip.reason,
        message=skip.message,
        label=label,
    )


def failed(target: System, source_id: str, error: WooVtigerError) -> Result:
    return Result(
        target=target,
        outcome=Outcome.FAILED,
        source_id=source_id,
        reason=error.reason,
        message=str(error),
    )


def given_up(target: System, source_id: str, error: WooVtigerError, *, attempts: int) -> Result:
    """What was worth trying again, but for too long."""
    return replace(
        failed(target, source_id, error),
        reason="attempts_exhausted",
        message=f"Given up after {attempts} tries; the last ended as {error.reason}: {error}",
    )


HEADLINES = (
    "needs_addon",
    "conflict_lost",
    "missing_reference",
    "unknown_product",
    "total_differs",
)
"""Reasons of notes that a reader of the log has to see without opening the row, worst first."""


def with_headline(result: Result, notes: Sequence[FieldNote]) -> Result:
    """The result with the gravest of its notes as its reason, unless it has one."""
    graves = [note for reason in HEADLINES for note in notes if note.reason == reason]
    if result.reason or not graves:
        return result
    message = result.message or f"{graves[0].field}: {graves[0].message}"
    return replace(result, reason=graves[0].reason, message=message)


def describe_changes(
    before: Side | None, changes: Mapping[str, Value], source: System
) -> list[dict[str, Any]]:
    """Old and new value of each field that went to the target, and the side it came from."""
    old = before.values.values if before else {}
    return [describe_change(name, old.get(name), new, source) for name, new in changes.items()]


def describe_change(name: str, old: Value, new: Value, source: System) -> dict[str, Any]:
    return {"field": name, "old": old, "new": new, "source": source}


def describe_notes(notes: Sequence[FieldNote]) -> list[dict[str, Any]]:
    return [
        {"field": note.field, "reason": note.reason, "message": note.message, "value": note.value}
        for note in notes
    ]


def describe_conflicts(conflicts: Sequence[Conflict]) -> list[dict[str, Any]]:
    return [
        {
            "field": conflict.field,
            "woocommerce": conflict.woo,
            "vtiger": conflict.vtiger,
            "winner": conflict.winner,
        }
        for conflict in conflicts
    ]


RECOVERED = "Recovered a write whose response was lost."


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
            await hint_waiting_for(session, [kept])
        return kept

    async def finish(self, ending: Ending) -> None:
        """One transaction: pair, log row, and the hints settled by it."""
        dead = ending.result.outcome is Outcome.FAILED
        state = DeliveryState.DEAD if dead else DeliveryState.DONE
        async with transaction(self.runtime.sessions) as session:
            await self.lease.confirm(session)
            link = await save_link(session, ending.link) if ending.link is not None else None
            if link is not None:
                await self._created_entry(session, ending.result, link)
            if link is not None and ending.conflicts is not None:
                await note(session, link, ending.conflicts)
            entry_id = await self._append(session, ending.result, link)
            ids, ended = self._delivery_ids, self._ended(link)
            await settle(session, ids, entry_id, state=state, ended=ended)

    def _ended(self, link: Link | None) -> set[str]:
        """The keys of the records that are settled: both of the pair, as hints name them."""
        records = with_partner(self.record, link)
        return {*(each.record_key for each in self.deliveries), *(each.key for each in records)}

    async def _created_entry(self, session: Session, result: Result, link: Link) -> None:
        """A twin that an earlier try made is told as created, though this hint ends otherwise."""
        told = self.has_told_creation or self._tells_creation(result)
        if told or await find_intent(session, self.record) is None:
            return
        twin_id = link.side(self.target).id
        made = Result(self.target, Outcome.CREATED, self.record.id, twin_id, link.id)
        await self._append(session, replace(made, label=result.label, message=RECOVERED), link)

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


async def find_objection(runtime: Runtime, record: Record) -> Skip | None:
    """Why the record is not looked at, if so; told without calling anyone."""
    if record.store not in runtime.stores:
        return Skip("filtered", NO_STORE.format(store=record.store))
    if record.module is None:
        return Skip("filtered", NO_MODULE.format(kind=record.kind))
    policy = await policy_of(runtime, record.store, record.module)
    if not policy.enabled:
        return Skip("module_off", MODULE_OFF.format(module=record.module, store=record.store))
    return None


async def resolve(runtime: Runtime, record: Record) -> Record:
    """A Vtiger record may be told by its bare or its record number: the id it means.

    NotFound if there is no such record (contract page Vtiger §5).
    """
    if record.system is not System.VTIGER or record.module is None:
        return record
    resolved = await runtime.vtiger.resolve_id(FACTS[record.module].vtiger_name, record.id)
    return Record(record.store, record.system, record.module, resolved, record.kind)


async def open_work(
    runtime: Runtime,
    record: Record,
    deliveries: Sequence[Delivery],
    *,
    lease: PairLease,
    dependencies: Dependencies,
) -> Work:
    """The work on a record of a module that is synced."""
    module = Module(record.module or "")
    policy = await _policy_for(runtime, deliveries, module)
    context = Context(runtime, record.store, policy, lease, dependencies, is_needed(deliveries))
    adapter = await open_adapter(context, module)
    return Work(runtime, adapter, policy, record, deliveries, lease)


# Records that show something of another one: looked at when that one changes.
#
# A shop tells nobody that the variations of a product have another name now, though their names
# begin with its own (contract page WooCommerce §1: no event for the variations).


async def hint_dependents(work: Work, side: Side) -> None:
    """Hint those of the record's dependents that have no pair, or are not what was agreed."""
    dependents = await work.adapter.dependents(side) if work.may_write(System.VTIGER) else ()
    records = {each.id: _record(work, each) for each in dependents}
    async with work.runtime.sessions() as session:
        links = await search_links(session, list(records.values()))
    changed = [records[each.id] for each in dependents if _differs(work, links.get(each.id), each)]
    if changed:
        await work.runtime.acceptor.accept([_hint(record) for record in changed])


def _record(work: Work, side: Side) -> Record:
    return Record(work.record.store, side.system, work.adapter.module, side.id)


def _differs(work: Work, link: Link | None, side: Side) -> bool:
    """A field that the member's own listing does not tell (None) says nothing."""
    base = read_base(link.base, work.adapter.rules) if link is not None else {}
    shown = {rule: side.values.get(rule.name) for rule in work.adapter.rules}
    return link is None or any(
        not holds(rule, base, value, system=side.system)
        for rule, value in shown.items()
        if value is not None
    )


def _hint(record: Record) -> NewDelivery:
    return NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, member_key(record))


# Each record of a pair carries the other's id, where there is a field for it.


async def write_external_ids(work: Work, ending: Ending, *sides: Side) -> Ending:
    """Leave each side's id in the other. What fails here is noted; where another try can help, a
    hint sees to it, which has nothing else to do and raises what fails: the RemoteError tree.

    Not for a side that shows an echo: an id that did not stick would be written again for ever.
    """
    if ending.link is None:
        return ending
    notes = [*ending.result.notes]
    for side in sides:
        partner = ending.link.side(side.system.other).id
        try:
            await _mark(work, ending.link, side, partner)
        except WooVtigerError as error:
            if error.retryable and ending.result.outcome is Outcome.UNCHANGED:
                raise
            if error.retryable:
                record = Record(work.record.store, side.system, work.adapter.module, side.id)
                await work.runtime.acceptor.accept([hint_again(record)])
            notes.append(external_id_note(side, partner, error))
    return replace(ending, result=replace(ending.result, notes=notes))


async def _mark(work: Work, link: Link, side: Side, partner: str) -> None:
    if side.foreign_id == partner or not work.may_write(side.system):
        return
    work.lease.check()
    marked = await work.adapter.mark(side, partner)
    if marked is not side:
        stamp_written(link, marked)


def hint_again(record: Record) -> NewDelivery:
    """Have an id left that could not be left just now: nobody else needs the record for that."""
    return NewDelivery(record, Origin.REPLAY, Event.CHANGED, external_id_key(record))


def external_id_note(side: Side, partner: str, error: WooVtigerError) -> dict[str, str]:
    message = f"{side.system.label} did not take the other system's id: {error}"
    return {"field": "id", "reason": error.reason, "message": message, "value": partner}

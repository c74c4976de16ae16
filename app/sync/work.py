"""The state of one drain, its results and Sync Log entries, and the external ids of a pair."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from app.db.session import Session, driver_of, driver_transaction
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
from app.drains import WriteDown, keys_of
from app.inbox.models import Delivery
from app.inbox.repository import NewDelivery, external_id_key, member_key
from app.links.conflicts import Report, search_unsettled
from app.links.leases import PairLease, lease_keys, with_partner
from app.links.models import FieldConflict, Intent, Link
from app.links.repository import PairState, read_pairs, search_links
from app.mapping.rules import holds, read_base
from app.mapping.values import FieldNote, Value
from app.module_facts import FACTS
from app.modules.context import Context, policy_of
from app.modules.dependencies import Dependencies
from app.modules.ports import Adapter, Side, Skip
from app.modules.registry import SPECS
from app.observability import OUTCOMES, SYNC_SECONDS
from app.policies.repository import SyncPolicy, narrowed
from app.runs.repository import directions_of
from app.runtime import Runtime
from app.sync.merge import Conflict
from app.synclog.repository import NewEntry, append, append_each

# Recording outcomes: in the Sync Log, in the metrics, and as a log line.

log = logging.getLogger(__name__)


async def record_outcome(session: Session, entry: NewEntry, delivery_ids: Sequence[int]) -> int:
    """Append an entry to the Sync Log in the session's transaction; returns its id."""
    entry_id = await append(session, entry, delivery_ids)
    publish(entry_id, entry)
    return entry_id


async def record_outcomes(
    session: Session, entries: Sequence[tuple[NewEntry, Sequence[int]]]
) -> list[int]:
    """Append several entries, each with its deliveries; returns their ids in the same order."""
    ids = await append_each(await driver_of(session), entries)
    for (entry, _), entry_id in zip(entries, ids, strict=True):
        publish(entry_id, entry)
    return ids


def publish(entry_id: int, entry: NewEntry) -> None:
    """Count and log an outcome that is in the Sync Log."""
    module = entry.module or ""
    OUTCOMES.labels(entry.store, module, entry.target, entry.outcome, entry.reason or "").inc()
    SYNC_SECONDS.labels(module).observe(entry.duration_ms / 1000)
    log.info("%s in %s", entry.outcome, entry.target.label, extra=_log_fields(entry, entry_id))


def _log_fields(entry: NewEntry, entry_id: int) -> dict[str, object]:
    record = Record(entry.store, entry.target.other, entry.module, entry.source_id)
    fields = {
        "sync_log": entry_id,
        "record": key_in_logs(record.key),
        "target_id": entry.target_id and key_in_logs(entry.target_id),
        "reason": entry.reason,
    }
    return {name: value for name, value in fields.items() if value is not None}


# Results: each becomes one row of the Sync Log.


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
    """The result for a record that is skipped."""
    return Result(
        target=target,
        outcome=Outcome.SKIPPED,
        source_id=source_id,
        reason=skip.reason,
        message=skip.message,
        label=label,
    )


def failed(target: System, source_id: str, error: WooVtigerError) -> Result:
    """The result for an error that is not retried."""
    return Result(
        target=target,
        outcome=Outcome.FAILED,
        source_id=source_id,
        reason=error.reason,
        message=str(error),
    )


def exhausted(target: System, source_id: str, error: WooVtigerError, *, attempts: int) -> Result:
    """The result for a retryable error whose retry budget is exhausted."""
    return replace(
        failed(target, source_id, error),
        reason="attempts_exhausted",
        message=f"Given up after {attempts} attempts; the last failed as {error.reason}: {error}",
    )


HEADLINES = (
    "needs_addon",
    "conflict_lost",
    "missing_reference",
    "unknown_product",
    "total_differs",
)
"""Reasons of notes that are shown on the row of the log itself, most severe first."""


def with_headline(result: Result, notes: Sequence[FieldNote]) -> Result:
    """The result with the most severe of its notes as its reason, unless it has one."""
    headlines = [note for reason in HEADLINES for note in notes if note.reason == reason]
    if result.reason or not headlines:
        return result
    message = result.message or f"{headlines[0].field}: {headlines[0].message}"
    return replace(result, reason=headlines[0].reason, message=message)


def describe_changes(
    before: Side | None, changes: Mapping[str, Value], source: System
) -> list[dict[str, Any]]:
    """Old and new value of each field written to the target, and the system it came from."""
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
class Settlement:
    """The result that settles the deliveries, the link to save, and the report on conflicts."""

    result: Result
    link: Link | None = None
    conflicts: Report | None = None


def with_notes(settlement: Settlement, side: Side) -> Settlement:
    """Add the notes on values that were left out when the side was read."""
    if not side.notes:
        return settlement
    notes = [*settlement.result.notes, *describe_notes(side.notes)]
    return replace(settlement, result=replace(settlement.result, notes=notes))


@dataclass(slots=True)
class Work:
    """The shared state of one drain.

    `state` is what was stored about the pair when its lease was taken, `read_at` the monotonic time
    of that. `intent` is the open intent of an earlier attempt that began to create the twin and did
    not record the result, or of this one. `unsettled` are the pair's conflicts that wait for a
    decision or for the write that applies it. `entry_id` is the first Sync Log entry written for
    the deliveries.
    """

    runtime: Runtime
    adapter: Adapter
    policy: SyncPolicy
    record: Record
    deliveries: Sequence[Delivery]
    lease: PairLease
    dependencies: Dependencies
    state: PairState = field(default_factory=PairState)
    intent: Intent | None = None
    unsettled: Sequence[FieldConflict] = ()
    read_at: float = field(default_factory=monotonic)
    started: float = field(default_factory=monotonic)
    entry_id: int | None = None
    creation_logged: bool = False

    @property
    def target(self) -> System:
        return self.record.system.other

    @property
    def event(self) -> Event:
        return Event(self.deliveries[-1].event)

    @property
    def is_retried(self) -> bool:
        """Whether an earlier attempt at these deliveries was interrupted."""
        return any(delivery.attempts > 1 for delivery in self.deliveries)

    @property
    def is_needed(self) -> bool:
        """Whether another record, such as an order, depends on this one."""
        return is_needed(self.deliveries)

    def may_write(self, system: System) -> bool:
        return self.policy.direction.allows(system)

    async def read(self) -> None:
        """Lease both records of the pair, and read what is stored about it."""
        found = await self._read_state()
        await self.lease.extend(lease_keys(*with_partner(self.record, found.link)))
        await self.open(found if found.link is None else await self._read_state())

    async def _read_state(self) -> PairState:
        async with driver_transaction(self.runtime.sessions) as driver:
            return (await read_pairs(driver, [self.record]))[self.record.key]

    async def open(self, state: PairState) -> None:
        """Begin with this state of the pair, whose lease is held."""
        self.state, self.read_at = state, monotonic()
        self.intent = state.intent[0] if state.intent is not None else None
        pair = with_partner(self.record, state.link)
        self.dependencies.known.update({each.key: state.link for each in pair})
        if state.link is not None and state.has_conflicts:
            await self.read_conflicts(state.link)

    @property
    def intent_age(self) -> float:
        """Seconds since an earlier attempt opened the intent."""
        age = self.state.intent[1] if self.state.intent is not None else 0.0
        return age + monotonic() - self.read_at

    async def read_conflicts(self, link: Link) -> None:
        async with self.runtime.sessions() as session:
            self.unsettled = await search_unsettled(session, link.id)

    async def checkpoint(self, link: Link, result: Result | None = None) -> Link:
        """Save the link, and a Sync Log entry if given, in a transaction of its own.

        Called after each write, so that a crash does not lose it. An intent stays open until the
        creation is logged.
        """
        results = [result] if result is not None else []
        saved = await self._write(link, results)
        assert saved is not None  # noqa: S101 - a link was given
        if link.id is None:
            self.dependencies.remember(self.record, saved)
        return saved

    async def finish(self, settlement: Settlement) -> None:
        """Save the link, write the log entry, hint the records that waited for the pair, settle the
        deliveries and release the lease, in one transaction."""
        result, link = settlement.result, settlement.link
        dead = result.outcome is Outcome.FAILED
        results = [result]
        if link is not None and self.intent is not None and not self._is_logged(result):
            results.insert(0, self._recovered_creation(result, link))
        await self._write(
            link,
            results,
            conflicts=settlement.conflicts if link is not None else None,
            settled_as=DeliveryState.DEAD if dead else DeliveryState.DONE,
            ended=self._settled_keys(link),
            needs=keys_of(link) if link is not None else (),
        )

    async def _write(
        self, link: Link | None, results: Sequence[Result], **step: Any
    ) -> Link | None:
        """Write the link and a log row for each result down; a creation closes the intent."""
        is_creation = any(self._is_creation(each) for each in results)
        written = await self.runtime.drains.write(
            WriteDown(
                self.lease,
                link,
                entries=lambda saved: [self._entry(each, saved) for each in results],
                deliveries=[delivery.id for delivery in self.deliveries],
                entry_id=self.entry_id,
                closed_intent=self.record.key if is_creation else None,
                **step,
            )
        )
        for entry_id, entry in written.entries:
            publish(entry_id, entry)
            self.entry_id = self.entry_id or entry_id
        if is_creation:
            self.creation_logged, self.intent = True, None
        return written.link

    def _entry(self, result: Result, link: Link | None) -> NewEntry:
        return build_entry(self.record, self.deliveries, result, link, self.started)

    def _settled_keys(self, link: Link | None) -> set[str]:
        """The keys of the settled records: both of the pair, and those named by the deliveries."""
        records = with_partner(self.record, link)
        return {*(each.record_key for each in self.deliveries), *(each.key for each in records)}

    def _is_logged(self, result: Result) -> bool:
        """Whether the creation of the twin is logged, or is about to be by this result."""
        return self.creation_logged or self._is_creation(result)

    def _recovered_creation(self, result: Result, link: Link) -> Result:
        """The creation of a twin by an interrupted attempt, whatever this result is."""
        twin_id = link.side(self.target).id
        creation = Result(self.target, Outcome.CREATED, self.record.id, twin_id, link.id)
        return replace(creation, label=result.label, message=RECOVERED)

    def _is_creation(self, result: Result) -> bool:
        return result.outcome is Outcome.CREATED and result.target is self.target


def is_needed(deliveries: Sequence[Delivery]) -> bool:
    """Whether another record depends on the one that these deliveries are about."""
    return any(delivery.origin == Origin.DEPENDENCY for delivery in deliveries)


def build_entry(
    record: Record,
    deliveries: Sequence[Delivery],
    result: Result,
    link: Link | None,
    started: float,
) -> NewEntry:
    """The Sync Log entry of a result; `started` is the monotonic time in seconds of the start."""
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


NO_MODULE = "Topic {kind} belongs to no synced module; remove its webhook to save calls."
MODULE_OFF = "Module {module} is switched off for store {store}: switch it on in its settings."
NO_STORE = "Store {store} is no longer configured: set STORES__{store}__URL and its companions."


async def find_objection(runtime: Runtime, record: Record) -> Skip | None:
    """Why the record is not synced, if so; decided without calling a remote."""
    if record.store not in runtime.stores:
        return Skip("filtered", NO_STORE.format(store=record.store))
    if record.module is None:
        return Skip("filtered", NO_MODULE.format(kind=record.kind))
    policy = await policy_of(runtime, record.store, record.module)
    if not policy.enabled:
        return Skip("module_off", MODULE_OFF.format(module=record.module, store=record.store))
    return None


async def resolve(runtime: Runtime, record: Record) -> Record:
    """Resolve a Vtiger record that is given by a bare id or by its record number.

    Raises NotFound if there is no such record (contract page Vtiger §5).
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
    """Open the adapter of the record's module; the module must be enabled."""
    module = Module(record.module or "")
    policy = await _policy_for(runtime, deliveries, module)
    context = Context(runtime, record.store, policy, lease, dependencies, is_needed(deliveries))
    adapter: Adapter = await SPECS[module].open(context)
    return Work(runtime, adapter, policy, record, deliveries, lease, dependencies)


async def _policy_for(
    runtime: Runtime, deliveries: Sequence[Delivery], module: Module
) -> SyncPolicy:
    """The policy in force; narrowed if all deliveries come from runs of one direction."""
    policy = await policy_of(runtime, deliveries[-1].store, module)
    run_ids = {delivery.run_id for delivery in deliveries}
    if None in run_ids:
        return policy
    async with runtime.sessions() as session:
        directions = await directions_of(session, run_ids)
    return narrowed(policy, directions.pop()) if len(directions) == 1 else policy


# Dependents: records that contain values of another one and are hinted when that one changes.
#
# A shop sends no event for the variations of a product that was renamed, although their names
# begin with its name (contract page WooCommerce §1).


async def hint_dependents(work: Work, side: Side) -> None:
    """Hint the dependents of a record that have no link or differ from their base."""
    dependents = await work.adapter.dependents(side) if work.may_write(System.VTIGER) else ()
    records = {each.id: record_of(work, each) for each in dependents}
    async with work.runtime.sessions() as session:
        links = await search_links(session, list(records.values()))
    changed = [records[each.id] for each in dependents if _differs(work, links.get(each.id), each)]
    if changed:
        await work.runtime.acceptor.accept([_hint(record) for record in changed])


def record_of(work: Work, side: Side) -> Record:
    """The record of a side of the work's pair."""
    return Record(work.record.store, side.system, work.adapter.module, side.id)


def _differs(work: Work, link: Link | None, side: Side) -> bool:
    """Whether a dependent has no link or differs from its base; None is an unknown value."""
    base = read_base(link.base, work.adapter.rules) if link is not None else {}
    shown = {rule: side.values.get(rule.name) for rule in work.adapter.rules}
    return link is None or any(
        not holds(rule, base, value, system=side.system)
        for rule, value in shown.items()
        if value is not None
    )


def _hint(record: Record) -> NewDelivery:
    return NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, member_key(record))


# External ids: each record of a pair carries the other's id, where it has a field for it.


async def write_external_ids(work: Work, settlement: Settlement, *sides: Side) -> Settlement:
    """Write the partner's id into each of the given sides.

    A failure is added to the notes. If it is retryable, a new hint repeats the write; when that
    hint has nothing else to write, the error is raised (the RemoteError tree). Sides whose change
    is an echo must not be passed: an id that the system does not store would be written again
    without end.
    """
    if settlement.link is None:
        return settlement
    notes = [*settlement.result.notes]
    for side in sides:
        partner = settlement.link.side(side.system.other).id
        try:
            await _write_external_id(work, settlement.link, side, partner)
        except WooVtigerError as error:
            if error.retryable and settlement.result.outcome is Outcome.UNCHANGED:
                raise
            if error.retryable:
                record = Record(work.record.store, side.system, work.adapter.module, side.id)
                await work.runtime.acceptor.accept([external_id_hint(record)])
            notes.append(external_id_note(side, partner, error))
    return replace(settlement, result=replace(settlement.result, notes=notes))


async def _write_external_id(work: Work, link: Link, side: Side, partner: str) -> None:
    if side.foreign_id == partner or not work.may_write(side.system):
        return
    work.lease.check()
    written = await work.adapter.write_external_id(side, partner)
    if written is not side:
        link.stamp_written(written.system, written.modified_at)


def external_id_hint(record: Record) -> NewDelivery:
    """A hint that repeats the write of the external id."""
    return NewDelivery(record, Origin.REPLAY, Event.CHANGED, external_id_key(record))


def external_id_note(side: Side, partner: str, error: WooVtigerError) -> dict[str, str]:
    """The note on an external id that could not be written into a side."""
    message = f"{side.system.label} did not accept the other system's id: {error}"
    return {"field": "id", "reason": error.reason, "message": message, "value": partner}

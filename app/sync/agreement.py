"""One pair brought into agreement: both sides read, merged, written; what became of it, and the row
of the log."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from app.domain import ConflictPolicy, Module, Outcome, RemoteError, System, WooVtigerError
from app.links.conflicts import Both, ConflictState, Report
from app.links.models import FieldConflict, Link, LinkSide
from app.mapping.rules import FieldRule, read_base, read_values, write_base, write_values
from app.mapping.values import Agreed, Base, FieldNote, Mapped, Value
from app.modules.ports import Adapter, Side, Written, is_echo, stamp_read, stamp_written
from app.sync.merge import Decision, Merge, describe_held, merge, next_base
from app.sync.work import (
    RECOVERED,
    Ending,
    Result,
    Work,
    describe_change,
    describe_changes,
    describe_conflicts,
    describe_notes,
    with_headline,
    with_notes,
)
from app.tasks import offload

# What an update was about to write, on record until its answer is heard.
#
# What a call left whose answer was lost, or whose worker died, is nobody's edit: the base takes it
# in before the merge, so that a newer edit of the other side meets no conflict. Decision 15.

Attempts = Mapping[System, Mapping[str, Value]]
"""By target: the values that its fields were to become, as the other side held them."""

Sides = Mapping[System, Side]


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """Fields of `target` that hold what an unheard update was to write, and what the pair had
    agreed on before it."""

    target: System
    before: Mapping[str, Value]
    now: Base


def write_down(link: Link, attempts: Attempts, rules: Collection[FieldRule]) -> None:
    """These updates are about to be sent."""
    link.attempted = {
        target.value: write_values(values, rules) for target, values in attempts.items() if values
    }


def clear_pending_write(link: Link, target: System) -> None:
    """The target answered, or surely did nothing."""
    left = {key: values for key, values in (link.attempted or {}).items() if key != target}
    link.attempted = left or None


def may_have_been_applied(error: WooVtigerError) -> bool:
    return not isinstance(error, RemoteError) or error.ambiguous


def find_pending_writes(
    link: Link, sides: Sides, base: Base, adapter: Adapter
) -> list[PendingWrite]:
    """What earlier updates did, though nobody heard so."""
    found = [
        _pending_write(System(target), values, sides, base, adapter)
        for target, values in (link.attempted or {}).items()
    ]
    return [each for each in found if each.now]


def _pending_write(
    target: System, kept: Mapping[str, Any], sides: Sides, base: Base, adapter: Adapter
) -> PendingWrite:
    values = read_values(kept, adapter.rules)
    side, carried = sides[target], _carried(target, values, sides, adapter)
    before, now = {}, {}
    for rule in adapter.rules:
        if rule.name not in values or rule.name in side.partially_written:
            continue
        held = base[rule.name].on(target) if rule.name in base else None
        shown, wanted = side.values.get(rule.name), values[rule.name]
        is_there = rule.name in carried or rule.same(shown, wanted)
        if is_there and not rule.same(shown, held):
            before[rule.name] = held
            now[rule.name] = _agreed(target, shown, wanted)
    return PendingWrite(target, before, now)


def _carried(
    target: System, values: Mapping[str, Value], sides: Sides, adapter: Adapter
) -> frozenset[str]:
    """Fields that hold what the values became there, as the source was when they were sent."""
    source = sides[target.other]
    sent = replace(source, values=Mapped({**source.values.values, **values}))
    both = {target: sides[target], target.other: sent}
    return adapter.converted_names(both[System.WOOCOMMERCE], both[System.VTIGER])


def _agreed(target: System, shown: Value, sent: Value) -> Agreed:
    return Agreed(sent, shown) if target is System.VTIGER else Agreed(shown, sent)


GONE = (
    "{system} does not show this row's field any more: it was removed, or hidden from the API "
    "user. The value stays where it is; the field mapping shows the row."
)
OPEN = "Both sides changed the same field; a person decides, under Conflicts."


@dataclass(slots=True)
class Agreement:
    """What one merge decided and what became of it; `pending_writes` of earlier updates that nobody
    heard of."""

    work: Work
    link: Link
    sides: dict[System, Side]
    merged: Merge
    pending_writes: Sequence[PendingWrite] = ()
    written: dict[System, Written] = field(default_factory=dict)
    ours: bool = False

    def changes(self, target: System) -> Mapping[str, Value]:
        return self.merged.changes(target)

    @property
    def targets(self) -> list[System]:
        """Where something is to be written, the hint's other system first."""
        order = [self.work.target, self.work.target.other]
        return [target for target in order if self.changes(target)]

    def made(self, target: System) -> bool:
        """Whether the target is what an unfinished create of ours left."""
        return self.ours and target is self.work.target

    @property
    def is_open(self) -> bool:
        """Whether a person has to decide on a field."""
        return bool(self.opened)

    @property
    def opened(self) -> dict[str, Both]:
        """Both values of each field that a person has to decide on."""
        found = (conflict for conflict in self.merged.conflicts if conflict.winner is None)
        return {conflict.field: (conflict.woo, conflict.vtiger) for conflict in found}

    @property
    def is_told(self) -> bool:
        """Whether each of these was told before, with these values."""
        told = {row.field: (row.woo, row.vtiger) for row in self.work.unsettled}
        return self.opened.items() <= told.items()

    @property
    def notes(self) -> list[FieldNote]:
        return [note for written in self.written.values() for note in written.notes]

    @property
    def lost(self) -> list[FieldNote]:
        """News of rows that one system has no field for any more."""
        return [
            vanished(name, system, self.sides[system.other].values.get(name) or "")
            for name, system in self.merged.lost.items()
        ]

    @property
    def held(self) -> list[FieldNote]:
        """What the direction keeps from a system."""
        return [
            FieldNote(
                name,
                "direction_off",
                held.message,
                self.sides[held.target.other].values.get(name) or "",
            )
            for name, held in self.merged.held.items()
        ]


def result_of(agreement: Agreement) -> Result:
    """The row that ends the hint: the last target's, or that nothing was written."""
    sent = [target for target, written in agreement.written.items() if written.sent]
    if sent:
        return entry_for(agreement, sent[-1])
    if agreement.ours:
        blank = _blank(agreement, agreement.work.target)
        return replace(blank, outcome=Outcome.CREATED, message=RECOVERED)
    return _applied(agreement) or _idle(agreement)


def _blank(agreement: Agreement, target: System) -> Result:
    source, other = agreement.sides[target.other], agreement.sides[target]
    return Result(
        target=target,
        outcome=Outcome.UNCHANGED,
        source_id=source.id,
        target_id=other.id,
        label=source.label,
        conflicts=describe_conflicts(agreement.merged.conflicts),
    )


def entry_for(agreement: Agreement, target: System) -> Result:
    written = agreement.written[target]
    changes = {
        name: value
        for name, value in agreement.changes(target).items()
        if name not in written.unwritten | written.deferred
    }
    notes = [*written.notes, *agreement.lost, *agreement.held]
    told = replace(
        _blank(agreement, target),
        outcome=Outcome.CREATED if agreement.made(target) else Outcome.UPDATED,
        reason=_conflict_reason(agreement, target),
        changes=[
            *_applied_changes(agreement, target),
            *describe_changes(agreement.sides[target], changes, target.other),
        ],
        notes=describe_notes(notes),
    )
    return with_headline(told, notes)


def vanished(name: str, system: System, value: str) -> FieldNote:
    """Why a row's value was left alone where the field of it is gone."""
    return FieldNote(name, "field_vanished", GONE.format(system=system.label), value)


def _conflict_reason(agreement: Agreement, target: System) -> str | None:
    if agreement.is_open:
        return "conflict_open"
    winners = {conflict.winner for conflict in agreement.merged.conflicts}
    return "conflict_lost" if target.other in winners else None


def _idle(agreement: Agreement) -> Result:
    """Nothing was sent: an open conflict, fields kept back or held, an echo, no change."""
    result = _blank(agreement, agreement.work.target)
    echo = is_echo(agreement.link, agreement.sides[agreement.work.record.system])
    if agreement.is_open and not (echo and agreement.is_told):
        return replace(result, outcome=Outcome.SKIPPED, reason="conflict_open", message=OPEN)
    if notes := [*agreement.notes, *(() if echo else agreement.lost)]:
        return _kept_back(result, [*notes, *agreement.held])
    if agreement.held:
        return _held(result, agreement)
    return replace(result, reason="echo" if echo else "no_difference")


def _applied(agreement: Agreement) -> Result | None:
    """What an earlier try wrote, though nobody heard the answer."""
    targets = {pending_write.target for pending_write in agreement.pending_writes}
    found = [target for target in (agreement.work.target, *System) if target in targets]
    if not found:
        return None
    changes = _applied_changes(agreement, found[0])
    blank = _blank(agreement, found[0])
    return replace(blank, outcome=Outcome.UPDATED, message=RECOVERED, changes=changes)


def _applied_changes(agreement: Agreement, target: System) -> list[dict[str, Any]]:
    """What earlier tries did to the target, but for what is written over now."""
    return [
        describe_change(name, before, pending_write.now[name].on(target), target.other)
        for pending_write in agreement.pending_writes
        if pending_write.target is target
        for name, before in pending_write.before.items()
        if name not in agreement.changes(target)
    ]


def _held(result: Result, agreement: Agreement) -> Result:
    """Both sides stay as they are, though they differ."""
    return replace(
        result,
        outcome=Outcome.SKIPPED,
        reason="direction_off",
        message=describe_held(agreement.merged.held),
        notes=describe_notes(agreement.held),
    )


def _kept_back(result: Result, notes: Sequence[FieldNote]) -> Result:
    return replace(
        result,
        outcome=Outcome.SKIPPED,
        reason=notes[0].reason,
        message=f"{notes[0].field}: {notes[0].message}",
        notes=describe_notes(notes),
    )


# Bringing one pair into agreement: both sides read, merged, written, and told.

LINES = "lines"
"""The field that holds an order's lines, as a JSON text with an object for each."""
JUST_TYPED = timedelta(days=1)
"""How long after it was made a record is still being entered."""


async def needs_reading(work: Work, link: Link, source: Side, other: Side) -> bool:
    """Whether the shop would be written on the word of a webhook's body."""
    if not source.from_webhook_body:
        return False
    sides = {source.system: source, other.system: other}
    return bool((await _merge(work, link, sides)).to_woo)


async def agree(work: Work, link: Link, source: Side, other: Side, *, ours: bool = False) -> Ending:
    """Merge and write, one target after the other; each write is kept at once."""
    sides = {source.system: source, other.system: other}
    pending_writes = _add_pending_writes(work, link, sides)
    merged = await _merge(work, link, sides)
    agreement = Agreement(work, link, sides, merged, pending_writes, ours=ours)
    await _write_down(agreement)
    for target in agreement.targets:
        work.lease.check()
        agreement.written[target] = await _write(agreement, target)
        if target != agreement.targets[-1]:
            await _keep_first(agreement, target)
    _refresh(agreement)
    agreement.link.attempted = None
    return with_notes(Ending(result_of(agreement), agreement.link, _report(agreement)), other)


async def _write_down(agreement: Agreement) -> None:
    """What is to be written is on record before it is sent."""
    attempts = {target: agreement.changes(target) for target in agreement.targets}
    if attempts:
        write_down(agreement.link, attempts, agreement.work.adapter.rules)
        agreement.link = await agreement.work.keep(agreement.link)


async def _write(agreement: Agreement, target: System) -> Written:
    """A failure says which of the two systems did not take what; one that surely wrote nothing
    leaves nothing on record."""
    current, source = agreement.sides[target], agreement.sides[target.other]
    try:
        return await agreement.work.adapter.update(current, agreement.changes(target), source)
    except WooVtigerError as error:
        error.target, error.source_id = target, source.id
        if not may_have_been_applied(error):
            clear_pending_write(agreement.link, target)
            await agreement.work.keep(agreement.link)
        raise


def _report(agreement: Agreement) -> Report | None:
    """What became of the pair's conflicts; None if there is, and was, nothing to tell."""
    conflicts, policy = agreement.merged.conflicts, agreement.work.policy
    if not agreement.is_open and not agreement.work.unsettled:
        return None
    woo, vtiger = (agreement.sides[system] for system in System)
    asked = policy.conflict_policy is ConflictPolicy.ASK
    return Report(
        label=woo.label or vtiger.label,
        open=agreement.opened,
        settled={each.field: each.winner for each in conflicts if each.winner},
        now={rule.name: _both(woo, vtiger, rule.name) for rule in agreement.work.adapter.rules},
        woo_modified_at=woo.modified_at,
        vtiger_modified_at=vtiger.modified_at,
        by="direction" if asked else policy.conflict_policy,
    )


def _both(woo: Side, vtiger: Side, name: str) -> Both:
    return woo.values.get(name), vtiger.values.get(name)


async def _merge(work: Work, link: Link, sides: Mapping[System, Side]) -> Merge:
    text = sides[System.WOOCOMMERCE].values.get(LINES) or ""
    lines = text.count("{")
    return await offload(partial(_merged, work, link, sides), lines=lines)


def _merged(work: Work, link: Link, sides: Mapping[System, Side]) -> Merge:
    return merge(
        _believed(work, link, sides),
        sides[System.WOOCOMMERCE].values,
        sides[System.VTIGER].values,
        rules=work.adapter.rules,
        direction=work.policy.direction,
        policy=work.policy.conflict_policy,
        newer=newer_side(link, sides),
        carried=work.adapter.converted_names(sides[System.WOOCOMMERCE], sides[System.VTIGER]),
        decided=_decisions(work.unsettled),
    )


def _decisions(unsettled: Sequence[FieldConflict]) -> dict[str, Decision]:
    return {
        row.field: Decision(System(row.resolution), row.woo, row.vtiger)
        for row in unsettled
        if row.state == ConflictState.RESOLVED and row.resolution is not None
    }


def _add_pending_writes(work: Work, link: Link, sides: Mapping[System, Side]) -> list[PendingWrite]:
    """What unheard updates of ours did is agreed from now on: the base is kept with whatever is
    sent next, which takes their place on record."""
    base = read_base(link.base, work.adapter.rules)
    pending_writes = find_pending_writes(link, sides, base, work.adapter)
    for pending_write in pending_writes:
        base |= pending_write.now
    if pending_writes:
        link.base = write_base(base, work.adapter.rules)
    return pending_writes


def _believed(work: Work, link: Link, sides: Mapping[System, Side]) -> dict[str, Agreed]:
    """The base without the fields that are half-written on a side: the other's go there again."""
    partially_written = frozenset().union(*(side.partially_written for side in sides.values()))
    base = read_base(link.base, work.adapter.rules)
    return {name: both for name, both in base.items() if name not in partially_written}


def newer_side(link: Link, sides: Mapping[System, Side]) -> System:
    """The side a person changed last; a stamp that our own write left says nothing.

    Of a product that is paired for the first time, a record typed into Vtiger just now is no news
    for the shop, which sells the product already.
    """
    woo, vtiger = (_edited_at(sides[system], link.side(system)) for system in System)
    if vtiger is None or _is_just_typed(link, sides):
        return System.WOOCOMMERCE
    return System.VTIGER if woo is None or vtiger > woo else System.WOOCOMMERCE


def _is_just_typed(link: Link, sides: Mapping[System, Side]) -> bool:
    if link.module != Module.PRODUCTS or link.base:
        return False
    woo, vtiger = sides[System.WOOCOMMERCE], sides[System.VTIGER]
    if woo.created_at is None or vtiger.created_at is None or vtiger.modified_at is None:
        return False
    young = vtiger.modified_at - vtiger.created_at < JUST_TYPED
    return young and vtiger.created_at > woo.created_at


def _edited_at(side: Side, known: LinkSide) -> datetime | None:
    return None if side.modified_at == known.written_at else side.modified_at


async def _keep_first(agreement: Agreement, target: System) -> None:
    """The first of two writes is on record before the second is tried."""
    _refresh(agreement)
    clear_pending_write(agreement.link, target)
    agreement.link = await agreement.work.keep(agreement.link, entry_for(agreement, target))


def _refresh(agreement: Agreement) -> None:
    """The link's base and stamps after the writes so far."""
    link, written = agreement.link, agreement.written
    woo, vtiger = written.get(System.WOOCOMMERCE), written.get(System.VTIGER)
    unwritten = frozenset().union(*(each.unwritten for each in written.values()))
    rules = agreement.work.adapter.rules
    base = next_base(
        read_base(link.base, rules),
        agreement.merged,
        woo_after=woo.after.values if woo else None,
        vtiger_after=vtiger.after.values if vtiger else None,
        unwritten=unwritten,
        deferred=frozenset().union(*(each.deferred for each in written.values())),
    )
    link.base, link.forgotten_at = write_base(base, rules), None
    for side in agreement.sides.values():
        stamp_read(link, side)
    for each in written.values():
        if each.sent:
            stamp_written(link, each.after)

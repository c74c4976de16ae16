"""Brings one pair into agreement: merges both sides, writes the changes and builds the result."""

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
from app.modules.ports import Adapter, Side, Written
from app.sync.merge import Decision, Merge, describe_blocked, merge, next_base
from app.sync.work import (
    RECOVERED,
    Result,
    Settlement,
    Work,
    describe_change,
    describe_changes,
    describe_conflicts,
    describe_notes,
    with_headline,
    with_notes,
)
from app.tasks import offload

# Pending writes: stored before an update is sent, cleared when its response arrives.
#
# Values written by an update whose response was lost are not a user's edit. They are added to the
# base before the merge, so that a newer edit of the other side does not conflict (decision 15).

Attempts = Mapping[System, Mapping[str, Value]]
"""By target: the values to be written to its fields, as the source holds them."""

Sides = Mapping[System, Side]


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """Fields of `target` that an update without a response has written.

    `before` are their values in the base until then, `now` their new base entries.
    """

    target: System
    before: Mapping[str, Value]
    now: Base


def record_attempts(link: Link, attempts: Attempts, rules: Collection[FieldRule]) -> None:
    """Store on the link which updates are about to be sent."""
    link.attempted = {
        target.value: write_values(values, rules) for target, values in attempts.items() if values
    }


def clear_pending_write(link: Link, target: System) -> None:
    """Remove the target's pending write: it responded, or certainly did not apply the update."""
    left = {key: values for key, values in (link.attempted or {}).items() if key != target}
    link.attempted = left or None


def may_have_been_applied(error: WooVtigerError) -> bool:
    """Whether the target may have applied the update although the call failed."""
    return not isinstance(error, RemoteError) or error.ambiguous


def find_pending_writes(
    link: Link, sides: Sides, base: Base, adapter: Adapter
) -> list[PendingWrite]:
    """The fields that earlier updates have written although their responses were lost."""
    found = [
        _find_pending_write(System(target), values, sides, base, adapter)
        for target, values in (link.attempted or {}).items()
    ]
    return [each for each in found if each.now]


def _find_pending_write(
    target: System, stored: Mapping[str, Any], sides: Sides, base: Base, adapter: Adapter
) -> PendingWrite:
    values = read_values(stored, adapter.rules)
    side, carried = sides[target], _carried(target, values, sides, adapter)
    before, now = {}, {}
    for rule in adapter.rules:
        if rule.name not in values or rule.name in side.partially_written:
            continue
        agreed = base[rule.name].on(target) if rule.name in base else None
        shown, wanted = side.values.get(rule.name), values[rule.name]
        is_there = rule.name in carried or rule.same(shown, wanted)
        if is_there and not rule.same(shown, agreed):
            before[rule.name] = agreed
            now[rule.name] = _agreed(target, shown, wanted)
    return PendingWrite(target, before, now)


def _carried(
    target: System, values: Mapping[str, Value], sides: Sides, adapter: Adapter
) -> frozenset[str]:
    """Fields in which the target holds the sent values in the form in which it stores them."""
    source = sides[target.other]
    sent = replace(source, values=Mapped({**source.values.values, **values}))
    both = {target: sides[target], target.other: sent}
    return adapter.converted_names(both[System.WOOCOMMERCE], both[System.VTIGER])


def _agreed(target: System, shown: Value, sent: Value) -> Agreed:
    return Agreed(sent, shown) if target is System.VTIGER else Agreed(shown, sent)


FIELD_GONE = (
    "{system} does not return this row's field any more: it was removed, or hidden from the API "
    "user. The value is left unchanged; the field mapping shows the row."
)
CONFLICT_OPEN = "Both sides changed the same field: decide under Conflicts which value is kept."


@dataclass(slots=True)
class Agreement:
    """One merge and the writes that followed from it.

    `pending_writes` are those of earlier updates whose responses were lost. `is_recovered` is True
    if the target was created by an interrupted attempt of ours.
    """

    work: Work
    link: Link
    sides: dict[System, Side]
    merged: Merge
    pending_writes: Sequence[PendingWrite] = ()
    written: dict[System, Written] = field(default_factory=dict)
    is_recovered: bool = False

    def changes(self, target: System) -> Mapping[str, Value]:
        return self.merged.changes(target)

    @property
    def targets(self) -> list[System]:
        """The systems to write to, the partner of the hinted record first."""
        order = [self.work.target, self.work.target.other]
        return [target for target in order if self.changes(target)]

    def is_created(self, target: System) -> bool:
        """Whether the target was created by an interrupted attempt of ours."""
        return self.is_recovered and target is self.work.target

    @property
    def is_open(self) -> bool:
        """Whether a field waits for a decision."""
        return bool(self.opened)

    @property
    def opened(self) -> dict[str, Both]:
        """Both values of each field that waits for a decision."""
        found = (conflict for conflict in self.merged.conflicts if conflict.winner is None)
        return {conflict.field: (conflict.woo, conflict.vtiger) for conflict in found}

    @property
    def is_reported(self) -> bool:
        """Whether each open conflict was reported before with the same values."""
        reported = {row.field: (row.woo, row.vtiger) for row in self.work.unsettled}
        return self.opened.items() <= reported.items()

    @property
    def notes(self) -> list[FieldNote]:
        return [note for written in self.written.values() for note in written.notes]

    @property
    def missing_fields(self) -> list[FieldNote]:
        """Notes on changed values of rows whose field one system no longer has."""
        return [
            field_gone_note(name, system, self.sides[system.other].values.get(name) or "")
            for name, system in self.merged.missing_fields.items()
        ]

    @property
    def untranslated(self) -> list[FieldNote]:
        """Notes on the shop's new values that Vtiger has no term for."""
        notes = self.sides[System.WOOCOMMERCE].values.lacking
        return [notes[name] for name in self.merged.untranslated if name in notes]

    @property
    def blocked(self) -> list[FieldNote]:
        """Notes on values that are not written because of the direction."""
        return [
            FieldNote(
                name,
                "direction_off",
                blocked.message,
                self.sides[blocked.target.other].values.get(name) or "",
            )
            for name, blocked in self.merged.blocked.items()
        ]


def result_of(agreement: Agreement) -> Result:
    """The result that settles the deliveries: of the last write, or of writing nothing."""
    sent = [target for target, written in agreement.written.items() if written.sent]
    if sent:
        return result_for(agreement, sent[-1])
    if agreement.is_recovered:
        unchanged = _unchanged(agreement, agreement.work.target)
        return replace(unchanged, outcome=Outcome.CREATED, message=RECOVERED)
    return _recovered(agreement) or _unwritten(agreement)


def _unchanged(agreement: Agreement, target: System) -> Result:
    source, other = agreement.sides[target.other], agreement.sides[target]
    return Result(
        target=target,
        outcome=Outcome.UNCHANGED,
        source_id=source.id,
        target_id=other.id,
        label=source.label,
        conflicts=describe_conflicts(agreement.merged.conflicts),
    )


def result_for(agreement: Agreement, target: System) -> Result:
    """The result of the write to one target."""
    written = agreement.written[target]
    changes = {
        name: value
        for name, value in agreement.changes(target).items()
        if name not in written.unwritten | written.deferred
    }
    notes = [
        *written.notes,
        *agreement.missing_fields,
        *agreement.untranslated,
        *agreement.blocked,
    ]
    result = replace(
        _unchanged(agreement, target),
        outcome=Outcome.CREATED if agreement.is_created(target) else Outcome.UPDATED,
        reason=_conflict_reason(agreement, target),
        changes=[
            *_recovered_changes(agreement, target),
            *describe_changes(agreement.sides[target], changes, target.other),
        ],
        notes=describe_notes(notes),
    )
    return with_headline(result, notes)


def field_gone_note(name: str, system: System, value: str) -> FieldNote:
    """The note on a value that was not written because the row's field no longer exists."""
    return FieldNote(name, "field_vanished", FIELD_GONE.format(system=system.label), value)


def _conflict_reason(agreement: Agreement, target: System) -> str | None:
    if agreement.is_open:
        return "conflict_open"
    winners = {conflict.winner for conflict in agreement.merged.conflicts}
    return "conflict_lost" if target.other in winners else None


def _unwritten(agreement: Agreement) -> Result:
    """The result if nothing was sent: a conflict, withheld or blocked fields, echo, no change."""
    result = _unchanged(agreement, agreement.work.target)
    hinted = agreement.sides[agreement.work.record.system]
    echo = agreement.link.is_echo(hinted.system, hinted.modified_at)
    if agreement.is_open and not (echo and agreement.is_reported):
        return replace(
            result, outcome=Outcome.SKIPPED, reason="conflict_open", message=CONFLICT_OPEN
        )
    notes = [*agreement.notes, *(() if echo else agreement.missing_fields)]
    if notes := [*notes, *agreement.untranslated]:
        return _withheld(result, [*notes, *agreement.blocked])
    if agreement.blocked:
        return _blocked(result, agreement)
    return replace(result, reason="echo" if echo else "no_difference")


def _recovered(agreement: Agreement) -> Result | None:
    """The result of an earlier update whose response was lost; None if there is none."""
    targets = {pending_write.target for pending_write in agreement.pending_writes}
    found = [target for target in (agreement.work.target, *System) if target in targets]
    if not found:
        return None
    changes = _recovered_changes(agreement, found[0])
    unchanged = _unchanged(agreement, found[0])
    return replace(unchanged, outcome=Outcome.UPDATED, message=RECOVERED, changes=changes)


def _recovered_changes(agreement: Agreement, target: System) -> list[dict[str, Any]]:
    """The changes of earlier updates to the target, except those overwritten now."""
    return [
        describe_change(name, before, pending_write.now[name].on(target), target.other)
        for pending_write in agreement.pending_writes
        if pending_write.target is target
        for name, before in pending_write.before.items()
        if name not in agreement.changes(target)
    ]


def _blocked(result: Result, agreement: Agreement) -> Result:
    """The result if the direction leaves both sides different."""
    return replace(
        result,
        outcome=Outcome.SKIPPED,
        reason="direction_off",
        message=describe_blocked(agreement.merged.blocked),
        notes=describe_notes(agreement.blocked),
    )


def _withheld(result: Result, notes: Sequence[FieldNote]) -> Result:
    return replace(
        result,
        outcome=Outcome.SKIPPED,
        reason=notes[0].reason,
        message=f"{notes[0].field}: {notes[0].message}",
        notes=describe_notes(notes),
    )


# Merging and writing one pair.

LINES = "lines"
"""The field of an order's lines: a JSON text with one object for each line."""
ENTRY_PERIOD = timedelta(days=1)
"""How long after its creation a record counts as still being entered."""


async def merge_pair(work: Work, link: Link, source: Side, other: Side) -> Merge:
    """Merge the sides without writing anything."""
    return await _merge(work, link, {source.system: source, other.system: other})


async def agree(
    work: Work,
    link: Link,
    source: Side,
    other: Side,
    *,
    is_recovered: bool = False,
    merged: Merge | None = None,
) -> Settlement:
    """Merge the sides and write the changes, one target after the other; save after each write.

    `merged` is their merge, if it was computed before."""
    sides = {source.system: source, other.system: other}
    pending_writes = _add_pending_writes(work, link, sides)
    if merged is None or pending_writes:
        merged = await _merge(work, link, sides)
    if merged.reopened:
        rules = work.adapter.rules
        link.base = write_base({**read_base(link.base, rules), **merged.reopened}, rules)
    agreement = Agreement(work, link, sides, merged, pending_writes, is_recovered=is_recovered)
    await _record_attempts(agreement)
    for target in agreement.targets:
        work.lease.check()
        agreement.written[target] = await _write(agreement, target)
        if target != agreement.targets[-1]:
            await _save_first_write(agreement, target)
    _update_link(agreement)
    agreement.link.attempted = None
    return with_notes(Settlement(result_of(agreement), agreement.link, _report(agreement)), other)


async def _record_attempts(agreement: Agreement) -> None:
    """Save the pending writes before they are sent."""
    attempts = {target: agreement.changes(target) for target in agreement.targets}
    if attempts:
        record_attempts(agreement.link, attempts, agreement.work.adapter.rules)
        agreement.link = await agreement.work.checkpoint(agreement.link)


async def _write(agreement: Agreement, target: System) -> Written:
    """Update the target. An error names the target and the source record.

    If the update was certainly not applied, its pending write is cleared before the error is
    raised: the RemoteError tree and other WooVtigerErrors.
    """
    current, source = agreement.sides[target], agreement.sides[target.other]
    try:
        return await agreement.work.adapter.update(current, agreement.changes(target), source)
    except WooVtigerError as error:
        error.target, error.source_id = target, source.id
        if not may_have_been_applied(error):
            clear_pending_write(agreement.link, target)
            await agreement.work.checkpoint(agreement.link)
        raise


def _report(agreement: Agreement) -> Report | None:
    """The report on the pair's conflicts; None if there are and were none."""
    conflicts, policy = agreement.merged.conflicts, agreement.work.policy
    if not agreement.is_open and not agreement.work.unsettled:
        return None
    woo, vtiger = (agreement.sides[system] for system in System)
    needs_decision = policy.conflict_policy is ConflictPolicy.ASK
    return Report(
        label=woo.label or vtiger.label,
        open=agreement.opened,
        settled={each.field: each.winner for each in conflicts if each.winner},
        now={rule.name: _both(woo, vtiger, rule.name) for rule in agreement.work.adapter.rules},
        woo_modified_at=woo.modified_at,
        vtiger_modified_at=vtiger.modified_at,
        by="direction" if needs_decision else policy.conflict_policy,
    )


def _both(woo: Side, vtiger: Side, name: str) -> Both:
    return woo.values.get(name), vtiger.values.get(name)


async def _merge(work: Work, link: Link, sides: Mapping[System, Side]) -> Merge:
    text = sides[System.WOOCOMMERCE].values.get(LINES) or ""
    lines = text.count("{")
    return await offload(partial(_merged, work, link, sides), lines=lines)


def _merged(work: Work, link: Link, sides: Mapping[System, Side]) -> Merge:
    return merge(
        _effective_base(work, link, sides),
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
    """Add what updates without a response have written to the base, and return those updates.

    The changed base is saved with the next pending write.
    """
    base = read_base(link.base, work.adapter.rules)
    pending_writes = find_pending_writes(link, sides, base, work.adapter)
    for pending_write in pending_writes:
        base |= pending_write.now
    if pending_writes:
        link.base = write_base(base, work.adapter.rules)
    return pending_writes


def _effective_base(work: Work, link: Link, sides: Mapping[System, Side]) -> dict[str, Agreed]:
    """The base without partially written fields, so that they are written again."""
    partially_written = frozenset().union(*(side.partially_written for side in sides.values()))
    base = read_base(link.base, work.adapter.rules)
    return {name: both for name, both in base.items() if name not in partially_written}


def newer_side(link: Link, sides: Mapping[System, Side]) -> System:
    """The side that a user changed last; the time stamp of our own write does not count.

    If a product is paired for the first time and was just entered in Vtiger, the shop's side
    counts as newer, for the shop sells the product already.
    """
    woo, vtiger = (_edited_at(sides[system], link.side(system)) for system in System)
    if vtiger is None or _is_being_entered(link, sides):
        return System.WOOCOMMERCE
    return System.VTIGER if woo is None or vtiger > woo else System.WOOCOMMERCE


def _is_being_entered(link: Link, sides: Mapping[System, Side]) -> bool:
    if link.module != Module.PRODUCTS or link.base:
        return False
    woo, vtiger = sides[System.WOOCOMMERCE], sides[System.VTIGER]
    if woo.created_at is None or vtiger.created_at is None or vtiger.modified_at is None:
        return False
    is_recent = vtiger.modified_at - vtiger.created_at < ENTRY_PERIOD
    return is_recent and vtiger.created_at > woo.created_at


def _edited_at(side: Side, known: LinkSide) -> datetime | None:
    return None if side.modified_at == known.written_at else side.modified_at


async def _save_first_write(agreement: Agreement, target: System) -> None:
    """Save and log the first of two writes before the second is sent."""
    _update_link(agreement)
    clear_pending_write(agreement.link, target)
    agreement.link = await agreement.work.checkpoint(agreement.link, result_for(agreement, target))


def _update_link(agreement: Agreement) -> None:
    """Update the link's base and time stamps after the writes so far."""
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
        rules=rules,
    )
    link.base, link.forgotten_at = write_base(base, rules), None
    for side in agreement.sides.values():
        link.stamp_read(side.system, side.modified_at)
    for each in written.values():
        if each.sent:
            link.stamp_written(each.after.system, each.after.modified_at)

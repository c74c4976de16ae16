"""Bringing one pair into agreement: both sides read, merged, written, and told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.errors import System
from app.links.models import Link
from app.mapping.rules import FieldRule
from app.mapping.values import Agreed, Base, FieldNote, Value, base_from_json, base_to_json
from app.records import Outcome
from app.sync.merge import Merge, merge, next_base
from app.sync.outcome import (
    Result,
    describe_change,
    describe_changes,
    describe_conflicts,
    describe_notes,
)
from app.sync.sides import Side, Written
from app.sync.work import Ending, Work

LANDED = "Found what a broken call had done."
OPEN = "Both sides changed the same field; the setting says that a person decides."


@dataclass(slots=True)
class Agreement:
    """What one merge decided and what became of it."""

    work: Work
    link: Link
    sides: dict[System, Side]
    base: Base
    merged: Merge
    written: dict[System, Written] = field(default_factory=dict)
    ours: bool = False

    def changes(self, target: System) -> Mapping[str, Value]:
        return self.merged.to_woo if target is System.WOOCOMMERCE else self.merged.to_vtiger

    @property
    def targets(self) -> list[System]:
        """Where something is to be written, the hint's other system first."""
        order = [self.work.target, self.work.target.other]
        return [target for target in order if self.changes(target)]

    def made(self, target: System) -> bool:
        """Whether the target is what an unfinished create of ours left."""
        return self.ours and target is self.work.target

    @property
    def notes(self) -> list[FieldNote]:
        return [note for written in self.written.values() for note in written.notes]


def needs_reading(work: Work, link: Link, source: Side, other: Side) -> bool:
    """Whether the shop would be written on the word of a webhook's body."""
    sides = {source.system: source, other.system: other}
    return source.is_hearsay and bool(_merge(work, link, sides).to_woo)


async def agree(work: Work, link: Link, source: Side, other: Side, *, ours: bool = False) -> Ending:
    """Merge and write, one target after the other; each write is kept at once."""
    sides = {source.system: source, other.system: other}
    before = base_from_json(link.base)
    agreement = Agreement(work, link, sides, before, _merge(work, link, sides), ours=ours)
    for target in agreement.targets:
        work.lease.check()
        changes = agreement.changes(target)
        agreement.written[target] = await work.adapter.update(
            sides[target], changes, sides[target.other]
        )
        if target != agreement.targets[-1]:
            await _keep_first(agreement, target)
    _refresh(agreement)
    return Ending(_result(agreement), agreement.link)


def _merge(work: Work, link: Link, sides: Mapping[System, Side]) -> Merge:
    return merge(
        base_from_json(link.base),
        sides[System.WOOCOMMERCE].values,
        sides[System.VTIGER].values,
        rules=work.adapter.rules,
        direction=work.policy.direction,
        policy=work.policy.conflict_policy,
        newer=newer_side(link, sides),
        carried=work.adapter.carried(sides[System.WOOCOMMERCE], sides[System.VTIGER]),
    )


def newer_side(link: Link, sides: Mapping[System, Side]) -> System:
    """The side a person changed last; a stamp that our own write left says nothing."""
    woo = _edited_at(sides[System.WOOCOMMERCE].modified_at, link.woo_written_at)
    vtiger = _edited_at(sides[System.VTIGER].modified_at, link.vtiger_written_at)
    if vtiger is None:
        return System.WOOCOMMERCE
    return System.VTIGER if woo is None or vtiger > woo else System.WOOCOMMERCE


def _edited_at(modified_at: datetime | None, written_at: datetime | None) -> datetime | None:
    return None if modified_at == written_at else modified_at


async def _keep_first(agreement: Agreement, target: System) -> None:
    """The first of two writes is on record before the second is tried."""
    _refresh(agreement)
    agreement.link = await agreement.work.keep(agreement.link, _entry(agreement, target))


def _refresh(agreement: Agreement) -> None:
    """The link's base and stamps after the writes so far."""
    link, written = agreement.link, agreement.written
    woo, vtiger = written.get(System.WOOCOMMERCE), written.get(System.VTIGER)
    unwritten = frozenset().union(*(each.unwritten for each in written.values()))
    base = next_base(
        base_from_json(link.base),
        agreement.merged,
        woo_after=woo.after.values if woo else None,
        vtiger_after=vtiger.after.values if vtiger else None,
        unwritten=unwritten,
    )
    link.base = base_to_json(base)
    for side in agreement.sides.values():
        stamp_read(link, side)
    for each in written.values():
        if each.sent:
            stamp_written(link, each.after)


def stamp_read(link: Link, side: Side) -> None:
    """The record was seen in this state; one that was marked as deleted is back."""
    if side.system is System.WOOCOMMERCE:
        link.woo_modified_at, link.woo_deleted_at = side.modified_at, None
    else:
        link.vtiger_modified_at, link.vtiger_deleted_at = side.modified_at, None


def stamp_written(link: Link, side: Side) -> None:
    """Our write left this stamp: a hint that shows it is an echo."""
    stamp_read(link, side)
    if side.system is System.WOOCOMMERCE:
        link.woo_written_at = side.modified_at
    else:
        link.vtiger_written_at = side.modified_at


def _result(agreement: Agreement) -> Result:
    """The row that ends the hint: the last target's, or that nothing was written."""
    sent = [target for target, written in agreement.written.items() if written.sent]
    if sent:
        return _entry(agreement, sent[-1])
    return _idle(agreement)


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


def _entry(agreement: Agreement, target: System) -> Result:
    written = agreement.written[target]
    changes = {
        name: value
        for name, value in agreement.changes(target).items()
        if name not in written.unwritten
    }
    return replace(
        _blank(agreement, target),
        outcome=Outcome.CREATED if agreement.made(target) else Outcome.UPDATED,
        reason=_conflict_reason(agreement, target),
        changes=describe_changes(agreement.sides[target], changes, target.other),
        notes=describe_notes(written.notes),
    )


def _conflict_reason(agreement: Agreement, target: System) -> str | None:
    winners = {conflict.winner for conflict in agreement.merged.conflicts}
    if None in winners:
        return "conflict_open"
    return "conflict_lost" if target.other in winners else None


def _idle(agreement: Agreement) -> Result:
    """Nothing was sent: a twin of ours, an open conflict, fields kept back, an echo, no change."""
    result = _blank(agreement, agreement.work.target)
    if agreement.ours:
        return replace(result, outcome=Outcome.CREATED, message=LANDED)
    if landed := _landed(agreement):
        return replace(result, outcome=Outcome.UPDATED, message=LANDED, changes=landed)
    if None in {conflict.winner for conflict in agreement.merged.conflicts}:
        return replace(result, outcome=Outcome.SKIPPED, reason="conflict_open", message=OPEN)
    if agreement.notes:
        return _kept_back(result, agreement.notes)
    echo = is_echo(agreement.link, agreement.sides[agreement.work.record.system])
    return replace(result, reason="echo" if echo else "no_difference")


def _landed(agreement: Agreement) -> list[dict[str, Any]]:
    """What an earlier try at this hint wrote, though nobody heard the answer: both sides left the
    base for the same value."""
    if not agreement.work.is_retried:
        return []
    target, base = agreement.work.target, agreement.base
    now = agreement.merged.agreed
    return [
        describe_change(
            rule.name, base[rule.name].on(target), now[rule.name].on(target), target.other
        )
        for rule in agreement.work.adapter.rules
        if rule.name in base and rule.name in now and _left(rule, base[rule.name], now[rule.name])
    ]


def _left(rule: FieldRule, before: Agreed, now: Agreed) -> bool:
    return not rule.same(before.woo, now.woo) and not rule.same(before.vtiger, now.vtiger)


def _kept_back(result: Result, notes: Sequence[FieldNote]) -> Result:
    return replace(
        result,
        outcome=Outcome.SKIPPED,
        reason=notes[0].reason,
        message=f"{notes[0].field}: {notes[0].message}",
        notes=describe_notes(notes),
    )


def is_echo(link: Link, side: Side) -> bool:
    """Whether the side still shows the stamp that our own last write left there."""
    woo = side.system is System.WOOCOMMERCE
    written_at = link.woo_written_at if woo else link.vtiger_written_at
    return written_at is not None and side.modified_at == written_at

"""Bringing one pair into agreement: both sides read, merged, written, and told."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.errors import System
from app.links.models import Link
from app.mapping.values import FieldNote, Value, base_from_json, base_to_json
from app.records import Outcome
from app.sync.merge import Merge, merge, next_base
from app.sync.outcome import (
    Result,
    describe_changes,
    describe_conflicts,
    describe_notes,
)
from app.sync.sides import Side, Written
from app.sync.work import Ending, Work


@dataclass(slots=True)
class Agreement:
    """What one merge decided and what became of it."""

    work: Work
    link: Link
    sides: dict[System, Side]
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


async def agree(work: Work, link: Link, source: Side, other: Side, *, ours: bool = False) -> Ending:
    """Merge and write, one target after the other; each write is kept at once."""
    sides = {source.system: source, other.system: other}
    agreement = Agreement(work, link, sides, _merge(work, link, sides), ours=ours)
    for target in agreement.targets:
        work.lease.check()
        changes = agreement.changes(target)
        agreement.written[target] = await work.adapter.update(sides[target], changes)
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
        newer=_newer(link, sides),
    )


def _newer(link: Link, sides: Mapping[System, Side]) -> System:
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
        return replace(result, outcome=Outcome.CREATED, message="Found what a broken call made.")
    if None in {conflict.winner for conflict in agreement.merged.conflicts}:
        return replace(
            result,
            outcome=Outcome.SKIPPED,
            reason="conflict_open",
            message="Both sides changed the same field; the setting says that a person decides.",
        )
    if agreement.notes:
        first = agreement.notes[0]
        return replace(
            result,
            outcome=Outcome.SKIPPED,
            reason=first.reason,
            message=f"{first.field}: {first.message}",
            notes=describe_notes(agreement.notes),
        )
    return replace(result, reason="echo" if _is_echo(agreement) else "no_difference")


def _is_echo(agreement: Agreement) -> bool:
    """The hinted side still shows the stamp that our own last write left there."""
    link, hinted = agreement.link, agreement.sides[agreement.work.record.system]
    written_at = (
        link.woo_written_at if hinted.system is System.WOOCOMMERCE else link.vtiger_written_at
    )
    return written_at is not None and hinted.modified_at == written_at

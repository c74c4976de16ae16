"""What one merge decided, what became of it, and the row of the log that tells so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.errors import System
from app.links.conflicts import Both
from app.links.models import Link
from app.mapping.values import FieldNote, Value
from app.records import Outcome
from app.sync.attempts import Landing
from app.sync.merge import Merge, describe_held
from app.sync.outcome import (
    Result,
    describe_change,
    describe_changes,
    describe_conflicts,
    describe_notes,
    with_headline,
)
from app.sync.sides import Side, Written
from app.sync.stamps import is_echo
from app.sync.work import LANDED, Work

GONE = (
    "{system} does not show this row's field any more: it was removed, or hidden from the API "
    "user. The value stays where it is; the field mapping shows the row."
)
OPEN = "Both sides changed the same field; a person decides, under Conflicts."


@dataclass(slots=True)
class Agreement:
    """What one merge decided and what became of it; `landings` of earlier updates that nobody
    heard of."""

    work: Work
    link: Link
    sides: dict[System, Side]
    merged: Merge
    landings: Sequence[Landing] = ()
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
        return replace(blank, outcome=Outcome.CREATED, message=LANDED)
    return _landed(agreement) or _idle(agreement)


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
            *_landed_changes(agreement, target),
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


def _landed(agreement: Agreement) -> Result | None:
    """What an earlier try wrote, though nobody heard the answer."""
    targets = {landing.target for landing in agreement.landings}
    found = [target for target in (agreement.work.target, *System) if target in targets]
    if not found:
        return None
    changes = _landed_changes(agreement, found[0])
    blank = _blank(agreement, found[0])
    return replace(blank, outcome=Outcome.UPDATED, message=LANDED, changes=changes)


def _landed_changes(agreement: Agreement, target: System) -> list[dict[str, Any]]:
    """What earlier tries did to the target, but for what is written over now."""
    return [
        describe_change(name, before, landing.now[name].on(target), target.other)
        for landing in agreement.landings
        if landing.target is target
        for name, before in landing.before.items()
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

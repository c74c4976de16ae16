"""How a hint ended, as values; the pipeline turns each into one row of the sync log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.errors import System, WooVtigerError
from app.mapping.values import FieldNote, Value
from app.records import Outcome
from app.sync.merge import Conflict
from app.sync.sides import Side, Skip


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

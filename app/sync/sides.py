"""What one module's adapter and the pipeline say to each other about one side of a pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from app.errors import RemoteError, System, WooVtigerError
from app.mapping.rules import FieldRule
from app.mapping.values import FieldNote, Mapped, Patch, Value
from app.records import Module

T = TypeVar("T")

NO_OBJECTS = "Rows of this list are no objects (counted from 0): they were left out."


@dataclass(frozen=True, slots=True)
class Side:
    """One record as read: its mapped values and the remote's own stamp of its last change.

    `foreign_id` is the other system's id that the record carries in our id field, if any;
    `raw` is what the adapter needs to write it again. `is_hearsay`: a webhook's body told it,
    which may be out of date. `made`: if an unfinished create of ours left this, the fields that
    it surely wrote; None where that cannot be told. `torn`: fields that a broken write of ours
    left half-written there: nobody's edit, to be written again. `notes` tell what of the record
    was left out when it was read.
    """

    system: System
    id: str
    values: Mapped
    modified_at: datetime | None
    created_at: datetime | None
    label: str
    foreign_id: str | None
    raw: object
    is_hearsay: bool = False
    made: frozenset[str] | None = None
    torn: frozenset[str] = frozenset()
    notes: tuple[FieldNote, ...] = ()


def as_pair(side: Side, partner: Side) -> tuple[Side, Side]:
    """Both sides of a pair, WooCommerce's first."""
    return (side, partner) if side.system is System.WOOCOMMERCE else (partner, side)


def only_in(system: System, value: T) -> tuple[T | None, T | None]:
    """What two systems have where one has nothing, WooCommerce's first."""
    return (value, None) if system is System.WOOCOMMERCE else (None, value)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record among many that cannot be read: `error` names it and the field."""

    system: System
    id: str
    error: WooVtigerError

    @property
    def skip(self) -> "Skip":
        return Skip(self.error.reason, str(self.error))


def left_out_notes(dropped: Sequence[str]) -> tuple[FieldNote, ...]:
    """A note on each list of which rows were left out; `dropped` as in WooRecord."""
    lists: dict[str, list[str]] = {}
    for place in dropped:
        name, _, index = place.rpartition("[")
        lists.setdefault(name, []).append(index.rstrip("]"))
    return tuple(
        FieldNote(name, "unreadable", NO_OBJECTS, ", ".join(rows)) for name, rows in lists.items()
    )


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a record is left alone: a reason code and a sentence that says how to mend it.

    `retires`: it is not what it was when it got its pair, so that its partner goes out of use.
    """

    reason: str
    message: str
    retires: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A write that succeeded, or had nothing left to send (`sent` is then False).

    `after` is the target as its answer shows it; `unwritten` are the mapped fields that were
    kept back, each with a note, until somebody edits them; `deferred` those that are to be
    written by the next try.
    """

    after: Side
    notes: tuple[FieldNote, ...]
    unwritten: frozenset[str]
    sent: bool = True
    deferred: frozenset[str] = frozenset()


def leave_out(patch: Patch, path: str, name: str, *, error: RemoteError) -> Patch:
    """A patch without the value at `path`, which the target refused, and a note on that."""
    body = {key: value for key, value in patch.body.items() if key != path}
    note = FieldNote(name, error.reason, str(error), str(patch.body[path]))
    return Patch(body, (*patch.notes, note), patch.unwritten | {name}, patch.apart)


def custom_objection(side: Side, rules: Sequence[FieldRule]) -> Skip | None:
    """Why no twin can be made: a user's row brings nothing to a field that is mandatory there."""
    other = side.system.other
    missing = [
        rule.name
        for rule in rules
        if rule.custom and other in rule.required and not (side.values.get(rule.name) or "").strip()
    ]
    text = f"{other.label} needs {', '.join(missing)}: fill it in in {side.system.label}."
    return Skip("missing_required_field", text) if missing else None


class Adapter(Protocol):
    """One module between one shop and Vtiger; reads and writes, decides nothing.

    Every method may raise the RemoteError tree. Ids are the systems' own, as text.
    """

    @property
    def module(self) -> Module: ...

    @property
    def rules(self) -> tuple[FieldRule, ...]: ...

    async def find(self, system: System, record_id: str) -> Side | None:
        """The record, or None if it is gone."""
        ...

    async def read_body(self, body: Mapping[str, object]) -> Side:
        """A WooCommerce record as a webhook carried it; InvalidInput if it is none."""
        ...

    def natural_keys(self, side: Side) -> tuple[str, ...]:
        """What must not exist twice: creates that share one of these take turns."""
        ...

    def objection(self, side: Side) -> Skip | None:
        """Why this record is not synced at all, if so."""
        ...

    def creation_objection(self, side: Side) -> Skip | None:
        """Why no twin can be made of it, if so."""
        ...

    def carried(self, woo: Side, vtiger: Side) -> frozenset[str]:
        """Fields of which one side holds what the other's value becomes there."""
        ...

    async def search_twins(self, side: Side) -> list[Side] | Skip:
        """Records of the other system that may be this one, best first, oldest first; a Skip where
        it had one, or may have, so that none must be made."""
        ...

    async def search_rivals(self, side: Side) -> list[Side]:
        """Other records of the same system with the same natural key."""
        ...

    async def create(self, target: System, source: Side, key: str = "") -> Written | Side | Skip:
        """Make the twin, carrying the source's id; `key` is for a target that makes nothing twice
        that is sent with one key.

        A Side is the twin that is there already, as the target's refusal showed; a Skip tells
        why there can be none.
        """
        ...

    async def update(self, current: Side, changes: Mapping[str, Value], source: Side) -> Written:
        """Write these mapped fields of `current`, only these; they come from `source`."""
        ...

    async def mark(self, current: Side, foreign_id: str) -> Side:
        """Leave the other system's id in our id field, where there is one; the side after it."""
        ...

    async def delete(self, system: System, record_id: str) -> Skip | None:
        """Delete the record there; one that is gone already is fine. A Skip tells why not."""
        ...

    async def members(self, side: Side) -> Sequence[Side]:
        """Records of the same system that show something of this one, such as its name."""
        ...

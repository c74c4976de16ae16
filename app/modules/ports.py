"""What a module's adapter and the pipeline say to each other: sides of a pair, listings, bulk
creation, record keys and stamps.

A listing shows raw records in pages; what they say is worked out only for those that matter."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeVar

from app.db.session import OUTAGES
from app.domain import (
    InvalidInput,
    Module,
    NotFound,
    Record,
    RecordUnreadable,
    RemoteError,
    System,
    WooVtigerError,
    key_in_logs,
)
from app.links.models import Link
from app.mapping.rules import FieldRule
from app.mapping.values import FieldNote, Mapped, Patch, Value
from app.modules.contacts.mapping import FOREIGN_ID_LABEL
from app.tasks import run_together
from app.vtiger.client import VtigerClient
from app.vtiger.query import Query, Where, since
from app.vtiger.schemas import VtigerModule, VtigerRecord
from app.woocommerce.schemas import WooRecord


class PlannedAction(StrEnum):
    """What a sync would do with a field. Nothing for the last two: `kept` is explained by what
    the target can hold, `differs` is not."""

    TO_WOOCOMMERCE = "to_woocommerce"
    TO_VTIGER = "to_vtiger"
    CONFLICT = "conflict"
    KEPT = "kept"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One mapped field that is not the same in both, in neutral space."""

    field: str
    woo: Value
    vtiger: Value
    act: PlannedAction


# Whose turn it is: the keys that a drain holds while it works on a pair.

PATIENCE = 2.0
"""Seconds to wait for a twin or a new Account in other hands. Of two workers that make one pair
from its two ends, the one that has the natural key waits and the other gives way at once;
were both to give way, they would do so again and again in step."""


def lease_keys(*records: Record) -> list[str]:
    """A key for each record, and one that all stores share for each record of the one CRM.

    Two shops may hold the same Vtiger record; without the shared key two workers could read it
    both before either writes, and one shop's edit would go under unseen.
    """
    return [key for record in records for key in (record.key, shared_key(record)) if key]


def pair_keys(link: Link) -> list[str]:
    """The keys of both records of a pair."""
    return lease_keys(*(link.record(system) for system in System))


def with_partner(record: Record, link: Link | None) -> list[Record]:
    """The record and, if it has a pair, its partner."""
    return [record] if link is None else [record, link.record(record.system.other)]


def shared_key(record: Record) -> str:
    """ "" for a shop's record: nobody else works on it."""
    if record.system is System.WOOCOMMERCE:
        return ""
    return f"any:{record.module}:{record.system}:{record.id}"


# What one module's adapter and the pipeline say to each other about one side of a pair.

T = TypeVar("T")

NO_OBJECTS = "Rows of this list are no objects (counted from 0): they were left out."


@dataclass(frozen=True, slots=True)
class Side:
    """One record as read: its mapped values and the remote's own stamp of its last change.

    `foreign_id` is the other system's id that the record carries in our id field, if any;
    `raw` is what the adapter needs to write it again. `from_webhook_body`: a webhook's body told
    it, which may be out of date. `made`: if an unfinished create of ours left this, the fields that
    it surely wrote; None where that cannot be told. `partially_written`: fields that a broken
    write of ours left half-written there: nobody's edit, to be written again. `notes` tell what of
    the record was left out when it was read.
    """

    system: System
    id: str
    values: Mapped
    modified_at: datetime | None
    created_at: datetime | None
    label: str
    foreign_id: str | None
    raw: object
    from_webhook_body: bool = False
    made: frozenset[str] | None = None
    partially_written: frozenset[str] = frozenset()
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

    async def dependents(self, side: Side) -> Sequence[Side]:
        """Records of the same system that show something of this one, such as its name."""
        ...


@dataclass(frozen=True, slots=True)
class Successor:
    """A record that may stand for one that is gone, and by what it was found."""

    side: Side
    means: str


# The remotes' own stamps of change, kept with a link: what was seen, and what our writes left.


def stamp_read(link: Link, side: Side) -> None:
    """The record was seen in this state; one that was marked as deleted is back."""
    link.delete_held_at = link.delete_confirmed_at = None
    seen = link.side(side.system)
    seen.modified_at, seen.deleted_at = side.modified_at, None


def stamp_written(link: Link, side: Side) -> None:
    """Our write left this stamp: a hint that shows it is an echo."""
    stamp_read(link, side)
    link.side(side.system).written_at = side.modified_at


def stamp_external_id(link: Link, modified_at: datetime | None) -> None:
    """The shop's record carries the other's id now, and has this stamp."""
    link.woo_modified_at = link.woo_written_at = modified_at


def is_echo(link: Link, side: Side) -> bool:
    """Whether the side still shows the stamp that our own last write left there."""
    written_at = link.side(side.system).written_at
    return written_at is not None and side.modified_at == written_at


# Where a record carries the other system's id, and whether what is there can be one.


def foreign_id_field(shape: VtigerModule, store: str, *, only_store: bool) -> str | None:
    """Our id field by its label: one for the only shop, or one named after each of several."""
    labels = [label_of(store, only_store=False)]
    labels += [label_of(store, only_store=True)] if only_store else []
    found = (shape.field_labelled(label) for label in labels)
    return next((field.name for field in found if field is not None), None)


def label_of(store: str, *, only_store: bool) -> str:
    """The label that an admin is to give the field."""
    return FOREIGN_ID_LABEL if only_store else of_store(FOREIGN_ID_LABEL, store)


def of_store(label: str, store: str) -> str:
    """The label of a field that is one store's among several."""
    return f"{label} ({store})"


def foreign_id_fields(shape: VtigerModule | None) -> frozenset[str]:
    """The id fields of all shops."""
    label = FOREIGN_ID_LABEL.casefold()
    fields = shape.fields if shape else ()
    return frozenset(field.name for field in fields if field.label.casefold().startswith(label))


def is_plausible(system: System, text: str) -> bool:
    """Whether a text is of the form that the system's ids have."""
    number = text if system is System.WOOCOMMERCE else text.partition("x")[2]
    return number.isascii() and number.isdigit()


GONE = (
    "It names {system} {id}, which was deleted there or is in the trash: restore it, or clear that "
    "id here to have a new one made."
)


def deleted_twin(system: System, record_id: str) -> Skip:
    """Why nothing is made of a record that carries the id of one that is gone: it had a pair."""
    return Skip("delete_ignored", GONE.format(system=system.label, id=record_id))


PAGE = 100
ChangePredicate = Callable[[Link, Side], bool]
NO_PREDICATES: Mapping[System, ChangePredicate] = MappingProxyType({})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as a listing shows it."""

    system: System
    id: str
    raw: WooRecord | VtigerRecord

    @property
    def changed_at(self) -> datetime | None:
        """None where the system does not tell: taxes have no times."""
        return self.raw.modified_at or self.raw.created_at


Read = Side | Unreadable
"""What became of reading one record of many: one that cannot be read spoils no other."""


class Listing(Protocol):
    """One module of one shop and Vtiger, read in bulk. Every method may raise the RemoteError
    tree.

    `lists_all`: the systems that cannot tell what changed since a moment, and show everything.
    `change_predicates`: those of which a listing shows a part of each record only, with what tells
    at a glance that the rest is not as agreed; the stamp of the last change counts beside it.
    """

    @property
    def adapter(self) -> Adapter: ...

    @property
    def lists_all(self) -> frozenset[System]: ...

    @property
    def change_predicates(self) -> Mapping[System, ChangePredicate]: ...

    async def find_last_change(self, system: System) -> datetime | None:
        """The latest change by the system's own clock; None if there is nothing in it."""
        ...

    async def count(self, system: System, changed_since: datetime | None) -> int:
        """About how many records `each` will show."""
        ...

    def each(self, system: System, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        """Records changed since a moment, or all, in pages; those that are no records of the
        module, such as a variable product's frame, are left out."""
        ...

    def each_trashed(self) -> AsyncIterator[str]:
        """The ids of what is in the shop's trash."""
        ...

    def each_vtiger_id(self) -> AsyncIterator[str]:
        """The ids of all records in Vtiger."""
        ...

    async def sides(self, page: Sequence[Seen]) -> list[Read]:
        """What a page's records say; a field that the listing does not tell is None."""
        ...

    async def complete(self, page: Sequence[Seen]) -> list[Read]:
        """The same, with what the listing does not tell read for each; those that are gone by
        then are missing."""
        ...

    async def whole(self, system: System, ids: Sequence[str]) -> list[Read]:
        """Records by id, told whole; those that are gone are missing."""
        ...

    def is_explained(self, name: str, woo: Side, vtiger: Side) -> bool:
        """Whether a field of a pair differs only by what the target can hold."""
        ...

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:
        """Differences that no field of the mapping tells."""
        ...


async def pages(items: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """The same in lists of a hundred, as they come."""
    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def last_change(module: str) -> Query:
    """Asks for a Vtiger module's latest change."""
    return Query(module, ("modifiedtime",), order_by="modifiedtime", limit=1, descending=True)


def changed_where(changed_since: datetime | None) -> tuple[Where, ...]:
    """Asks for Vtiger's records that changed since a moment, or for all."""
    return (since(changed_since),) if changed_since is not None else ()


async def find_each(adapter: Adapter, system: System, ids: Sequence[str]) -> list[Read]:
    """Records read one by one, as many at once as the client allows."""
    found = await run_together(
        attempt(system, record_id, adapter.find(system, record_id)) for record_id in ids
    )
    return [read for read in found if read is not None]


async def read_each(
    adapter: Adapter,
    vtiger: VtigerClient,
    module: str,
    ids: Sequence[str],
    reading: Callable[[VtigerRecord], Awaitable[Side]],
) -> list[Read]:
    """Vtiger's records by id, a hundred a call where its add-on reads. `reading` is what
    `adapter.find` makes of a record."""
    records = await vtiger.retrieve_many(module, ids)
    if records is None:
        return await find_each(adapter, System.VTIGER, ids)
    found = await run_together(
        attempt(System.VTIGER, record.id, _unless_gone(reading, record)) for record in records
    )
    return [read for read in found if read is not None]


async def _unless_gone(
    reading: Callable[[VtigerRecord], Awaitable[Side]], record: VtigerRecord
) -> Side | None:
    try:
        return await reading(record)
    except NotFound:
        return None


async def attempt(system: System, record_id: str, reading: Awaitable[T]) -> T | Unreadable:
    """One record's reading, or why it cannot be read: its own fault, or a bug of ours that only
    its values bring about. Raises what is no matter of the record: the rest of the error tree."""
    try:
        return await reading
    except (RecordUnreadable, InvalidInput) as error:
        return Unreadable(system, record_id, error)
    except WooVtigerError:
        raise
    except OUTAGES:
        raise
    except Exception as error:
        log.exception("a bug while reading %s of %s", key_in_logs(record_id), system)
        message = f"{type(error).__name__}: an error in the service; its log tells more."
        return Unreadable(system, record_id, WooVtigerError(message))


def without(side: Side, name: str) -> Side:
    """The side as a listing tells it that does not show a field."""
    return replace(side, values=replace(side.values, values={**side.values.values, name: None}))


# What one module adds so that the records of a page are created together.
#
# A page's records are looked for in the target by a few queries, and written to a shop by one
# batch; Vtiger takes one record a call (contract page Vtiger §8).

Made = Written | Side | Skip | WooVtigerError
"""What became of one create: as `Adapter.create` answers, or its error."""

IdsWritten = datetime | None | RemoteError
"""The stamp that a mark left, or its error."""


class Bulk(Protocol):
    """One module between one shop and Vtiger, for many records of one side at a time.

    Methods may raise LeaseLost, DependencyNotReady and the RemoteError tree, unless they say
    otherwise.
    """

    @property
    def adapter(self) -> Adapter: ...

    async def search_first(self, seen: Sequence[Seen]) -> list[Seen]:
        """People who have to be contacts before these records can be read whole, and who are
        plainly new: they can be made together."""
        ...

    async def foresee(self, seen: Sequence[Seen]) -> None:
        """What reading these records whole will ask the database for, read together."""
        ...

    async def prepare(self, sources: Sequence[Side]) -> None:
        """What creates in Vtiger need beside the records, looked for together."""
        ...

    async def search_taken(self, sources: Sequence[Side]) -> frozenset[str]:
        """The ids of those of which the other side may have a twin, or their own a rival."""
        ...

    async def create_in_shop(self, sources: Sequence[Side]) -> list[Made]:
        """A twin for each, in their order. Raises no RemoteError."""
        ...

    async def write_external_ids_in_shop(
        self, marks: Sequence[tuple[Side, str]]
    ) -> list[IdsWritten]:
        """Vtiger's id in each of these records of the shop, in their order. Raises no
        RemoteError."""
        ...


def whole_error(results: Sequence[object]) -> RemoteError | None:
    """The error of a whole batch, if that is what all items of it got."""
    first = results[0] if results else None
    same = isinstance(first, RemoteError) and all(each is first for each in results)
    return first if same and isinstance(first, RemoteError) else None

"""The interface between a module's adapter and the pipeline: sides of a pair, listings, readers and
bulk creation.

A listing yields raw records in pages; a reader maps the values of those records that need it."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeVar

from app.db.session import OUTAGES
from app.domain import (
    Direction,
    InvalidInput,
    Module,
    NotFound,
    RecordUnreadable,
    RemoteError,
    System,
    WooVtigerError,
    key_in_logs,
)
from app.links.models import Link
from app.mapping.rules import FieldRule
from app.mapping.values import FieldNote, Mapped, Patch, Value
from app.tasks import run_together
from app.vtiger.client import VtigerClient
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooProduct, WooRecord


class PlannedAction(StrEnum):
    """What a sync would do with a field. The last two write nothing: the difference of `kept` is
    explained by what the target can store, that of `differs` is not."""

    TO_WOOCOMMERCE = "to_woocommerce"
    TO_VTIGER = "to_vtiger"
    CONFLICT = "conflict"
    KEPT = "kept"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One mapped field whose neutral values differ between the two systems."""

    field: str
    woo: Value
    vtiger: Value
    act: PlannedAction


# One side of a pair, and the adapter that reads and writes it.

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Side:
    """One record as read: its mapped values and the remote's own stamp of its last change.

    - `foreign_id`: the other system's id that the record carries in our id field, if any.
    - `raw`: what the adapter needs to write the record again.
    - `from_webhook_body`: it was read from a webhook's body, which may be out of date.
    - `made`: if an unfinished create of ours left the record, the fields that this create wrote
      for certain; None where that is not known.
    - `partially_written`: fields that an interrupted write of ours left incomplete. They are not
      an edit and are written again.
    - `notes`: what of the record was left out when it was read.
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
    """`value` as the pair (WooCommerce's, Vtiger's), with None for the other system."""
    return (value, None) if system is System.WOOCOMMERCE else (None, value)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One record of many that cannot be read; `error` names it and the field."""

    system: System
    id: str
    error: WooVtigerError

    @property
    def skip(self) -> "Skip":
        return Skip(self.error.reason, str(self.error))


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a record is skipped: a reason code and a message that says how to fix it.

    `retires`: the record is no longer of the kind that was paired, so that its partner is
    deactivated.
    """

    reason: str
    message: str
    retires: bool = False


def direction_skip(direction: Direction, target: System) -> Skip:
    """The skip of a record whose target may not be written in this direction."""
    message = f"The direction is {direction}: {target.label} is not written from this side."
    return Skip("direction_off", message)


@dataclass(frozen=True, slots=True)
class Written:
    """A write that succeeded, or that had nothing left to send (`sent` is then False).

    `after` is the target's record as its response shows it. `unwritten` are the mapped fields
    that were not sent, each with a note, until somebody edits them; `deferred` are those that the
    next attempt is to write.
    """

    after: Side
    notes: tuple[FieldNote, ...]
    unwritten: frozenset[str]
    sent: bool = True
    deferred: frozenset[str] = frozenset()


def leave_out(patch: Patch, path: str, name: str, *, error: RemoteError) -> Patch:
    """The patch without the value at `path`, which the target refused, and with a note on that."""
    body = {key: value for key, value in patch.body.items() if key != path}
    note = FieldNote(name, error.reason, str(error), str(patch.body[path]))
    return Patch(body, (*patch.notes, note), patch.unwritten | {name}, patch.apart)


def custom_objection(side: Side, rules: Sequence[FieldRule]) -> Skip | None:
    """Why no twin can be created: a user's row has no value for a field that is mandatory in the
    other system; None if there is no such row."""
    other = side.system.other
    missing = [
        rule.name
        for rule in rules
        if rule.custom and other in rule.required and not (side.values.get(rule.name) or "").strip()
    ]
    text = f"{other.label} requires {', '.join(missing)}: fill it in in {side.system.label}."
    return Skip("missing_required_field", text) if missing else None


class Adapter(Protocol):
    """One module between one shop and Vtiger: it reads and writes, and decides nothing.

    Every method may raise any RemoteError. Ids are those of the systems, as text.
    """

    @property
    def module(self) -> Module: ...

    @property
    def rules(self) -> tuple[FieldRule, ...]: ...

    async def find(self, system: System, record_id: str) -> Side | None:
        """The record, or None if it is gone."""
        ...

    async def read_body(self, body: Mapping[str, object]) -> Side:
        """The WooCommerce record in a webhook's body; InvalidInput if the body is none."""
        ...

    def natural_keys(self, side: Side) -> tuple[str, ...]:
        """What must not exist twice: creates that share one of these keys are serialised."""
        ...

    def objection(self, side: Side) -> Skip | None:
        """Why this record is not synced at all; None if it is."""
        ...

    def creation_objection(self, side: Side) -> Skip | None:
        """Why no twin can be created for it; None if one can."""
        ...

    def converted_names(self, woo: Side, vtiger: Side) -> frozenset[str]:
        """Fields of which one side already has what the other side's value would become there."""
        ...

    async def search_twins(self, side: Side) -> list[Side] | Skip:
        """Records of the other system that may be this one, best and then oldest first; a Skip
        where it had a twin, or may have one, so that none must be created."""
        ...

    async def search_rivals(self, side: Side) -> list[Side]:
        """Other records of the same system with the same natural key."""
        ...

    async def create(self, target: System, source: Side, key: str = "") -> Written | Side | Skip:
        """Create the twin with the source's id; `key` is the create key, for a target that is
        idempotent by it.

        A Side is a twin that exists already, as the target's refusal showed; a Skip says why there
        can be none.
        """
        ...

    async def update(self, current: Side, changes: Mapping[str, Value], source: Side) -> Written:
        """Write these mapped fields of `current` and no others; the values come from `source`."""
        ...

    async def write_external_id(self, current: Side, foreign_id: str) -> Side:
        """Write the other system's id to our id field, where there is one; the side after that."""
        ...

    async def delete(self, system: System, record_id: str) -> Skip | None:
        """Delete the record; one that is gone already is no error. A Skip says why it was not
        deleted."""
        ...

    async def dependents(self, side: Side) -> Sequence[Side]:
        """Records of the same system that show a value of this one, such as its name."""
        ...


@dataclass(frozen=True, slots=True)
class Successor:
    """A record that may replace one that is gone, and by what it was found."""

    side: Side
    means: str


# External ids: whether a text can be one, and that of a deleted record.


def is_plausible(system: System, text: str) -> bool:
    """Whether a text has the form of the system's ids."""
    number = text if system is System.WOOCOMMERCE else text.partition("x")[2]
    return number.isascii() and number.isdigit()


GONE = (
    "It names {system} {id}, which was deleted there or is in the trash: restore it, or clear that "
    "id here to have a new one created."
)


def deleted_twin(system: System, record_id: str) -> Skip:
    """Why no twin is created for a record that carries the id of a deleted one: it had a pair."""
    return Skip("delete_ignored", GONE.format(system=system.label, id=record_id))


PAGE = 100
ChangePredicate = Callable[[Link, Side], bool]
NO_PREDICATES: Mapping[System, ChangePredicate] = MappingProxyType({})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ListedRecord:
    """One raw record of a listing; `parent` is the product of a variation."""

    system: System
    id: str
    raw: WooRecord | VtigerRecord
    parent: WooProduct | None = None

    @property
    def changed_at(self) -> datetime | None:
        """None where the system has no modification time, as for taxes."""
        return self.raw.modified_at or self.raw.created_at


Read = Side | Unreadable
"""The result of reading one record of many: one that cannot be read does not fail the others."""


class Reader(Protocol):
    """Reads listed records of one module as sides. Every method may raise any RemoteError.

    `change_predicates`: for the systems whose listing shows only a part of each record, a test
    whether the rest differs from the base; the modification stamp counts as well.
    """

    @property
    def adapter(self) -> Adapter: ...

    @property
    def change_predicates(self) -> Mapping[System, ChangePredicate]: ...

    async def sides(self, page: Sequence[ListedRecord]) -> list[Read]:
        """The sides of a page's records; a field that the listing does not show is None."""
        ...

    async def complete(self, page: Sequence[ListedRecord]) -> list[Read]:
        """The same with all fields: what the listing does not show is read for each record.
        Records that are gone by then are left out."""
        ...

    async def whole(self, system: System, ids: Sequence[str]) -> list[Read]:
        """Records by id with all fields; those that are gone are left out."""
        ...

    def is_explained(self, name: str, woo: Side, vtiger: Side) -> bool:
        """Whether a field of a pair differs only because of what the target can store."""
        ...

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:
        """Differences of totals that no mapped field shows."""
        ...


class Listing(Protocol):
    """The raw records of one module of one shop and Vtiger. Every method may raise any RemoteError.

    `lists_all`: the systems that cannot filter by modification time and list everything.
    """

    @property
    def module(self) -> Module: ...

    @property
    def lists_all(self) -> frozenset[System]: ...

    async def reader(self) -> Reader:
        """The reader of these records. It is opened on the first call: a poll that lists nothing
        new needs none."""
        ...

    async def find_last_change(self, system: System) -> datetime | None:
        """The time of the latest change by the system's own clock; None if it has no record."""
        ...

    async def count(self, system: System, changed_since: datetime | None) -> int:
        """About how many records `each` is going to yield."""
        ...

    def each(
        self, system: System, changed_since: datetime | None
    ) -> AsyncIterator[list[ListedRecord]]:
        """Records changed since a time, or all, in pages; those that the module does not sync, such
        as variable parents, are left out."""
        ...

    def each_trashed(self) -> AsyncIterator[str]:
        """The ids of the records in the shop's trash."""
        ...

    def each_vtiger_id(self) -> AsyncIterator[str]:
        """The ids of all records in Vtiger."""
        ...


async def pages(items: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    """The items in lists of PAGE, as they arrive."""
    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


async def find_each(adapter: Adapter, system: System, ids: Sequence[str]) -> list[Read]:
    """Read records one by one, as many at once as the client allows."""
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
    """Read Vtiger's records by id, a hundred a call where its add-on can read. `reading` turns a
    record into a side, as `adapter.find` does."""
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
    """The result of reading one record, or why it cannot be read: invalid data, or an unhandled
    exception that its values cause. Errors that do not concern the record are raised: the rest of
    the WooVtigerError tree, and outages of the database."""
    try:
        return await reading
    except (RecordUnreadable, InvalidInput) as error:
        return Unreadable(system, record_id, error)
    except WooVtigerError:
        raise
    except OUTAGES:
        raise
    except Exception as error:
        log.exception("unhandled exception reading %s of %s", key_in_logs(record_id), system)
        message = f"{type(error).__name__}: an error in the service; see its log."
        return Unreadable(system, record_id, WooVtigerError(message))


def without(side: Side, name: str) -> Side:
    """The side with the field `name` as not shown (None)."""
    return replace(side, values=replace(side.values, values={**side.values.values, name: None}))


# Bulk creation of a page's records.
#
# A page's records are searched for in the target by a few queries, and written to a shop in one
# batch; Vtiger takes one record a call (contract page Vtiger §8).

CreateResult = Written | Side | Skip | WooVtigerError
"""The result of one create: what `Adapter.create` returns, or its error."""

IdWriteResult = datetime | None | RemoteError
"""The stamp after an external id was written, or the error."""


class Bulk(Protocol):
    """One module between one shop and Vtiger, for many records of one system at a time.

    Methods may raise LeaseLost, DependencyNotReady and any RemoteError, unless documented
    otherwise.
    """

    @property
    def adapter(self) -> Adapter: ...

    async def search_prerequisites(self, seen: Sequence[ListedRecord]) -> list[ListedRecord]:
        """People who must be contacts before these records can be read, and who are certainly new,
        so that they can be created together."""
        ...

    async def preload_links(self, seen: Sequence[ListedRecord]) -> None:
        """Preload the links that reading these records needs from the database."""
        ...

    async def prepare(self, sources: Sequence[Side]) -> None:
        """Prefetch what creates in Vtiger need beside the records."""
        ...

    async def search_taken(self, sources: Sequence[Side]) -> frozenset[str]:
        """The ids of the sources for which the other system may have a twin, or their own system a
        rival."""
        ...

    async def create_in_shop(self, sources: Sequence[Side]) -> list[CreateResult]:
        """Create a twin for each source; results in their order. Raises no RemoteError."""
        ...

    async def write_external_ids_in_shop(
        self, marks: Sequence[tuple[Side, str]]
    ) -> list[IdWriteResult]:
        """Write Vtiger's id to each of these records of the shop; results in their order. Raises
        no RemoteError."""
        ...


def whole_error(results: Sequence[object]) -> RemoteError | None:
    """The error of a whole batch if all its items have the same one, else None."""
    first = results[0] if results else None
    same = isinstance(first, RemoteError) and all(each is first for each in results)
    return first if same and isinstance(first, RemoteError) else None

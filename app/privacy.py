"""Erasure of a person's data in the service: links, deliveries, Sync Log, conflicts and findings of
runs. The two systems are not changed.

The person's records are found by e-mail: contacts, guests, and their orders. Ids, outcomes, times
and totals are kept, so that all counts remain correct. All of these records are leased first,
because a worker that is syncing one of them would store the data that it has read before."""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Text,
    case,
    cast,
    delete,
    false,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.session import Session, Sessions, transaction
from app.domain import (
    FORGOTTEN_GUEST,
    GUEST,
    DeliveryState,
    LeaseLost,
    Module,
    Record,
    StaleState,
    System,
    guest_id_of,
)
from app.inbox.models import Delivery, Wakeup
from app.inbox.repository import locked
from app.links.leases import hold, lease_keys
from app.links.models import (
    FieldConflict,
    GuestOrder,
    Intent,
    Lease,
    Link,
    MissingReference,
    Sighting,
)
from app.links.repository import refusing_stale
from app.module_facts import FACTS
from app.modules.contacts.adapter import email_key
from app.runs.models import RunDifference, SyncRun
from app.synclog.models import Entry

# Search for an e-mail address in columns: text, JSON, or bodies as received

_BEFORE = r"(?<![[:alnum:]._%+'-])"
_AFTER = r"(?![[:alnum:]-]|\.[[:alnum:]])"
"""The boundary of a whole address: bob@x.org is not in jacob@x.org or bob@x.org.uk."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Conditions that find a person by e-mail, ignoring case, in one store or in all."""

    email: str
    store: str | None = None

    @property
    def folded(self) -> str:
        return self.email.strip().casefold()

    def of_store(self, column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
        return column == self.store if self.store else column.is_not(None)

    def in_text(self, *columns: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """Whether one of the text or JSON columns contains the address."""
        pattern = _BEFORE + _literal(self.folded) + _AFTER
        texts = (func.coalesce(cast(column, Text), "") for column in columns)
        return or_(*(each.regexp_match(pattern, "i") for each in texts))

    def in_body(self, column: InstrumentedAttribute[bytes | None]) -> ColumnElement[bool]:
        """Whether a body contains the address literally, in JSON as PHP writes it, or in a form."""
        shown = func.encode(column, "escape")
        forms = {_BEFORE + _literal(_escaped(form)) + _AFTER for form in self._forms()}
        return or_(*(shown.regexp_match(form, "i") for form in sorted(forms)))

    def is_value_in_body(self, column: InstrumentedAttribute[bytes | None]) -> ColumnElement[bool]:
        """Whether a JSON body has the address as the value of a field `email`."""
        forms = {f'"email":\\s*"{_literal(_escaped(form))}"' for form in self._forms()}
        shown = func.encode(column, "escape")
        return or_(*(shown.regexp_match(form, "i") for form in sorted(forms)))

    def _forms(self) -> set[str]:
        in_json = json.dumps(self.folded)[1:-1]
        return {self.folded, in_json, in_json.replace("/", r"\/"), quote(self.folded)}


def _literal(text: str) -> str:
    """A regular expression that matches the text literally."""
    return re.sub(r"([^\w\s])", r"\\\1", text, flags=re.ASCII)


def _escaped(text: str) -> str:
    """The text in the format of PostgreSQL's `encode(…, 'escape')`."""
    shown = text.replace("\\", "\\\\").encode()
    return "".join(chr(byte) if byte < 128 else f"\\{byte:03o}" for byte in shown)


# Comparisons: the number of differences is kept, the values are erased

_DIFFERENCE_TEXTS = (
    *(RunDifference.record_key, RunDifference.label, RunDifference.message),
    *(RunDifference.fields, RunDifference.woo_id),
)


async def erase_differences(session: AsyncSession, traces: Traces, keys: Collection[str]) -> int:
    of_store = select(SyncRun.id).where(traces.of_store(SyncRun.store))
    theirs = or_(RunDifference.record_key.in_(keys), traces.in_text(*_DIFFERENCE_TEXTS))
    found = select(RunDifference.id).where(RunDifference.run_id.in_(of_store), theirs)
    ids = (await session.scalars(found)).all()
    values = {"label": "", "message": "", "fields": []}
    erased = update(RunDifference).where(RunDifference.id.in_(ids)).values(values)
    await session.execute(erased)
    guests = RunDifference.id.in_(ids) & traces.in_text(RunDifference.record_key)
    nameless = func.concat("forgotten:", RunDifference.id)
    await session.execute(
        update(RunDifference).where(guests).values(record_key=nameless, woo_id=None)
    )
    return len(ids)


# Sync Log: rows and totals are kept, names and values are erased

_ENTRY_TEXTS = (
    *(Entry.message, Entry.label, Entry.changes, Entry.notes, Entry.conflicts),
    *(Entry.source_id, Entry.target_id),
)


async def erase_entries(
    session: AsyncSession,
    traces: Traces,
    *,
    link_ids: Collection[int],
    places: Collection[tuple[str, str, str]],
) -> int:
    """Erase the entries of a person. `places` are store, module and id of the person's records in
    either system."""
    theirs = or_(Entry.link_id.in_(link_ids), _at(places), traces.in_text(*_ENTRY_TEXTS))
    erased = await session.scalars(
        update(Entry)
        .where(traces.of_store(Entry.store), theirs)
        .values(
            message="",
            label="",
            changes=[],
            notes=[],
            conflicts=[],
            source_id=_nameless(traces, Entry.source_id),
            target_id=_nameless(traces, Entry.target_id),
        )
        .returning(Entry.id)
    )
    return len(erased.all())


def _at(places: Collection[tuple[str, str, str]]) -> ColumnElement[bool]:
    if not places:
        return false()
    sides = ((Entry.store, Entry.module, each) for each in (Entry.source_id, Entry.target_id))
    return or_(*(tuple_(*side).in_(places) for side in sides))


def _nameless(traces: Traces, column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    return case((traces.in_text(column), FORGOTTEN_GUEST), else_=column)


# Pairs: the values are erased, the pairs are kept
#
# A link keeps its ids and timestamps, and its base the values that are not personal. Polls skip it
# until the record changes; then both sides are compared like those of a new pair.

Place = tuple[str, str, str]
"""Store, module, and the id in one of the two systems."""


async def find_contacts(session: AsyncSession, traces: Traces) -> Sequence[Link]:
    """The pairs of contacts of this person."""
    mine = or_(Link.woo_id == guest_id_of(traces.folded), traces.in_text(Link.base, Link.attempted))
    found = select(Link).where(Link.module == Module.CONTACTS, traces.of_store(Link.store), mine)
    return (await session.scalars(found)).all()


async def find_orders(
    session: AsyncSession, traces: Traces, contacts: Sequence[Link]
) -> Sequence[Link]:
    """The pairs of orders of this person's contacts, or of contacts that replaced them."""
    named = {each for link in contacts for each in (link.vtiger_id, link.replaced_by)}
    ids = sorted(each for each in named if each)
    theirs = [Link.base["contact"][side].astext.in_(ids) for side in (0, 1)]
    latest = select(GuestOrder.store, GuestOrder.order_id).where(
        GuestOrder.email == traces.folded, traces.of_store(GuestOrder.store)
    )
    found = select(Link).where(
        Link.module == Module.SALES_ORDERS,
        traces.of_store(Link.store),
        or_(*theirs, tuple_(Link.store, Link.woo_id).in_(latest)),
    )
    return (await session.scalars(found)).all()


async def find_at(session: AsyncSession, places: Collection[Place]) -> Sequence[Link]:
    """The pairs with one of these records."""
    if not places:
        return []
    columns = ((Link.store, Link.module, each) for each in (Link.woo_id, Link.vtiger_id))
    found = select(Link).where(or_(*(tuple_(*each).in_(places) for each in columns)))
    return (await session.scalars(found)).all()


async def erase_links(session: AsyncSession, traces: Traces, links: Sequence[Link]) -> int:
    """Erase the values of these pairs, which the caller has leased, and return their number. A
    guest's link gets an anonymous id and counts as deleted."""
    for link in links:
        kept = FACTS[Module(link.module)].impersonal_fields
        link.base = {name: link.base[name] for name in kept if name in link.base}
        link.attempted, link.forgotten_at = None, func.now()
        if link.woo_id == guest_id_of(traces.folded):
            link.woo_id = f"{FORGOTTEN_GUEST}:{link.id}"
            link.woo_deleted_at = func.now()
    with refusing_stale():
        await session.flush()
    await session.execute(
        delete(GuestOrder).where(
            GuestOrder.email == traces.folded, traces.of_store(GuestOrder.store)
        )
    )
    return len(links)


async def erase_conflicts(session: AsyncSession, traces: Traces, link_ids: Collection[int]) -> int:
    """Erase the values of conflicts. The next merge fills an open one again."""
    held = traces.in_text(
        FieldConflict.label, FieldConflict.woo, FieldConflict.vtiger, FieldConflict.woo_id
    )
    theirs = or_(FieldConflict.link_id.in_(link_ids), held)
    values = {"label": "", "woo": None, "vtiger": None}
    nameless = func.regexp_replace(FieldConflict.woo_id, f"^{GUEST}.*", FORGOTTEN_GUEST)
    found = select(FieldConflict.id).where(traces.of_store(FieldConflict.store), theirs)
    ids = (await session.scalars(found.order_by(FieldConflict.id).with_for_update())).all()
    await session.execute(
        update(FieldConflict).where(FieldConflict.id.in_(ids)).values(**values, woo_id=nameless)
    )
    return len(ids)


async def erase_keys(session: AsyncSession, traces: Traces) -> None:
    """Erase other rows whose keys contain the address. The states that polls have stored of records
    without a pair have no personal data and are kept: without them, a poll would sync the
    records."""
    named = traces.in_text(Intent.natural_key)
    await session.execute(update(Intent).where(named).values(natural_key=""))
    await session.execute(
        delete(MissingReference).where(
            traces.in_text(MissingReference.needs, MissingReference.record_key)
        )
    )
    for table in (Sighting, Intent):
        await session.execute(delete(table).where(traces.in_text(table.record_key)))
    expired = traces.in_text(Lease.key) & (Lease.expires_at < func.clock_timestamp())
    free = select(Lease.key).where(expired).with_for_update(skip_locked=True)
    await session.execute(delete(Lease).where(Lease.key.in_(free)))


# Deliveries: bodies, and keys that contain the address

PEOPLES = [module for module, facts in FACTS.items() if facts.is_personal]


@dataclass(frozen=True, slots=True)
class ErasedHints:
    """The number of erased deliveries, and of those that are not settled yet."""

    erased: int
    waiting: int


async def find_reported(session: AsyncSession, traces: Traces) -> set[tuple[str, str, str]]:
    """Store, module and id of the records whose bodies have this e-mail address."""
    found = await session.execute(
        select(Delivery.store, Delivery.module, Delivery.record_id)
        .where(
            Delivery.module.in_(PEOPLES),
            traces.of_store(Delivery.store),
            traces.is_value_in_body(Delivery.body),
        )
        .distinct()
    )
    return {(str(store), str(module), str(record_id)) for store, module, record_id in found}


async def erase_deliveries(
    session: AsyncSession, traces: Traces, keys: Collection[str]
) -> ErasedHints:
    """Erase bodies and messages of deliveries. Ids, times and outcomes are kept, and the record key
    of a waiting delivery."""
    named = traces.in_text(
        Delivery.record_id, Delivery.remote_note, Delivery.last_error, Delivery.waits_for
    )
    theirs = or_(Delivery.record_key.in_(keys), named, traces.in_body(Delivery.body))
    found = locked(traces.of_store(Delivery.store), theirs)
    ids = (await session.scalars(found)).all()
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(ids))
        .values(
            body=None,
            last_error=None,
            waits_for=case((traces.in_text(Delivery.waits_for), None), else_=Delivery.waits_for),
            remote_note=case(
                (traces.in_text(Delivery.remote_note), ""), else_=Delivery.remote_note
            ),
        )
    )
    ended = Delivery.state.in_([DeliveryState.DONE, DeliveryState.DEAD])
    guest = Delivery.id.in_(ids) & traces.in_text(Delivery.record_id)
    key = func.concat(Delivery.store, ":contacts:woocommerce:", FORGOTTEN_GUEST)
    await session.execute(
        update(Delivery).where(guest, ended).values(record_id=FORGOTTEN_GUEST, record_key=key)
    )
    waiting = select(func.count()).where(Delivery.id.in_(ids), ~ended)
    await _drop_jobs(session, traces)
    return ErasedHints(len(ids), int(await session.scalar(waiting) or 0))


async def _drop_jobs(session: AsyncSession, traces: Traces) -> None:
    """Delete the jobs whose lock contains the address. Dispatch creates another job for a record
    that still waits."""
    theirs = update(Wakeup).where(traces.in_text(Wakeup.record_key))
    await session.execute(theirs.values(woken_at=None))
    jobs = text(
        "DELETE FROM procrastinate_jobs WHERE status <> 'doing' AND strpos(lower(lock), :email) > 0"
    )
    await session.execute(jobs, {"email": traces.folded})


LEASE_TIMEOUT = 60.0
"""Seconds to wait for records that workers have leased."""
LEASE_SECONDS = 30.0

RECORD_LEASED = (
    "A worker is syncing a record of this person and did not finish within {seconds:.0f} s: "
    "nothing was erased. Repeat the command."
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The number of rows of each kind whose personal data was erased. `waiting` is the number of
    deliveries that are not settled yet; the erasure has to be repeated once they are."""

    deliveries: int
    log_entries: int
    links: int
    conflicts: int
    differences: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Person:
    """The pairs of a person, and the records in one of the two systems."""

    links: Sequence[Link]
    places: frozenset[Place]

    @property
    def records(self) -> list[Record]:
        """A record in each system for each place, because the system of an id is not known."""
        return [
            Record(store, system, Module(module), record_id)
            for store, module, record_id in self.places
            for system in System
        ]

    @property
    def lease_keys(self) -> set[str]:
        return set(lease_keys(*self.records))


async def forget(
    sessions: Sessions, email: str, *, store: str | None = None, wait_seconds: float = LEASE_TIMEOUT
) -> Forgotten:
    """Erase a person's data, completely or not at all.

    Raises StaleState if a worker has leased one of the person's records for longer than
    `wait_seconds` seconds.
    """
    traces = Traces(email, store)
    try:
        return await _forget_leased(sessions, traces, wait_seconds)
    except LeaseLost:
        raise StaleState(RECORD_LEASED.format(seconds=wait_seconds)) from None


async def foresee(sessions: Sessions, email: str, *, store: str | None = None) -> Forgotten:
    """Count what `forget` would erase, by erasing it in a transaction that is rolled back."""
    traces = Traces(email, store)
    async with sessions() as session:
        found = await _erase(session, traces, await _find(session, traces))
        await session.rollback()
        return found


async def _forget_leased(sessions: Sessions, traces: Traces, wait_seconds: float) -> Forgotten:
    """Lease all records of the person, including those that appear while it waits for leases, and
    erase their data. The leased key of the e-mail address prevents new contacts with it."""
    keys, owner = [email_key(traces.folded)], uuid4().hex
    async with hold(
        sessions, keys, owner=owner, seconds=LEASE_SECONDS, wait_seconds=wait_seconds
    ) as lease:
        leased = set[str]()
        while True:
            async with transaction(sessions) as session:
                await lease.confirm(session)
                person = await _find(session, traces)
                if person.lease_keys <= leased:
                    return await _erase(session, traces, person)
            await lease.extend(person.lease_keys, wait_seconds=wait_seconds)
            leased |= person.lease_keys


async def _find(session: Session, traces: Traces) -> _Person:
    reported = await find_reported(session, traces)
    contacts = await find_contacts(session, traces)
    orders = await find_orders(session, traces, contacts)
    found = [*contacts, *orders, *await find_at(session, reported)]
    links = list({link.id: link for link in found}.values())
    return _Person(
        links, frozenset(reported | {place for link in links for place in _places(link)})
    )


async def _erase(session: Session, traces: Traces, person: _Person) -> Forgotten:
    """Erase the data table by table, in the order in which a sync locks them: pairs first,
    deliveries last (decision 16)."""
    ids = [link.id for link in person.links]
    keys = {record.key for record in person.records}
    links = await erase_links(session, traces, person.links)
    conflicts = await erase_conflicts(session, traces, ids)
    await erase_keys(session, traces)
    entries = await erase_entries(session, traces, link_ids=ids, places=person.places)
    differences = await erase_differences(session, traces, keys)
    hints = await erase_deliveries(session, traces, keys)
    return Forgotten(
        deliveries=hints.erased,
        log_entries=entries,
        links=links,
        conflicts=conflicts,
        differences=differences,
        waiting=hints.waiting,
    )


def _places(link: Link) -> list[Place]:
    return [(link.store, link.module, each) for each in (link.woo_id, link.vtiger_id)]

"""Erasing one person from all that the service keeps; the two systems are not touched.

The person's records are found by e-mail: contacts, guests, and the orders that are theirs. Ids,
outcomes, times and totals stay, so that every count is what it was. All of these records are
leased first: a worker that has one of them in hand would write down at its end what it read
before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from app.db.session import Session, Sessions, transaction
from app.db.traces import Traces
from app.errors import LeaseLost, Overtaken, System
from app.inbox.forgetting import erase_deliveries, find_told
from app.links.forgetting import (
    Place,
    erase_conflicts,
    erase_keys,
    erase_links,
    find_at,
    find_contacts,
    find_orders,
)
from app.links.leases import hold
from app.links.models import Link
from app.records import Module, Record
from app.runs.forgetting import erase_differences
from app.sync.contacts import email_key
from app.sync.hold import lease_keys
from app.synclog.forgetting import erase_entries

PATIENCE = 60.0
"""Seconds to wait for records in other hands."""
LEASE_SECONDS = 30.0

IN_WORK = (
    "A worker has a record of this person in hand and did not end within {seconds:.0f} s: nothing "
    "was erased. Run this again."
)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows of each kind lost what was personal. `waiting`: hints of the person's records
    that are not settled yet; once they are, what they left is to be erased too."""

    deliveries: int
    log_entries: int
    links: int
    conflicts: int
    differences: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Person:
    """What belongs to the person: pairs, and records in one of the two systems."""

    links: Sequence[Link]
    places: frozenset[Place]

    @property
    def records(self) -> list[Record]:
        """Of a place it is not known in which system it is."""
        return [
            Record(store, system, Module(module), record_id)
            for store, module, record_id in self.places
            for system in System
        ]

    @property
    def lease_keys(self) -> set[str]:
        return set(lease_keys(*self.records))


async def forget(
    sessions: Sessions, email: str, *, store: str | None = None, patience: float = PATIENCE
) -> Forgotten:
    """All of it or nothing.

    Overtaken if a worker has one of the person's records in hand for longer than `patience`
    seconds.
    """
    traces = Traces(email, store)
    try:
        return await _forget_leased(sessions, traces, patience)
    except LeaseLost:
        raise Overtaken(IN_WORK.format(seconds=patience)) from None


async def foresee(sessions: Sessions, email: str, *, store: str | None = None) -> Forgotten:
    """What `forget` would erase, counted by doing it and taking it back."""
    traces = Traces(email, store)
    async with sessions() as session:
        found = await _erase(session, traces, await _find(session, traces))
        await session.rollback()
        return found


async def _forget_leased(sessions: Sessions, traces: Traces, patience: float) -> Forgotten:
    """What becomes the person's while their records are waited for is leased as well. Nobody makes
    a contact of this e-mail meanwhile."""
    keys, owner = [email_key(traces.folded)], uuid4().hex
    async with hold(sessions, keys, owner=owner, seconds=LEASE_SECONDS, patience=patience) as lease:
        leased = set[str]()
        while True:
            async with transaction(sessions) as session:
                await lease.confirm(session)
                person = await _find(session, traces)
                if person.lease_keys <= leased:
                    return await _erase(session, traces, person)
            await lease.extend(person.lease_keys, patience=patience)
            leased |= person.lease_keys


async def _find(session: Session, traces: Traces) -> _Person:
    told = await find_told(session, traces)
    contacts = await find_contacts(session, traces)
    orders = await find_orders(session, traces, contacts)
    found = [*contacts, *orders, *await find_at(session, told)]
    links = list({link.id: link for link in found}.values())
    return _Person(links, frozenset(told | {place for link in links for place in _places(link)}))


async def _erase(session: Session, traces: Traces, person: _Person) -> Forgotten:
    """Table after table as a sync locks them: pairs first, deliveries last (decision 16)."""
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

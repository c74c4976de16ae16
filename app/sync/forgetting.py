"""Erasing one person from all that the service keeps; the two systems are not touched.

The person's records are found by e-mail: contacts, guests, and the orders that are theirs. Ids,
outcomes, times and totals stay, so that every count is what it was.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.db.session import Session, Sessions, transaction
from app.db.traces import Traces
from app.errors import System
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
from app.links.models import Link
from app.records import Module, Record
from app.runs.forgetting import erase_differences
from app.synclog.forgetting import erase_entries


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows of each kind lost what was personal. `waiting`: hints that are not settled
    yet and still name the person; once they are, what they left is to be erased too."""

    deliveries: int
    log_entries: int
    links: int
    conflicts: int
    differences: int
    waiting: int


async def forget(sessions: Sessions, email: str, *, store: str | None = None) -> Forgotten:
    """All of it or nothing."""
    traces = Traces(email, store)
    async with transaction(sessions) as session:
        return await _erase(session, traces)


async def _erase(session: Session, traces: Traces) -> Forgotten:
    told = await find_told(session, traces)
    links = await _links(session, traces, told)
    places = told | {place for link in links for place in _places(link)}
    keys = {key for place in places for key in _keys(place)}
    ids = [link.id for link in links]
    hints = await erase_deliveries(session, traces, keys)
    found = Forgotten(
        deliveries=hints.erased,
        log_entries=await erase_entries(session, traces, link_ids=ids, places=places),
        conflicts=await erase_conflicts(session, traces, ids),
        differences=await erase_differences(session, traces, keys),
        links=await erase_links(session, traces, links),
        waiting=hints.waiting,
    )
    await erase_keys(session, traces)
    return found


async def _links(session: Session, traces: Traces, told: Collection[Place]) -> Sequence[Link]:
    contacts = await find_contacts(session, traces)
    orders = await find_orders(session, traces, contacts)
    found = [*contacts, *orders, *await find_at(session, told)]
    return list({link.id: link for link in found}.values())


def _places(link: Link) -> list[Place]:
    return [(link.store, link.module, each) for each in (link.woo_id, link.vtiger_id)]


def _keys(place: Place) -> list[str]:
    store, module, record_id = place
    return [Record(store, system, Module(module), record_id).key for system in System]

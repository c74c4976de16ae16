"""Records that must be synced before another one, and records that still lack something.

An order needs its customer and its products, a product its taxes. The one that is needed gets a
hint of its own, with its own log row, and is drained at once by the worker that needs it. All
records that need it share that hint: while it waits for another try they wait as well, and they
go on as soon as it is settled."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from time import monotonic
from uuid import uuid4

from app.db.session import Session, transaction
from app.domain import (
    DeliveryState,
    DependencyNotReady,
    Event,
    Module,
    Origin,
    Record,
    System,
    guest_id_of,
)
from app.inbox.repository import (
    NewDelivery,
    Open,
    accept,
    dependency_key,
    find_open,
    join,
    missing_key,
)
from app.links.models import Link
from app.links.repository import find_link, save_missing, search_links, search_needs, take_missing
from app.mapping.values import base_from_json
from app.module_facts import FACTS
from app.runtime import Runtime

# Records that were written without something, or not at all, and are brought up when it is there.
#
# An order whose buyer or product could not be synced names them later; orders that this version of
# Vtiger cannot take are written when it can, or when the add-on does it.

SAFE_ORDERS = "vtiger:safe-orders"
"""What an order needs that Vtiger's version would refuse or ruin."""


async def note_missing(
    runtime: Runtime, record: Record, needs: Collection[str], *, seconds: float = 0
) -> None:
    """The record lacks these: keys of records, or names of abilities."""
    async with transaction(runtime.sessions) as session:
        await save_missing(session, record, needs, seconds=seconds)


async def hint_waiting_for(session: Session, links: Collection[Link]) -> None:
    """Hint the records that lacked one of these pairs, which are there now."""
    needs = {key for link in links for key in _keys(link)}
    if needs:
        await _bring_up(session, needs)


async def _bring_up(session: Session, needs: Collection[str]) -> int:
    records = await take_missing(session, needs)
    if records:
        await accept(session, [_hint(record) for record in records])
    return len(records)


def _hint(record: Record) -> NewDelivery:
    return NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, missing_key(record))


def _keys(link: Link) -> set[str]:
    """What other records call the pair, if it is one to be named. A guest who has an account now
    was called by the e-mail before."""
    is_gone = link.woo_deleted_at or (link.vtiger_deleted_at and not link.replaced_by)
    module = Module(link.module)
    if is_gone or not FACTS[module].is_referenced:
        return set()
    keys = {link.record(system).key for system in System}
    agreed = base_from_json(link.base).get("email") if module is Module.CONTACTS else None
    if agreed is not None and agreed.woo:
        keys.add(Record(link.store, System.WOOCOMMERCE, module, guest_id_of(agreed.woo)).key)
    return keys


async def retry_missing(runtime: Runtime) -> int:
    """Hint what waits for something that came unseen; how many hints that gave. Raises the
    RemoteError tree where Vtiger cannot be asked what it can."""
    async with runtime.sessions() as session:
        needs = set(await search_needs(session))
    there = await _pairs_among(runtime, needs - {SAFE_ORDERS})
    if SAFE_ORDERS in needs and await runtime.vtiger.accepts_orders(anew=True):
        there.add(SAFE_ORDERS)
    if not there:
        return 0
    async with transaction(runtime.sessions) as session:
        return await _bring_up(session, there)


async def _pairs_among(runtime: Runtime, keys: Collection[str]) -> set[str]:
    """Those of the keys whose record has a living pair."""
    by_system: dict[System, list[Record]] = {system: [] for system in System}
    for key in keys:
        store, module, system, record_id = key.split(":", 3)
        record = Record(store, System(system), Module(module), record_id)
        by_system[record.system].append(record)
    there: set[str] = set()
    for records in by_system.values():
        for part in _parts(records):
            async with runtime.sessions() as session:
                links: Mapping[str, Link] = await search_links(session, part)
            there |= {key for link in links.values() for key in _keys(link)}
    return there & set(keys)


def _parts(records: list[Record], size: int = 500) -> list[list[Record]]:
    """`search_links` asks for each record in one statement."""
    ordered = sorted(records, key=lambda record: record.key)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


Drain = Callable[..., Awaitable[None]]

PATIENCE = 2.0
STEP = 0.1


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Brings records first. `drain` is the pipeline's own, handed in from above; what a run needs
    is part of it. `known` links are those that a page of records was found to need."""

    runtime: Runtime
    drain: Drain
    run_id: int | None = None
    known: dict[str, Link | None] = field(default_factory=dict)

    async def find(self, record: Record) -> Link | None:
        if record.key in self.known:
            return self.known[record.key]
        return await self._read(record)

    async def _read(self, record: Record) -> Link | None:
        async with self.runtime.sessions() as session:
            return await find_link(session, record)

    async def search(self, records: Collection[Record]) -> dict[str, Link]:
        """The links of records of one system, by that system's id."""
        asked = [record for record in records if record.key not in self.known]
        found: dict[str, Link] = {}
        if asked:
            async with self.runtime.sessions() as session:
                found = await search_links(session, asked)
        known = {record.id: self.known.get(record.key) for record in records}
        return found | {key: link for key, link in known.items() if link is not None}

    async def foresee(self, records: Collection[Record]) -> None:
        """Know the links of many records of one system, and of their partners, for a while."""
        async with self.runtime.sessions() as session:
            found = await search_links(session, records)
        for record in records:
            link = self.known[record.key] = found.get(record.id)
            if link is not None:
                self.known[link.record(record.system.other).key] = link

    async def bring(self, record: Record) -> Link | None:
        """The record's link, made now if need be; None if the record is not synced (the log
        tells why). DependencyNotReady if that could not be done yet, so that the needing hint
        comes back. A record without an id is an empty reference, which names nothing."""
        if not record.id:
            return None
        return await self.find(record) or await self._bring(record)

    async def renew(self, record: Record) -> Link | None:
        """The same for a record that has a pair whose other record is gone: it is looked at now,
        as one that is needed."""
        return await self._bring(record)

    async def hint(self, record: Record) -> None:
        """Have the record looked at soon, by whoever is free. One that is in hand already may have
        been read before."""
        async with transaction(self.runtime.sessions) as session:
            await join(session, self._hint(record), among=[DeliveryState.PENDING])

    async def _bring(self, record: Record) -> Link | None:
        """Another worker may be at that record just then: it is waited for a moment."""
        async with transaction(self.runtime.sessions) as session:
            joined = await join(session, self._hint(record))
        if joined.seconds > 0:
            raise _waiting(record, joined)
        give_up_at = monotonic() + PATIENCE
        while monotonic() < give_up_at:
            await self.drain(self.runtime, record.key, owner=uuid4().hex)
            for pause in (0.0, STEP):  # what was put off meanwhile is not drained before its time
                await asyncio.sleep(pause)
                link, hint = await self._look(record, joined.id)
                if link is not None or hint is None:
                    self.known.pop(record.key, None)
                    return link
                if hint.next_attempt_at != joined.next_attempt_at:
                    raise _waiting(record, hint)
        raise _waiting(record, joined)

    async def _look(self, record: Record, hint_id: int) -> tuple[Link | None, Open | None]:
        """The record's link, and its hint unless that is settled."""
        async with self.runtime.sessions() as session:
            return await find_link(session, record), await find_open(session, hint_id)

    def _hint(self, record: Record) -> NewDelivery:
        key = dependency_key(record, self.run_id)
        return NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, key, run_id=self.run_id)


def _waiting(record: Record, hint: Open) -> DependencyNotReady:
    message = f"{record.key} is to be synced first, and is not ready yet"
    return DependencyNotReady(message, record_key=record.key, seconds=hint.seconds)

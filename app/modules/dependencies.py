"""Records that must be synced before another one, and records that wait for a missing one.

An order depends on its customer and its products, a product on its taxes. A dependency gets a hint
and a log row of its own, and the worker that needs it drains it at once. All records that need it
share that hint: while it waits for a retry they wait as well, and they continue as soon as it is
settled."""

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
    Origin,
    Record,
    System,
)
from app.drains import hint_waiting, keys_of
from app.inbox.repository import NewDelivery, Open, dependency_key, find_open, join
from app.links.models import Link
from app.links.repository import (
    find_link,
    save_missing,
    search_links,
    search_links_of,
    search_needs,
)
from app.runtime import Runtime

# Missing dependencies: records that were written without them, or not at all, are hinted when they
# are available. An order whose buyer or product could not be synced gets them later; orders that
# this version of Vtiger cannot take are written when it can, or when the add-on does it.

SAFE_ORDERS = "vtiger:safe-orders"
"""The capability that an order needs where this version of Vtiger would refuse or corrupt it."""


async def note_missing(
    runtime: Runtime, record: Record, needs: Collection[str], *, seconds: float = 0
) -> None:
    """Record that the record waits for `needs`: keys of records, or names of capabilities. It is
    hinted in `seconds` at the earliest."""
    async with transaction(runtime.sessions) as session:
        await save_missing(session, record, needs, seconds=seconds)


async def hint_waiting_for(session: Session, links: Collection[Link]) -> None:
    """Hint the records that waited for one of these pairs."""
    needs = {key for link in links for key in keys_of(link)}
    if needs:
        await hint_waiting(session, needs)


async def retry_missing(runtime: Runtime) -> int:
    """Hint the records whose missing dependency became available without a notification; the
    number of hints. May raise any RemoteError when Vtiger's capabilities are read."""
    async with runtime.sessions() as session:
        needs = set(await search_needs(session))
    available = await _paired_keys(runtime, needs - {SAFE_ORDERS})
    if SAFE_ORDERS in needs and await runtime.vtiger.accepts_orders(anew=True):
        available.add(SAFE_ORDERS)
    if not available:
        return 0
    async with transaction(runtime.sessions) as session:
        return await hint_waiting(session, available)


async def _paired_keys(runtime: Runtime, keys: Collection[str]) -> set[str]:
    """Those of the record keys whose record has a pair that is not deleted."""
    by_system: dict[System, list[Record]] = {system: [] for system in System}
    for key in keys:
        store, module, system, record_id = key.split(":", 3)
        record = Record.stored(store, system, module, record_id)
        by_system[record.system].append(record)
    paired: set[str] = set()
    for records in by_system.values():
        for part in _parts(records):
            async with runtime.sessions() as session:
                links: Mapping[str, Link] = await search_links(session, part)
            paired |= {key for link in links.values() for key in keys_of(link)}
    return paired & set(keys)


def _parts(records: list[Record], size: int = 500) -> list[list[Record]]:
    """The records in parts of `size`: `search_links` binds each record of a statement."""
    ordered = sorted(records, key=lambda record: record.key)
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


Drain = Callable[..., Awaitable[None]]

DRAIN_WAIT_SECONDS = 2.0
"""How long to wait for a worker that is draining the dependency already."""
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Syncs the dependencies of records. `drain` is the pipeline's, injected to avoid an import
    cycle; `run_id` is the run that the dependencies belong to. `known` are preloaded links by
    record key."""

    runtime: Runtime
    drain: Drain
    run_id: int | None = None
    known: dict[str, Link | None] = field(default_factory=dict)

    async def find(self, record: Record) -> Link | None:
        """The record's link, from `known` if it is there."""
        if record.key in self.known:
            return self.known[record.key]
        return await self._read(record)

    async def _read(self, record: Record) -> Link | None:
        async with self.runtime.sessions() as session:
            return await find_link(session, record)

    async def search(self, records: Collection[Record]) -> dict[str, Link]:
        """The links of these records of one system, by that system's id."""
        asked = [record for record in records if record.key not in self.known]
        found: dict[str, Link] = {}
        if asked:
            async with self.runtime.sessions() as session:
                found = await search_links(session, asked)
        known = {record.id: self.known.get(record.key) for record in records}
        return found | {key: link for key, link in known.items() if link is not None}

    async def preload_links(self, records: Collection[Record]) -> None:
        """Preload the links of records of one system into `known`, and of their partners, except
        those that are known already."""
        asked = [record for record in records if record.key not in self.known]
        if not asked:
            return
        async with self.runtime.sessions() as session:
            links = await search_links_of(session, asked)
        self.known.update(dict.fromkeys((record.key for record in asked), None))
        self.known.update({link.record(system).key: link for link in links for system in System})

    def remember(self, record: Record, link: Link | None) -> None:
        """Note the link that a record has from now on, instead of an earlier one."""
        if (former := self.known.pop(record.key, None)) is not None:
            self.known.pop(former.record(record.system.other).key, None)
        self.known[record.key] = link
        if link is not None:
            self.known[link.record(record.system.other).key] = link

    async def ensure_synced(self, record: Record) -> Link | None:
        """The record's link; the record is synced first if it has none. None if the record is not
        synced (the log says why), or has no id. DependencyNotReady if it could not be synced yet,
        so that the dependent's delivery is retried."""
        if not record.id:
            return None
        return await self.find(record) or await self._sync(record)

    async def sync_again(self, record: Record) -> Link | None:
        """Sync a record again whose partner is gone; its link, as of `ensure_synced`."""
        return await self._sync(record)

    async def hint(self, record: Record) -> None:
        """Hint the record, for any worker. A delivery that is claimed already is not joined: its
        worker may have read the record before."""
        async with transaction(self.runtime.sessions) as session:
            await join(session, self._hint(record), among=[DeliveryState.PENDING])

    async def _sync(self, record: Record) -> Link | None:
        """Hint and drain the record; if another worker is draining it, wait for that worker up to
        DRAIN_WAIT_SECONDS."""
        async with transaction(self.runtime.sessions) as session:
            joined = await join(session, self._hint(record))
        if joined.seconds > 0:
            raise _not_ready(record, joined)
        give_up_at = monotonic() + DRAIN_WAIT_SECONDS
        while monotonic() < give_up_at:
            await self.drain(self.runtime, record.key, owner=uuid4().hex)
            for pause in (0.0, POLL_SECONDS):  # a postponed delivery is not drained before its time
                await asyncio.sleep(pause)
                link, hint = await self._read_state(record, joined.id)
                if link is not None or hint is None:
                    self.remember(record, link)
                    return link
                if hint.next_attempt_at != joined.next_attempt_at:
                    raise _not_ready(record, hint)
        raise _not_ready(record, joined)

    async def _read_state(self, record: Record, hint_id: int) -> tuple[Link | None, Open | None]:
        """The record's link, and its delivery unless that is settled."""
        async with self.runtime.sessions() as session:
            return await find_link(session, record), await find_open(session, hint_id)

    def _hint(self, record: Record) -> NewDelivery:
        key = dependency_key(record, self.run_id)
        return NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, key, run_id=self.run_id)


def _not_ready(record: Record, hint: Open) -> DependencyNotReady:
    message = f"{record.key} must be synced first, and is not ready yet"
    return DependencyNotReady(message, record_key=record.key, seconds=hint.seconds)

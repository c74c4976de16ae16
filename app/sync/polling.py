"""Catch-up: finding what no webhook or callback told of, and hinting it like anything else.

A poll only reads and hints: a record that holds what was agreed gives no hint, so a quiet shop
adds nothing to the log. The first poll of a store takes stock and hints nothing: records that
were there before are brought over by `woo-vtiger sync`, never by surprise.
"""

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

from app.db.session import transaction
from app.errors import LeaseLost, RemoteError, System
from app.inbox.repository import NewDelivery
from app.links.leases import PairLease, hold
from app.links.models import Link
from app.links.repository import (
    each_living,
    find_watermark,
    save_watermark,
    search_links,
    search_sightings,
    see,
)
from app.records import DeletePolicy, Event, Module, Origin, Record
from app.runtime import Runtime
from app.sync.adapters import open_contacts, policy_of
from app.sync.contacts import ContactAdapter
from app.sync.sweep import (
    Seen,
    each_contact,
    each_contact_id,
    each_customer,
    find_last_change,
)

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=2)
TURN = "upkeep:poll"
GONE = "gone"
BEFORE_ALL = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sweep:
    """One look at one store; `origin` names its hints, `take_stock` keeps it from hinting the
    unpaired."""

    runtime: Runtime
    store: str
    adapter: ContactAdapter
    origin: Origin = Origin.POLL
    take_stock: bool = False
    force: bool = False
    run_id: int | None = None

    def record(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, self.adapter.module, record_id)

    async def hint(self, changes: Sequence[tuple[Record, Event, str]]) -> int:
        hints = [
            NewDelivery(
                record, self.origin, event, self._dedupe_key(record, digest), run_id=self.run_id
            )
            for record, event, digest in changes
        ]
        if hints:
            await self.runtime.acceptor.accept(hints)
        return len(hints)

    def _dedupe_key(self, record: Record, digest: str) -> str:
        """Runs count what they hinted, so each has hints of its own."""
        parts = (record.key, self.origin, digest, str(self.run_id or ""))
        return sha256("\n".join(parts).encode()).hexdigest()


async def poll(runtime: Runtime) -> int:
    """Look at every store once, unless another worker is at it; how many hints that gave."""
    seconds = runtime.settings.worker.lease_seconds
    hints = 0
    try:
        async with hold(runtime.sessions, [TURN], owner=uuid4().hex, seconds=seconds) as lease:
            for store in runtime.stores:
                hints += await _poll_store(runtime, store, lease)
    except LeaseLost:
        log.debug("another worker polls")
    return hints


async def _poll_store(runtime: Runtime, store: str, lease: PairLease) -> int:
    policy = await policy_of(runtime, store, Module.CONTACTS)
    if not policy.enabled:
        return 0
    try:
        adapter = await open_contacts(runtime, store, policy, lease)
        return await _poll_shop(runtime, adapter) + await _poll_crm(runtime, adapter)
    except RemoteError as error:
        log.warning("catch-up of store %s is put off: %s", store, error)
        return 0


async def _poll_shop(runtime: Runtime, adapter: ContactAdapter) -> int:
    """All customers, for WooCommerce cannot tell which changed; then those that vanished."""
    key, started_at = f"{adapter.store}:contacts:woocommerce", runtime.clock()
    async with runtime.sessions() as session:
        first = await find_watermark(session, key) is None
    sweep = Sweep(runtime, adapter.store, adapter, take_stock=first)
    hints = await sweep_shop(sweep, started_at)
    async with transaction(runtime.sessions) as session:
        await save_watermark(session, key, started_at)
    return hints


async def _poll_crm(runtime: Runtime, adapter: ContactAdapter) -> int:
    """Contacts changed since the last look, and pairs whose contact vanished, where that counts.

    The mark is taken before the look and by Vtiger's clock: what changes while the pages are
    read is seen by the next look.
    """
    key, started_at = f"{adapter.store}:contacts:vtiger", runtime.clock()
    async with runtime.sessions() as session:
        reached_at = await find_watermark(session, key)
    latest_at = await find_last_change(adapter) or BEFORE_ALL
    sweep = Sweep(runtime, adapter.store, adapter, take_stock=reached_at is None)
    since = latest_at if reached_at is None else reached_at
    hints = 0
    async for page in each_contact(adapter, since - OVERLAP):
        hints += await hint_differences(sweep, page)
    if adapter.policy.delete_policy is DeletePolicy.PROPAGATE:
        living = {record_id async for record_id in each_contact_id(adapter)}
        hints += await _hint_gone(sweep, System.VTIGER, living, started_at=started_at)
    async with transaction(runtime.sessions) as session:
        await save_watermark(session, key, max(latest_at, reached_at or latest_at))
    return hints


async def sweep_shop(sweep: Sweep, started_at: datetime) -> int:
    hints, living = 0, set[str]()
    async for page in each_customer(sweep.adapter):
        living.update(seen.id for seen in page)
        hints += await hint_differences(sweep, page)
    return hints + await _hint_gone(sweep, System.WOOCOMMERCE, living, started_at=started_at)


async def _hint_gone(
    sweep: Sweep, system: System, living: set[str], *, started_at: datetime
) -> int:
    """Pairs whose record a full pass did not show; the pipeline reads before it believes."""
    woo = system is System.WOOCOMMERCE
    gone = [
        sweep.record(system, record_id)
        async for link in _paired_before(sweep, system, started_at)
        if (record_id := link.woo_id if woo else link.vtiger_id) not in living
    ]
    async with sweep.runtime.sessions() as session:
        known = await search_sightings(session, [record.key for record in gone])
    new = [(record, Event.DELETED, GONE) for record in gone if known.get(record.key) != GONE]
    return await _bring_up(sweep, new, {record.id for record, _, _ in new})


async def _paired_before(sweep: Sweep, system: System, moment: datetime) -> AsyncIterator[Link]:
    async with sweep.runtime.sessions() as session:
        module = sweep.adapter.module
        found = each_living(session, sweep.store, module=module, system=system, before=moment)
        async for link in found:
            yield link


async def hint_differences(sweep: Sweep, page: Sequence[Seen]) -> int:
    """Hint each record that differs from its base and was not brought up in this state before."""
    records = {seen.id: sweep.record(seen.system, seen.id) for seen in page}
    keys = [record.key for record in records.values()]
    async with sweep.runtime.sessions() as session:
        links = await search_links(session, list(records.values()))
        known = await search_sightings(session, keys)
    rules = sweep.adapter.rules
    changed = []
    for seen in page:
        link = links.get(seen.id)
        record, digest = records[seen.id], seen.digest(link, rules)
        new = sweep.force or known.get(record.key) != digest
        if new and seen.differs(link, rules):
            changed.append((record, Event.CHANGED, digest))
    return await _bring_up(sweep, changed, links)


async def _bring_up(
    sweep: Sweep, changed: Sequence[tuple[Record, Event, str]], paired: Collection[str]
) -> int:
    """Hint first, remember after: a crash between the two hints once more, and loses nothing."""
    wanted = [each for each in changed if not sweep.take_stock or each[0].id in paired]
    hints = await sweep.hint(wanted)
    async with transaction(sweep.runtime.sessions) as session:
        for record, _, digest in changed:
            await see(session, record.key, digest)
    return hints

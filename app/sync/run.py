"""A manual run: every record that differs is hinted, then watched until all hints are settled.

The run writes nothing itself: its hints take the way of all others, so what a worker of another
process does with them, or leaves for later, is the same.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from app.db.session import transaction
from app.errors import InvalidInput, LeaseLost, System
from app.inbox.models import DeliveryState
from app.inbox.repository import count_run, new_run_id
from app.links.leases import PairLease, hold
from app.policies.schemas import SyncPolicy
from app.records import Module, Origin
from app.runtime import Runtime
from app.sync.adapters import Context, policy_of
from app.sync.comparison import Compared
from app.sync.contact_listing import ContactListing
from app.sync.listing import Listing
from app.sync.listings import IN_ORDER, open_listing
from app.sync.setup import ensure_setup
from app.sync.survey import SECOND, Survey, changed_since
from app.sync.sweep import Sweep


async def start_run(runtime: Runtime) -> int:
    """The number that the run's deliveries and log rows carry."""
    async with transaction(runtime.sessions) as session:
        return await new_run_id(session)


async def modules_of(runtime: Runtime, store: str) -> list[Module]:
    """The modules of a store that are synced, in the order of a run."""
    return [m for m in IN_ORDER if (await policy_of(runtime, store, m)).enabled]


async def hint_store(
    runtime: Runtime, store: str, *, module: Module, run_id: int, since: datetime | None = None
) -> int:
    """Hint what differs or has no pair, in both systems; how many hints that gave.

    All records, or those changed since a moment. Only the whole pass tells what vanished, and
    what changed without a stamp. What orders rest on in Vtiger is made first. Raises InvalidInput
    if the module is off or a run of this store is under way, Waiting, and the RemoteError tree.
    """
    async with _looking(runtime, store, module) as (listing, _):
        if module is Module.SALES_ORDERS:
            await ensure_setup(runtime)
        sweep = Sweep(runtime, store, listing, origin=Origin.MANUAL, force=True, run_id=run_id)
        hints = sum([await _hint_system(sweep, system, since) for system in System])
    if module is Module.SALES_ORDERS and since is None:
        hints += await _hint_guests(runtime, store, run_id=run_id)
    return hints


async def _hint_guests(runtime: Runtime, store: str, *, run_id: int) -> int:
    """Those whose contact is not as their latest order has it: orders tell of guests, so all
    orders were looked at before."""
    if Module.CONTACTS not in await modules_of(runtime, store):
        return 0
    async with _looking(runtime, store, Module.CONTACTS) as (listing, _):
        if not isinstance(listing, ContactListing):
            raise TypeError("contacts are listed by another")
        sweep = Sweep(runtime, store, listing, origin=Origin.MANUAL, force=True, run_id=run_id)
        return sum([await sweep.differences(page) async for page in listing.each_guest()])


async def _hint_system(sweep: Sweep, system: System, since: datetime | None) -> int:
    if since is None:
        return await sweep.everything(system)
    hints = 0
    async for page in sweep.listing.each(system, since - SECOND):
        hints += await sweep.differences(changed_since(page, since))
    return hints


async def compare_store(
    runtime: Runtime, store: str, *, module: Module, since: datetime | None = None
) -> AsyncIterator[Compared]:
    """What a run would find, read from both systems; nothing is written or hinted.

    Errors as `hint_store`.
    """
    async with _looking(runtime, store, module) as (listing, policy):
        async for compared in Survey(runtime, store, listing, policy).run(since):
            yield compared


@asynccontextmanager
async def _looking(
    runtime: Runtime, store: str, module: Module
) -> AsyncIterator[tuple[Listing, SyncPolicy]]:
    policy = await policy_of(runtime, store, module)
    if not policy.enabled:
        raise InvalidInput(f"Module {module} of store {store} is switched off.", "module")
    async with _turn(runtime, store) as lease:
        yield await open_listing(Context(runtime, store, policy, lease), module), policy


@asynccontextmanager
async def _turn(runtime: Runtime, store: str) -> AsyncIterator[PairLease]:
    seconds = runtime.settings.worker.lease_seconds
    try:
        async with hold(
            runtime.sessions, [f"run:{store}"], owner=uuid4().hex, seconds=seconds
        ) as lease:
            yield lease
    except LeaseLost:
        raise InvalidInput(f"Another run of store {store} is under way.", "store") from None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run's hints have come; `open` ones are waiting or being worked on."""

    open: int
    done: int
    dead: int


async def watch_run(runtime: Runtime, run_id: int) -> Progress:
    async with runtime.sessions() as session:
        counts = await count_run(session, run_id)
    waiting = counts[DeliveryState.PENDING] + counts[DeliveryState.PROCESSING]
    return Progress(waiting, counts[DeliveryState.DONE], counts[DeliveryState.DEAD])

"""Deletions that the brake holds back, and the word of a person who means them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from uuid import uuid4

from app.db.session import transaction
from app.errors import LeaseLost, System
from app.inbox.dedupe import confirmation_key
from app.inbox.repository import NewDelivery, accept
from app.links.deletions import ask_brake, confirm_held, search_held
from app.links.leases import STEP_SECONDS, hold
from app.links.models import Link
from app.records import Event, Module, Origin
from app.runtime import Runtime
from app.sync.hold import PATIENCE, pair_keys
from app.sync.sides import Skip
from app.sync.work import Work

BRAKED = (
    "More than {percent} % of this module's pairs would be deleted within an hour, so this "
    "deletion waits. If it is meant, “They are meant” under Conflicts or "
    "`woo-vtiger deletions --confirm` lets it through; if not, restore the record."
)
MOST_AT_ONCE = 500
CONFIRM_PATIENCE = 20.0
"""Seconds to wait for pairs in other hands."""


async def hold_back(work: Work, link: Link) -> Skip | datetime:
    """Why the pair's other record is not deleted now, or the moment from which it may be.

    Deletions take turns, so that none is counted too late.
    """
    store, module = work.record.store, work.adapter.module
    await work.lease.extend([f"deletions:{store}:{module}"], patience=PATIENCE)
    percent = work.runtime.settings.sync.delete_brake_percent
    async with work.runtime.sessions() as session:
        brake = await ask_brake(session, store, module, percent=percent)
    if brake.allows or link.delete_confirmed_at is not None:
        return brake.now
    link.delete_held_at = brake.now
    return Skip("delete_brake", BRAKED.format(percent=percent))


async def confirm_deletions(runtime: Runtime, store: str, module: Module) -> int:
    """Bring all deletions that wait up again, past the brake; how many those are.

    A pair that a worker has in hand is waited for: what it writes down at its end was read before
    the confirmation. One that it does not leave for long stays held, and is not counted.
    """
    confirmed, give_up_at = 0, monotonic() + CONFIRM_PATIENCE
    while True:
        done, busy = await _confirm_free(runtime, store, module)
        confirmed += done
        if not busy or monotonic() >= give_up_at:
            return confirmed
        await asyncio.sleep(STEP_SECONDS)


async def _confirm_free(runtime: Runtime, store: str, module: Module) -> tuple[int, int]:
    """How many were confirmed, and how many are in other hands."""
    confirmed, busy, after = 0, 0, 0
    while True:
        async with runtime.sessions() as session:
            held = await search_held(session, store, module, after=after, most=MOST_AT_ONCE)
        if held:
            done = await _confirm(runtime, held)
            confirmed, busy, after = confirmed + done[0], busy + done[1], held[-1].id
        if len(held) < MOST_AT_ONCE:
            return confirmed, busy


async def _confirm(runtime: Runtime, held: Sequence[Link]) -> tuple[int, int]:
    seconds = runtime.settings.worker.lease_seconds
    async with hold(runtime.sessions, [], owner=uuid4().hex, seconds=seconds) as lease:
        free = await lease.take_free({str(link.id): pair_keys(link) for link in held})
        chosen = [link.id for link in held if str(link.id) in free]
        try:
            async with transaction(runtime.sessions) as session:
                await lease.confirm(session)
                links = await confirm_held(session, chosen)
                if links:
                    await accept(session, [_hint(link) for link in links])
        except LeaseLost:
            return 0, len(held)
    return len(links), len(held) - len(free)


def _hint(link: Link) -> NewDelivery:
    """About the record that is gone, as its deletion was told first."""
    gone = System.VTIGER if link.woo_deleted_at is None else System.WOOCOMMERCE
    record = link.record(gone)
    return NewDelivery(
        record=record,
        origin=Origin.MANUAL,
        event=Event.DELETED,
        dedupe_key=confirmation_key(record),
        remote_note="deletion confirmed",
    )

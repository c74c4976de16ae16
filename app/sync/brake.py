"""Deletions that the brake holds back, and the word of a person who means them."""

from datetime import datetime
from hashlib import sha256

from app.db.session import transaction
from app.errors import System
from app.inbox.repository import NewDelivery, accept
from app.links.deletions import ask_brake, confirm_held
from app.links.models import Link
from app.records import Event, Module, Origin, Record
from app.runtime import Runtime
from app.sync.hold import PATIENCE
from app.sync.sides import Skip
from app.sync.work import Work

BRAKED = (
    "More than {percent} % of this module's pairs would be deleted within an hour, so this "
    "deletion waits. If it is meant, POST /settings/{store}/{module}/confirm-deletions or "
    "`woo-vtiger deletions --confirm` lets it through; if not, restore the record."
)
MOST_AT_ONCE = 500


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
    return Skip("delete_brake", BRAKED.format(percent=percent, store=store, module=module))


async def confirm_deletions(runtime: Runtime, store: str, module: Module) -> int:
    """Bring all deletions that wait up again, past the brake; how many those are."""
    confirmed = 0
    while True:
        async with transaction(runtime.sessions) as session:
            links = await confirm_held(session, store, module, most=MOST_AT_ONCE)
            if links:
                await accept(session, [_hint(link) for link in links])
        confirmed += len(links)
        if len(links) < MOST_AT_ONCE:
            return confirmed


def _hint(link: Link) -> NewDelivery:
    """About the record that is gone, as its deletion was told first."""
    gone = System.VTIGER if link.woo_deleted_at is None else System.WOOCOMMERCE
    record_id = link.vtiger_id if gone is System.VTIGER else link.woo_id
    record = Record(link.store, gone, Module(link.module), record_id)
    return NewDelivery(
        record=record,
        origin=Origin.MANUAL,
        event=Event.DELETED,
        dedupe_key=sha256(f"confirmed\n{record.key}".encode()).hexdigest(),
        remote_note="deletion confirmed",
    )

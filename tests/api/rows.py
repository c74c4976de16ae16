"""Rows for the routes that only read: entries, deliveries and links as a worker leaves them."""

from dataclasses import replace

from sqlalchemy import select

from app.db.session import transaction
from app.domain import DeliveryState, Event, Module, Origin, Outcome, Record, System
from app.inbox.models import Delivery
from app.inbox.repository import NewDelivery, accept, claim, settle
from app.links.models import Link
from app.links.repository import save_link
from app.runtime import Runtime
from app.synclog.repository import NewEntry, append

ENTRY = NewEntry(
    store="main",
    module=Module.CONTACTS,
    target=System.VTIGER,
    source_id="7",
    target_id="12x34",
    link_id=5,
    event=Event.UPDATED,
    outcome=Outcome.UPDATED,
    reason=None,
    message="Updated 1 field.",
    attempts=1,
    duration_ms=12,
    label="Ada Lovelace",
    changes=[{"field": "phone", "old": "1", "new": "2", "source": "woocommerce"}],
)


async def log(runtime: Runtime, *entries: NewEntry) -> list[int]:
    async with transaction(runtime.sessions) as session:
        return [await append(session, entry, []) for entry in entries]


async def log_many(runtime: Runtime, number: int) -> list[int]:
    return await log(runtime, *(replace(ENTRY, source_id=str(n)) for n in range(number)))


async def hint(runtime: Runtime, record_id: str = "7", store: str = "main") -> int:
    record = Record(store, System.WOOCOMMERCE, Module.CONTACTS, record_id, "customer")
    new = NewDelivery(record, Origin.WEBHOOK, Event.UPDATED, f"{record.key}", body=b'{"id":7}')
    async with transaction(runtime.sessions) as session:
        [accepted] = await accept(session, [new])
    return accepted.id


async def settled_hint(
    runtime: Runtime, record_id: str = "7", state: DeliveryState = DeliveryState.DONE
) -> tuple[int, int]:
    """A delivery that ended, and its entry."""
    delivery_id = await hint(runtime, record_id)
    async with transaction(runtime.sessions) as session:
        await claim(session, f"main:contacts:woocommerce:{record_id}")
        entry_id = await append(session, ENTRY, [delivery_id])
        await settle(session, [delivery_id], entry_id, state=state)
    return delivery_id, entry_id


async def link(runtime: Runtime, woo_id: str, vtiger_id: str, store: str = "main") -> None:
    row = Link(store=store, module=Module.CONTACTS, woo_id=woo_id, vtiger_id=vtiger_id, base={})
    async with transaction(runtime.sessions) as session:
        await save_link(session, row)


async def stored(runtime: Runtime) -> list[Delivery]:
    """Every delivery, bodies included, oldest first."""
    async with runtime.sessions() as session:
        return list(await session.scalars(select(Delivery).order_by(Delivery.id)))

"""A small world: both sandboxes over real HTTP, the service on a fresh database, and time in hand.

Nothing runs by itself: `settle` lets the shop send its webhooks and drains what is due, until
nothing is left, so that tests never wait.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
from asgi_lifespan import LifespanManager
from sqlalchemy import func, select, update

from app.config.settings import Settings
from app.db.session import transaction
from app.domain import DeliveryState, Event, Module, Origin, Outcome, Record, System
from app.inbox.models import Delivery, Wakeup
from app.inbox.repository import NewDelivery
from app.links.models import Link
from app.main import create_app
from app.policies.repository import SyncPolicy, save_policy
from app.sync.pipeline import Dispatcher, drain
from app.sync.polling import poll
from app.synclog.models import Entry, EntryDelivery
from app.worker.upkeep import probe_if_due
from sandbox.app import Sandbox, create_sandbox_app
from sandbox.server import serve
from sandbox.vtiger.cloud import Limits
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.delivery import Outbound
from sandbox.woocommerce.shopdata import ShopData
from tests.agreement import People, find_people
from tests.doorway import Doorway
from tests.setting import (
    CALLBACK_SECRET,
    SERVICE,
    STORE,
    Clock,
    build_sandbox,
    connect,
    setting_values,
)
from tests.tampering import Tampering
from tests.traffic import Traffic

MOST_ROUNDS = 60
AT_ONCE = 4
EAGER = {"create_in_shop": "all"}
"""Most tests are about what happens once a contact may become a customer."""


@dataclass(slots=True)
class World(Tampering):
    """`doorway` leads to the service; `traffic` counts what it asks of the two systems."""

    sandbox: Sandbox
    traffic: Traffic
    doorway: Doorway
    clock: Clock
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def set_policy(
        self, store: str = STORE, module: Module = Module.CONTACTS, **choices: Any
    ) -> None:
        async with transaction(self.runtime.sessions) as session:
            policy = SyncPolicy(**{**EAGER, **choices})
            await save_policy(session, store, module=module, policy=policy, by="test")

    async def sync_only(self, *modules: Module) -> None:
        for module in set(Module) - set(modules):
            await self.set_policy(module=module, enabled=False)

    async def customer(self, email: str, **fields: Any) -> str:
        """Somebody registers in the shop."""
        user = self.sandbox.shop.customers.create({"email": email, **fields})
        return str(user.id)

    def edit_customer(self, customer_id: str, **fields: Any) -> None:
        self.sandbox.shop.customers.update(int(customer_id), fields)

    def delete_customer(self, customer_id: str) -> None:
        self.sandbox.shop.customers.delete(int(customer_id))

    async def contact(self, **fields: Any) -> str:
        """Somebody types a contact into the CRM."""
        return await self.sandbox.crm.ui_create("Contacts", fields)

    async def edit_contact(self, contact_id: str, **fields: Any) -> None:
        await self.sandbox.crm.ui_edit(contact_id, fields)

    def later(self, seconds: float = 2) -> None:
        """Time passes in both systems, so that edits have stamps of their own."""
        self.clock.ahead += timedelta(seconds=seconds)

    def sent(self) -> list[Outbound]:
        """What the shop has sent so far, in order."""
        return [each.outbound for each in self.sandbox.shop.webhooks.sent]

    async def send(self, outbound: Outbound) -> int:
        """A delivery as the shop sent it, once more; the status of the answer."""
        async with httpx.AsyncClient(transport=self.doorway) as client:
            answer = await client.post(
                outbound.url, content=outbound.body, headers=outbound.headers()
            )
        return answer.status_code

    async def call_back(self, form: Mapping[str, str]) -> int:
        """The CRM tells of a contact, in a form post; the status of the answer."""
        url = f"{SERVICE}/callbacks/vtiger/contacts"
        async with httpx.AsyncClient(transport=self.doorway) as client:
            answer = await client.post(
                url, data=form, headers={"X-Callback-Token": CALLBACK_SECRET}
            )
        return answer.status_code

    @property
    def key(self) -> ApiKey:
        known = self.sandbox.credentials
        return ApiKey(known.consumer_key, known.consumer_secret)

    async def get_customer(self, customer_id: str) -> Mapping[str, Any]:
        return (await self.runtime.stores[STORE].get_customer(customer_id)).data

    def get_contact(self, contact_id: str) -> Mapping[str, Any]:
        return self.sandbox.crm.record(contact_id)

    def contacts(self) -> list[dict[str, Any]]:
        return self.sandbox.crm.records("Contacts")

    def accounts(self) -> list[str]:
        return [row["accountname"] for row in self.sandbox.crm.records("Accounts")]

    async def company_of(self, contact_id: str) -> str:
        account_id = self.get_contact(contact_id)["account_id"]
        return self.sandbox.crm.record(account_id)["accountname"] if account_id else ""

    async def people(self) -> People:
        return await find_people(self.runtime.stores[STORE], self.runtime.vtiger)

    async def settle(self) -> None:
        """Until the shop has sent everything and no delivery waits, retry times aside."""
        for _ in range(MOST_ROUNDS):
            sent = await self.sandbox.shop.webhooks.flush()
            if not await self.step() and not sent:
                return
        raise AssertionError(f"never quiet: {await self.waiting()}")

    async def hint_customer(self, customer_id: str) -> None:
        """A person asks for a look at one customer."""
        record = Record(STORE, System.WOOCOMMERCE, Module.CONTACTS, customer_id)
        hint = NewDelivery(record, Origin.MANUAL, Event.CHANGED, uuid4().hex)
        await self.runtime.acceptor.accept([hint])

    async def hint_contact(self, vtiger_id: str) -> None:
        """A person asks for a look at one contact of Vtiger."""
        record = Record(STORE, System.VTIGER, Module.CONTACTS, vtiger_id)
        hint = NewDelivery(record, Origin.MANUAL, Event.CHANGED, uuid4().hex)
        await self.runtime.acceptor.accept([hint])

    async def hint_product(self, vtiger_id: str) -> None:
        """A person asks for a look at one product of Vtiger."""
        record = Record(STORE, System.VTIGER, Module.PRODUCTS, vtiger_id)
        hint = NewDelivery(record, Origin.MANUAL, Event.CHANGED, uuid4().hex)
        await self.runtime.acceptor.accept([hint])

    async def settle_again(self) -> None:
        """A poll, and a hint by hand for each side of each pair: all of it is read and merged."""
        await poll(self.runtime)
        links = [link for store in self.runtime.stores for link in await self.links(store)]
        records = [record for link in links for record in _records(link)]
        hints = [
            NewDelivery(record, Origin.MANUAL, Event.CHANGED, uuid4().hex) for record in records
        ]
        if hints:
            await self.runtime.acceptor.accept(hints)
        await self.settle()

    async def probe(self) -> None:
        """As if it were time: pauses end, and remotes that are left alone are asked."""
        await self.execute("UPDATE remotes SET probe_at = now(), paused_until = NULL")
        for gate in self.runtime.gates.values():
            await probe_if_due(self.runtime, gate)

    async def step(self) -> int:
        """Drain every record with a waiting delivery once; how many those were."""
        async with transaction(self.runtime.sessions) as session:
            waiting = Delivery.state == DeliveryState.PENDING
            await session.execute(
                update(Delivery).where(waiting).values(next_attempt_at=func.now())
            )
        await self.probe()
        await Dispatcher(self.runtime).run_once()
        async with self.runtime.sessions() as session:
            woken = select(Wakeup.record_key).where(Wakeup.woken_at.is_not(None))
            keys = (await session.scalars(woken)).all()
        await asyncio.gather(*(self.drain(key) for key in keys))
        return len(keys)

    async def drain(self, record_key: str) -> None:
        async with self._turns:
            await drain(self.runtime, record_key, owner=uuid4().hex)

    async def waiting(self) -> list[tuple[str, str | None]]:
        async with self.runtime.sessions() as session:
            found = await session.execute(
                select(Delivery.record_key, Delivery.last_error).where(
                    Delivery.state.in_([DeliveryState.PENDING, DeliveryState.PROCESSING])
                )
            )
            return [(key, error) for key, error in found]

    async def deliveries(self) -> Sequence[Delivery]:
        async with self.runtime.sessions() as session:
            return (await session.scalars(select(Delivery).order_by(Delivery.id))).all()

    async def log(self, *outcomes: Outcome) -> Sequence[Entry]:
        """Rows of the log, oldest first; all, or those of some outcomes."""
        wanted = Entry.outcome.in_(outcomes or list(Outcome))
        async with self.runtime.sessions() as session:
            return (await session.scalars(select(Entry).where(wanted).order_by(Entry.id))).all()

    async def told(self) -> list[tuple[str, str, str | None]]:
        """The log in short: target, outcome, reason."""
        return [(row.target, row.outcome, row.reason) for row in await self.log()]

    async def deliveries_of(self, row: Entry) -> list[int]:
        found = select(EntryDelivery.delivery_id).where(EntryDelivery.entry_id == row.id)
        async with self.runtime.sessions() as session:
            return sorted(await session.scalars(found))

    async def links(self, store: str = STORE) -> Sequence[Link]:
        async with self.runtime.sessions() as session:
            found = select(Link).where(Link.store == store).order_by(Link.id)
            return (await session.scalars(found)).all()


@asynccontextmanager
async def open_world(
    database_url: str,
    data: ShopData | None = None,
    *,
    hooks: bool = True,
    cloud: Limits | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """With `hooks` the shop sends webhooks and the CRM callbacks to the service.

    The two systems are served over real HTTP, for their faults are those of connections; the
    service is called in the process.
    """
    clock, doorway = Clock(), Doorway()
    sandbox = build_sandbox(data, clock, doorway, cloud=cloud)
    traffic = Traffic(create_sandbox_app(sandbox))
    async with serve(traffic) as remote:
        chosen = setting_values(sandbox, remote.url, database_url, **settings)
        app = create_app(Settings.model_validate(chosen), worker=False)
        async with LifespanManager(app):
            doorway.open_to(app)
            if hooks:
                connect(sandbox, SERVICE)
            world = World(app.state.runtime, sandbox, traffic, doorway, clock)
            for store in world.runtime.stores:
                await world.set_policy(store)
            yield world


def _records(link: Link) -> list[Record]:
    ids = {System.WOOCOMMERCE: link.woo_id, System.VTIGER: link.vtiger_id}
    return [Record(link.store, system, Module(link.module), ids[system]) for system in System]

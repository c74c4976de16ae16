"""From a hint to the work on it: is the module synced, which record is meant, who writes it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from app.errors import System
from app.inbox.models import Delivery
from app.links.leases import PairLease
from app.mapping.rules import FieldRule
from app.mapping.values import PatchOptions
from app.module_facts import FACTS
from app.policies.repository import get_policy
from app.policies.schemas import SyncPolicy
from app.records import Direction, GuestPolicy, Module, Record
from app.runs.repository import directions_of
from app.runtime import Runtime
from app.sync.accounts import Accounts
from app.sync.books import Books
from app.sync.contacts import CONTACTS, ContactAdapter
from app.sync.dependencies import Dependencies
from app.sync.foreign_ids import foreign_id_field
from app.sync.guests import Guests
from app.sync.hold import PATIENCE
from app.sync.mappings import demanded, rules_of
from app.sync.order_opening import OrderParts
from app.sync.product_sides import PRODUCTS, ProductSides
from app.sync.product_writing import ProductWriter
from app.sync.products import ProductAdapter
from app.sync.sales_orders import OrderAdapter
from app.sync.sides import Adapter, Skip
from app.sync.taxes import TaxAdapter
from app.sync.work import Work, is_needed
from app.vtiger.orders import ORDERS

NO_MODULE = "Topic {kind} belongs to no module that is synced; remove its webhook to save calls."
MODULE_OFF = "Module {module} is switched off for store {store}: switch it on in its settings."
NO_STORE = "Store {store} is no longer configured: set STORES__{store}__URL and its companions."


async def find_objection(runtime: Runtime, record: Record) -> Skip | None:
    """Why the record is not looked at, if so; told without calling anyone."""
    if record.store not in runtime.stores:
        return Skip("filtered", NO_STORE.format(store=record.store))
    if record.module is None:
        return Skip("filtered", NO_MODULE.format(kind=record.kind))
    policy = await policy_of(runtime, record.store, record.module)
    if not policy.enabled:
        return Skip("module_off", MODULE_OFF.format(module=record.module, store=record.store))
    return None


async def policy_of(runtime: Runtime, store: str, module: Module) -> SyncPolicy:
    async with runtime.sessions() as session:
        return await get_policy(session, store, module)


def narrowed(policy: SyncPolicy, direction: Direction) -> SyncPolicy:
    """The settings of a run: its direction is one that they allow, or less."""
    return policy.model_copy(update={"direction": direction.within(policy.direction)})


async def _policy_for(
    runtime: Runtime, deliveries: Sequence[Delivery], module: Module
) -> SyncPolicy:
    """Narrowed where only runs of one direction brought the record up."""
    policy = await policy_of(runtime, deliveries[-1].store, module)
    run_ids = {delivery.run_id for delivery in deliveries}
    if None in run_ids:
        return policy
    async with runtime.sessions() as session:
        directions = await directions_of(session, run_ids)
    return narrowed(policy, directions.pop()) if len(directions) == 1 else policy


async def resolve(runtime: Runtime, record: Record) -> Record:
    """A Vtiger record may be told by its bare or its record number: the id it means.

    NotFound if there is no such record (contract page Vtiger §5).
    """
    if record.system is not System.VTIGER or record.module is None:
        return record
    resolved = await runtime.vtiger.resolve_id(FACTS[record.module].vtiger_name, record.id)
    return Record(record.store, record.system, record.module, resolved, record.kind)


async def open_work(
    runtime: Runtime,
    record: Record,
    deliveries: Sequence[Delivery],
    *,
    lease: PairLease,
    dependencies: Dependencies,
) -> Work:
    """The work on a record of a module that is synced."""
    module = Module(record.module or "")
    policy = await _policy_for(runtime, deliveries, module)
    context = Context(runtime, record.store, policy, lease, dependencies, is_needed(deliveries))
    adapter = await open_adapter(context, module)
    return Work(runtime, adapter, policy, record, deliveries, lease)


@dataclass(frozen=True, slots=True)
class Context:
    """What an adapter may need. Without `dependencies` it brings nothing: it only looks.

    `is_needed`: another record asks for the one that is worked on. `proposed`: a mapping to go by
    instead of the one in force.
    """

    runtime: Runtime
    store: str
    policy: SyncPolicy
    lease: PairLease
    dependencies: Dependencies | None = None
    is_needed: bool = False
    proposed: tuple[FieldRule, ...] | None = None

    async def id_field(self, vtiger_module: str) -> str | None:
        """Our id field of a Vtiger module, where it has one."""
        shape = await self.runtime.shapes.get(vtiger_module)
        return foreign_id_field(shape, self.store, only_store=len(self.runtime.stores) == 1)

    async def rules(self, module: Module) -> tuple[FieldRule, ...]:
        """The mapping in force, or the one that is only proposed."""
        if self.proposed is not None:
            return self.proposed
        rules = await rules_of(self.runtime, self.store, module)
        if not any(rule.custom for rule in rules):
            return rules
        return demanded(rules, await self.runtime.shapes.get(FACTS[module].vtiger_name))

    @property
    def books(self) -> Books:
        return Books(self.runtime, self.store, self.dependencies)


async def open_adapter(context: Context, module: Module) -> Adapter:
    """The adapter of a module."""
    openers: dict[Module, Callable[[Context], Awaitable[Adapter]]] = {
        Module.CONTACTS: _contacts,
        Module.PRODUCTS: _products,
        Module.TAXES: _taxes,
        Module.SALES_ORDERS: _orders,
    }
    return await openers[module](context)


async def _contacts(context: Context) -> ContactAdapter:
    orders = await policy_of(context.runtime, context.store, Module.SALES_ORDERS)
    return ContactAdapter(
        store=context.store,
        woo=context.runtime.stores[context.store],
        vtiger=context.runtime.vtiger,
        accounts=Accounts(context.runtime.vtiger, partial(context.lease.extend, patience=PATIENCE)),
        guests=Guests(
            context.runtime.sessions, context.store, context.runtime.stores[context.store]
        ),
        rules=await context.rules(Module.CONTACTS),
        policy=context.policy,
        id_field=await context.id_field(CONTACTS),
        guests_are_contacts=orders.guests is GuestPolicy.CONTACT_PER_EMAIL,
    )


async def _products(context: Context) -> ProductAdapter:
    runtime, books = context.runtime, context.books
    code = (await books.shop()).currency
    sides = ProductSides(
        woo=runtime.stores[context.store],
        vtiger=runtime.vtiger,
        books=books,
        rules=await context.rules(Module.PRODUCTS),
        id_field=await context.id_field(PRODUCTS),
        currency_code=code,
        currency=(await books.crm()).find_currency(code),
        writes_vtiger=context.policy.direction.allows(System.VTIGER),
    )
    options = PatchOptions(too_long=context.policy.too_long.value)
    return ProductAdapter(sides, ProductWriter(sides, options), options, context.policy)


async def _taxes(context: Context) -> TaxAdapter:
    return TaxAdapter(
        woo=context.runtime.stores[context.store],
        vtiger=context.runtime.vtiger,
        books=context.books,
        policy=context.policy,
        is_needed=context.is_needed,
    )


async def _orders(context: Context) -> OrderAdapter:
    parts = OrderParts(
        context.runtime,
        context.store,
        context.policy,
        context.lease,
        context.books,
        context.dependencies,
        await context.id_field(ORDERS),
        await context.rules(Module.SALES_ORDERS),
    )
    return await parts.open()

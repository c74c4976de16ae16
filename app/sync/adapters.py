"""From a hint to the work on it: is the module synced, which record is meant, who writes it."""

from collections.abc import Sequence
from functools import partial

from app.errors import System
from app.inbox.models import Delivery
from app.links.leases import PairLease
from app.mapping.contact_rules import CONTACT_RULES
from app.mapping.rules import effective_rules
from app.policies.repository import get_policy
from app.policies.schemas import SyncPolicy
from app.records import Module, Record
from app.runtime import Runtime
from app.sync.accounts import Accounts
from app.sync.contacts import CONTACTS, ContactAdapter
from app.sync.foreign_ids import foreign_id_field
from app.sync.hold import PATIENCE
from app.sync.sides import Skip
from app.sync.work import Work

VTIGER_MODULES = {Module.CONTACTS: CONTACTS}

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


async def resolve(runtime: Runtime, record: Record) -> Record:
    """A Vtiger record may be told by its bare or its record number: the id it means.

    NotFound if there is no such record (contract page Vtiger §5).
    """
    if record.system is not System.VTIGER or record.module is None:
        return record
    resolved = await runtime.vtiger.resolve_id(VTIGER_MODULES[record.module], record.id)
    return Record(record.store, record.system, record.module, resolved, record.kind)


async def open_work(
    runtime: Runtime, record: Record, deliveries: Sequence[Delivery], lease: PairLease
) -> Work:
    policy = await policy_of(runtime, record.store, Module.CONTACTS)
    adapter = await open_contacts(runtime, record.store, policy, lease)
    return Work(runtime, adapter, policy, record, deliveries, lease)


async def open_contacts(
    runtime: Runtime, store: str, policy: SyncPolicy, lease: PairLease
) -> ContactAdapter:
    shape = await runtime.shapes.get(CONTACTS)
    return ContactAdapter(
        store=store,
        woo=runtime.stores[store],
        vtiger=runtime.vtiger,
        accounts=Accounts(runtime.vtiger, partial(lease.extend, patience=PATIENCE)),
        rules=effective_rules(CONTACT_RULES, ()),
        policy=policy,
        id_field=foreign_id_field(shape, store, only_store=len(runtime.stores) == 1),
    )

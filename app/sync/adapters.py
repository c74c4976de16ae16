"""From a hint to the work on it: is the module synced, which record is meant, who writes it."""

from collections.abc import Sequence

from app.errors import System
from app.inbox.models import Delivery
from app.links.leases import PairLease
from app.module_facts import FACTS
from app.policies.repository import get_policy
from app.policies.schemas import SyncPolicy
from app.records import Direction, Module, Record
from app.runs.repository import directions_of
from app.runtime import Runtime
from app.sync.dependencies import Dependencies
from app.sync.module_spec import Context
from app.sync.registry import SPECS
from app.sync.sides import Adapter, Skip
from app.sync.work import Work, is_needed

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


async def open_adapter(context: Context, module: Module) -> Adapter:
    """The adapter of a module."""
    adapter: Adapter = await SPECS[module].open(context)
    return adapter

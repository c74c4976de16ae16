"""Every module's adapter and listing, opened by the name of the module."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain import Direction, Module
from app.inbox.models import Delivery
from app.modules.contacts.bulk import CONTACTS_SPEC
from app.modules.orders.bulk import ORDERS_SPEC
from app.modules.ports import Adapter, Bulk, Listing
from app.modules.products.bulk import PRODUCTS_SPEC
from app.modules.spec import Context, ModuleSpec
from app.modules.taxes.bulk import TAXES_SPEC
from app.policies.repository import SyncPolicy, get_policy
from app.runs.repository import directions_of
from app.runtime import Runtime
from app.woocommerce.client import MAILS

# The modules that are synced, with all that the sync has to know of each.
#
# To add one: its facts (`app/module_facts.py`), its mapping (`app/modules/catalogue.py`), and a
# `ModuleSpec` of its own here.

SPECS: Mapping[Module, ModuleSpec[Any]] = {
    Module.TAXES: TAXES_SPEC,
    Module.CONTACTS: CONTACTS_SPEC,
    Module.PRODUCTS: PRODUCTS_SPEC,
    Module.SALES_ORDERS: ORDERS_SPEC,
}

IN_BULK = frozenset(module for module, spec in SPECS.items() if spec.begin_bulk)
"""The modules of which a run creates many records together."""


# What the shop mails people for what is written to it, in words.

ALWAYS = "A changed e-mail address is told to the old one by WordPress, whatever is set."
NOBODY = "The shop mails nobody for new accounts or orders."
SOMEBODY = "The shop mails customers: {kinds}."
WHERE = "WooCommerce, Settings, Emails"


async def mails_of(runtime: Runtime, store: str) -> frozenset[str]:
    """The mails that the shop has switched on, known for a minute. Raises the RemoteError tree."""
    return await runtime.memory.get(f"mails:{store}", runtime.stores[store].find_mails)


def describe_mails(on: Collection[str], module: Module | None = None) -> str:
    """Those that writes of one module, or of all, bring about."""
    spec = SPECS[module] if module is not None else None
    brought = MAILS.keys() if spec is None else spec.mails
    kinds = [name for kind, name in MAILS.items() if kind in on and kind in brought]
    told = SOMEBODY.format(kinds=", ".join(kinds)) if kinds else NOBODY
    return told if spec and not spec.tells_changed_address else f"{told} {ALWAYS}"


# Opens the bulk side of a module for the pages of a run.


@dataclass(frozen=True, slots=True)
class BulkOpener:
    """What lasts from page to page of a run."""

    begun: dict[Module, Callable[[Context, Any], Bulk]] = field(default_factory=dict)

    async def open(self, context: Context, module: Module) -> Bulk:
        """For one page: its lease is the context's. TypeError for a module that is not in bulk."""
        spec = SPECS[module]
        if spec.begin_bulk is None:
            raise TypeError(f"{module} is not created in bulk")
        if module not in self.begun:
            self.begun[module] = spec.begin_bulk()
        return self.begun[module](context, await spec.open(context))


NO_MODULE = "Topic {kind} belongs to no module that is synced; remove its webhook to save calls."
MODULE_OFF = "Module {module} is switched off for store {store}: switch it on in its settings."
NO_STORE = "Store {store} is no longer configured: set STORES__{store}__URL and its companions."


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


async def open_adapter(context: Context, module: Module) -> Adapter:
    """The adapter of a module."""
    adapter: Adapter = await SPECS[module].open(context)
    return adapter


# Opens the bulk reader of a module.


async def open_listing(context: Context, module: Module) -> Listing:
    """The bulk reader of a module."""
    return listing_of(context, await open_adapter(context, module))


def listing_of(context: Context, adapter: Adapter) -> Listing:
    """The bulk reader behind an adapter."""
    return SPECS[adapter.module].listing(context, adapter)

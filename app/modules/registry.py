"""Every module's adapter and listing, opened by the name of the module."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain import Direction, Module
from app.inbox.models import Delivery
from app.modules.contacts.bulk import CONTACTS_SPEC
from app.modules.context import Context, ModuleSpec
from app.modules.orders.bulk import ORDERS_SPEC
from app.modules.ports import Adapter, Bulk, Listing
from app.modules.products.bulk import PRODUCTS_SPEC
from app.modules.taxes.bulk import TAXES_SPEC
from app.policies.repository import SyncPolicy, get_policy
from app.runs.repository import directions_of
from app.runtime import Runtime
from app.woocommerce.client import MAILS

# The synced modules. A new one needs its facts (`app/module_facts.py`), its mapping
# (`app/modules/default_mappings.py`), and a `ModuleSpec` here.

SPECS: Mapping[Module, ModuleSpec[Any]] = {
    Module.TAXES: TAXES_SPEC,
    Module.CONTACTS: CONTACTS_SPEC,
    Module.PRODUCTS: PRODUCTS_SPEC,
    Module.SALES_ORDERS: ORDERS_SPEC,
}

IN_BULK = frozenset(module for module, spec in SPECS.items() if spec.begin_bulk)
"""The modules whose records a run creates in bulk."""


# The e-mails that the shop sends to customers because of our writes.

ALWAYS = (
    "WordPress always notifies the old e-mail address of a changed one, whatever the settings are."
)
NOBODY = "The shop sends no e-mails for new accounts or orders."
SOMEBODY = "The shop mails customers: {kinds}."
WHERE = "WooCommerce, Settings, Emails"


async def mails_of(runtime: Runtime, store: str) -> frozenset[str]:
    """The e-mails that are enabled in the shop, cached for a minute. May raise any RemoteError."""
    return await runtime.memory.get(f"mails:{store}", runtime.stores[store].find_mails)


def describe_mails(on: Collection[str], module: Module | None = None) -> str:
    """A sentence on the enabled e-mails that writes of one module, or of all, cause."""
    spec = SPECS[module] if module is not None else None
    caused = MAILS.keys() if spec is None else spec.mails
    kinds = [name for kind, name in MAILS.items() if kind in on and kind in caused]
    text = SOMEBODY.format(kinds=", ".join(kinds)) if kinds else NOBODY
    return text if spec and not spec.notifies_old_address else f"{text} {ALWAYS}"


# The bulk side of a module, for the pages of a run.


@dataclass(frozen=True, slots=True)
class BulkOpener:
    """Opens bulk sides for one run; `openers` keeps what lasts from page to page."""

    openers: dict[Module, Callable[[Context, Any], Bulk]] = field(default_factory=dict)

    async def open(self, context: Context, module: Module) -> Bulk:
        """The bulk side for one page, with the context's lease. TypeError for a module that is not
        in IN_BULK."""
        spec = SPECS[module]
        if spec.begin_bulk is None:
            raise TypeError(f"{module} is not created in bulk")
        if module not in self.openers:
            self.openers[module] = spec.begin_bulk()
        return self.openers[module](context, await spec.open(context))


NO_MODULE = "Topic {kind} belongs to no synced module; remove its webhook to save calls."
MODULE_OFF = "Module {module} is switched off for store {store}: switch it on in its settings."
NO_STORE = "Store {store} is no longer configured: set STORES__{store}__URL and its companions."


async def policy_of(runtime: Runtime, store: str, module: Module) -> SyncPolicy:
    async with runtime.sessions() as session:
        return await get_policy(session, store, module)


def narrowed(policy: SyncPolicy, direction: Direction) -> SyncPolicy:
    """The policy with its direction restricted to that of a run."""
    return policy.model_copy(update={"direction": direction.within(policy.direction)})


async def _policy_for(
    runtime: Runtime, deliveries: Sequence[Delivery], module: Module
) -> SyncPolicy:
    """The policy in force; narrowed if all deliveries come from runs of one direction."""
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

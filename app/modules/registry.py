"""The synced modules by name, the e-mails that their writes cause, and their bulk sides."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain import Module
from app.modules.contacts.bulk import CONTACTS_SPEC
from app.modules.context import Context, ModuleSpec
from app.modules.orders.bulk import ORDERS_SPEC
from app.modules.ports import Bulk
from app.modules.products.bulk import PRODUCTS_SPEC
from app.modules.taxes.bulk import TAXES_SPEC
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

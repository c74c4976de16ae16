"""The bulk side of a module, put together with what a page's records share."""

from dataclasses import dataclass, field, replace
from functools import partial

from app.records import Module
from app.sync.adapters import Context, open_adapter
from app.sync.bulk import Bulk
from app.sync.bulk_contacts import BulkContacts, Emails
from app.sync.bulk_orders import BulkOrders
from app.sync.bulk_products import BulkProducts
from app.sync.contacts import ContactAdapter
from app.sync.hold import PATIENCE
from app.sync.known_accounts import KnownAccounts
from app.sync.order_history import OrderHistory
from app.sync.products import ProductAdapter
from app.sync.sales_orders import OrderAdapter


@dataclass(frozen=True, slots=True)
class BulkOpener:
    """What lasts from page to page of a run."""

    emails: Emails = field(default_factory=Emails)

    async def open(self, context: Context, module: Module) -> Bulk:
        """For one page: its lease is the context's. TypeError for a module that is not in bulk."""
        adapter = await open_adapter(context, module)
        turn = partial(context.lease.extend, patience=PATIENCE)
        accounts = KnownAccounts(context.runtime.vtiger, turn)
        if isinstance(adapter, ContactAdapter):
            orders = OrderHistory(context.runtime, context.store)
            contacts = replace(adapter, accounts=accounts)
            return BulkContacts(contacts, accounts, orders, self.emails)
        if isinstance(adapter, ProductAdapter):
            return BulkProducts(adapter)
        if isinstance(adapter, OrderAdapter):
            writer = replace(adapter.writer, accounts=accounts)
            return BulkOrders(replace(adapter, writer=writer), accounts)
        raise TypeError(f"{module} is not created in bulk")

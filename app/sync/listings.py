"""Which bulk reader a module has."""

from app.records import Module
from app.sync.adapters import Context, open_adapter
from app.sync.contact_listing import ContactListing
from app.sync.contacts import ContactAdapter
from app.sync.listing import Listing
from app.sync.order_listing import OrderListing
from app.sync.product_listing import ProductListing
from app.sync.products import ProductAdapter
from app.sync.sales_orders import OrderAdapter
from app.sync.sides import Adapter
from app.sync.tax_listing import TaxListing
from app.sync.taxes import TaxAdapter


async def open_listing(context: Context, module: Module) -> Listing:
    """The bulk reader of a module."""
    return listing_of(context, await open_adapter(context, module))


def listing_of(context: Context, adapter: Adapter) -> Listing:
    """The bulk reader behind an adapter."""
    if isinstance(adapter, ContactAdapter):
        return ContactListing(context.runtime, adapter)
    if isinstance(adapter, ProductAdapter):
        return ProductListing(adapter)
    if isinstance(adapter, TaxAdapter):
        return TaxListing(adapter)
    if isinstance(adapter, OrderAdapter):
        return OrderListing(adapter)
    raise TypeError(f"nothing lists {adapter.module}")

"""Opens the bulk reader of a module."""

from app.records import Module
from app.sync.adapters import open_adapter
from app.sync.listing import Listing
from app.sync.module_spec import Context
from app.sync.registry import SPECS
from app.sync.sides import Adapter


async def open_listing(context: Context, module: Module) -> Listing:
    """The bulk reader of a module."""
    return listing_of(context, await open_adapter(context, module))


def listing_of(context: Context, adapter: Adapter) -> Listing:
    """The bulk reader behind an adapter."""
    return SPECS[adapter.module].listing(context, adapter)

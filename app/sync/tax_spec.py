"""Taxes as the sync opens and lists them. They are few, and a shop takes them one by one (contract
page WooCommerce §2, Batch)."""

from app.sync.module_spec import Context, ModuleSpec
from app.sync.tax_listing import TaxListing
from app.sync.taxes import TaxAdapter


async def _open(context: Context) -> TaxAdapter:
    return TaxAdapter(
        woo=context.runtime.stores[context.store],
        vtiger=context.runtime.vtiger,
        books=context.books,
        policy=context.policy,
        is_needed=context.is_needed,
    )


SPEC = ModuleSpec(open=_open, listing=lambda _, adapter: TaxListing(adapter))

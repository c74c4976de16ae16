"""Products as the sync opens, lists, previews and creates them."""

from collections.abc import Callable, Mapping

from app.errors import System
from app.mapping.product_patches import vtiger_product_patch, woo_product_patch
from app.mapping.values import Patch, PatchOptions, Value
from app.records import Module
from app.sync.bulk import Bulk
from app.sync.bulk_products import BulkProducts
from app.sync.module_spec import Context, ModuleSpec
from app.sync.product_listing import ProductListing
from app.sync.product_sides import PRODUCTS, ProductSides, crm_product, shop_product
from app.sync.product_writing import ProductWriter
from app.sync.products import ProductAdapter
from app.sync.sides import Side


async def _open(context: Context) -> ProductAdapter:
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


def _begin_bulk() -> Callable[[Context, ProductAdapter], Bulk]:
    return lambda _, adapter: BulkProducts(adapter)


async def _draft(
    adapter: ProductAdapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    if source.system is System.VTIGER:
        product = shop_product(current) if current else None
        return woo_product_patch(changes, adapter.rules, current=product, options=adapter.options)
    currency = adapter.sides.currency
    return vtiger_product_patch(
        changes,
        adapter.rules,
        current=crm_product(current) if current else None,
        tax_fields=(await adapter.sides.books.crm()).tax_fields,
        currency_id=currency.id if currency else "",
        options=adapter.options,
    )


SPEC = ModuleSpec(
    open=_open,
    listing=lambda _, adapter: ProductListing(adapter),
    begin_bulk=_begin_bulk,
    draft=_draft,
)

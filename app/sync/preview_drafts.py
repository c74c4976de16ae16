"""The request that a change of one record would be, by module; made by the same pure mapping."""

from collections.abc import Mapping

from app.errors import System
from app.mapping.contacts import vtiger_patch, woo_patch
from app.mapping.order_back import woo_order_patch
from app.mapping.order_patches import plan_order
from app.mapping.product_patches import vtiger_product_patch, woo_product_patch
from app.mapping.values import Patch, PatchOptions, Value
from app.sync.contacts import ContactAdapter
from app.sync.order_sides import crm_order, shop_order
from app.sync.product_sides import crm_product, shop_product
from app.sync.products import ProductAdapter
from app.sync.sales_orders import OrderAdapter
from app.sync.sides import Adapter, Side
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord


async def draft(
    adapter: Adapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    """What would be sent to bring `changes` of `source` to `current`, or to a new record (None).

    An order's money, which needs taxes to be made first, is not in it.
    """
    if isinstance(adapter, ContactAdapter):
        return _contact(adapter, changes, source, current)
    if isinstance(adapter, ProductAdapter):
        return await _product(adapter, changes, source, current)
    if isinstance(adapter, OrderAdapter):
        return _order(adapter, changes, source, current)
    raise TypeError(f"{adapter.module} cannot be drafted")


def _contact(
    adapter: ContactAdapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    options, raw = _options(adapter.policy.too_long), current.raw if current else None
    if source.system is System.WOOCOMMERCE:
        record = raw if isinstance(raw, VtigerRecord) else None
        return vtiger_patch(changes, adapter.rules, current=record, options=options)
    customer = raw if isinstance(raw, WooRecord) else None
    return woo_patch(changes, adapter.rules, current=customer, options=options)


def _options(too_long: str) -> PatchOptions:
    return PatchOptions(too_long="skip" if too_long == "skip" else "cut")


async def _product(
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


def _order(
    adapter: OrderAdapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    if source.system is System.VTIGER:
        refs = shop_order(current).refs if current else crm_order(source).refs
        order = shop_order(current).order if current else None
        return woo_order_patch(changes, refs, current=order, rules=adapter.rules)
    plan = plan_order(
        shop_order(source).order,
        shop_order(source).refs,
        rules=adapter.rules,
        options=_options(adapter.policy.too_long),
        changes=changes,
        current=crm_order(current).record if current else None,
    )
    money = plan.money.fields if plan.money else {}
    fields = {name: value for name, value in plan.fields.items() if name not in money}
    notes = tuple(note for note in plan.notes if note.field != "lines")
    return Patch(fields, notes, plan.unwritten)

"""Sales orders as the sync opens, lists, previews and creates them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from app.errors import System
from app.mapping.order_back import woo_order_patch
from app.mapping.order_patches import plan_order
from app.mapping.values import Patch, PatchOptions, Value
from app.records import Module
from app.sync.bulk import Bulk
from app.sync.bulk_orders import BulkOrders
from app.sync.hold import PATIENCE
from app.sync.known_accounts import KnownAccounts
from app.sync.module_spec import Context, ModuleSpec
from app.sync.order_listing import OrderListing
from app.sync.order_opening import OrderParts
from app.sync.order_sides import crm_order, shop_order
from app.sync.sales_orders import OrderAdapter
from app.sync.setup import ensure_setup
from app.sync.sides import Side
from app.vtiger.orders import ORDER_COLUMNS, ORDERS
from app.woocommerce.mails import MAILS, NEW_ACCOUNT


async def _open(context: Context) -> OrderAdapter:
    parts = OrderParts(
        context.runtime,
        context.store,
        context.policy,
        context.lease,
        context.books,
        context.dependencies,
        await context.id_field(ORDERS),
        await context.rules(Module.SALES_ORDERS),
    )
    return await parts.open()


def _begin_bulk() -> Callable[[Context, OrderAdapter], Bulk]:
    def open_page(context: Context, adapter: OrderAdapter) -> BulkOrders:
        turn = partial(context.lease.extend, patience=PATIENCE)
        accounts = KnownAccounts(context.runtime.vtiger, turn)
        writer = replace(adapter.writer, accounts=accounts)
        return BulkOrders(replace(adapter, writer=writer), accounts)

    return open_page


async def _draft(
    adapter: OrderAdapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    """An order's money, which needs taxes to be made first, is not in it."""
    if source.system is System.VTIGER:
        refs = shop_order(current).refs if current else crm_order(source).refs
        order = shop_order(current).order if current else None
        return woo_order_patch(changes, refs, current=order, rules=adapter.rules)
    plan = plan_order(
        shop_order(source).order,
        shop_order(source).refs,
        rules=adapter.rules,
        options=PatchOptions(too_long=adapter.policy.too_long.value),
        changes=changes,
        current=crm_order(current).record if current else None,
    )
    money = plan.money.fields if plan.money else {}
    fields = {name: value for name, value in plan.fields.items() if name not in money}
    notes = tuple(note for note in plan.notes if note.field != "lines")
    return Patch(fields, notes, plan.unwritten)


SPEC = ModuleSpec(
    open=_open,
    listing=lambda _, adapter: OrderListing(adapter),
    begin_bulk=_begin_bulk,
    draft=_draft,
    vtiger_columns=ORDER_COLUMNS,
    mails=frozenset(MAILS.keys() - {NEW_ACCOUNT}),
    prepare_run=ensure_setup,
)

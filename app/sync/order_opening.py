"""Sales orders as the sync opens, lists, previews and creates them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from app.errors import System
from app.mapping.order_back import woo_order_patch
from app.mapping.order_patches import plan_order
from app.mapping.values import Patch, PatchOptions, Value
from app.records import Module
from app.runtime import Runtime
from app.sync.accounts import Accounts
from app.sync.bulk import Bulk
from app.sync.bulk_orders import BulkOrders
from app.sync.guests import Guests
from app.sync.hold import PATIENCE
from app.sync.known_accounts import KnownAccounts
from app.sync.module_spec import Context, ModuleSpec
from app.sync.order_buyers import Buyers
from app.sync.order_listing import OrderListing
from app.sync.order_references import OrderReferences
from app.sync.order_returning import OrderReturner
from app.sync.order_sides import OrderSides, crm_order, shop_order
from app.sync.order_taxing import TaxCarriers
from app.sync.order_twins import OrderTwins
from app.sync.order_writing import OrderWriter
from app.sync.sales_orders import OrderAdapter
from app.sync.setup import FEE_SERVICE, ensure_setup, setup_ids
from app.sync.shop_creation import find_home
from app.sync.sides import Side
from app.vtiger.orders import ORDER_COLUMNS, ORDERS
from app.woocommerce.mails import MAILS, NEW_ACCOUNT

CHARGE_TAX = re.compile(r".+_shtax(?P<number>[0-9]+)", re.ASCII)


async def _open(context: Context) -> OrderAdapter:
    """The adapter, put together from its parts."""
    runtime, store, policy, books = context.runtime, context.store, context.policy, context.books
    dependencies = context.dependencies
    id_field = await context.id_field(ORDERS)
    rules = await context.rules(Module.SALES_ORDERS)
    accounts = Accounts(runtime.vtiger, partial(context.lease.extend, patience=PATIENCE))
    guests = Guests(runtime.sessions, store, runtime.stores[store])
    buyers = Buyers(runtime, store, policy, accounts, guests, dependencies)
    tax_field = await _shipping_tax_field(runtime)
    references = OrderReferences(runtime, store, policy, books, buyers, dependencies, tax_field)
    home = await _home(runtime, store)
    sides = OrderSides(runtime, store, policy, rules, id_field, references, home)
    returner = OrderReturner(runtime, store, policy, rules, references, buyers)
    fee_service_id = (await setup_ids(runtime)).get(FEE_SERVICE, "")
    carriers = TaxCarriers(runtime, store, context.lease, fee_service_id)
    writer = OrderWriter(runtime, policy, rules, books, accounts, carriers)
    return OrderAdapter(rules, policy, sides, OrderTwins(sides, returner), writer, returner)


async def _home(runtime: Runtime, store: str) -> str:
    """The first store whose orders are written; this one, where there is no other."""
    if len(runtime.stores) == 1:
        return store
    return await find_home(runtime) or store


async def _shipping_tax_field(runtime: Runtime) -> str | None:
    """Where the tax of shipping goes, by the charges that describe names (contract page
    Vtiger §3; recording 03-describe-SalesOrder)."""
    shape = await runtime.shapes.get(ORDERS)
    found = (CHARGE_TAX.fullmatch(field.name) for field in shape.fields)
    numbers = [int(match["number"]) for match in found if match]
    return f"shtax{min(numbers)}_sh_percent" if numbers else None


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

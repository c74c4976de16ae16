"""Contacts as the sync opens, lists, previews and creates them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from app.errors import System
from app.mapping.contacts import vtiger_patch, woo_patch
from app.mapping.values import Patch, PatchOptions, Value
from app.policies.repository import get_policy
from app.records import GuestPolicy, Module
from app.sync.accounts import Accounts
from app.sync.bulk import Bulk
from app.sync.bulk_contacts import BulkContacts, Emails
from app.sync.contact_listing import ContactListing
from app.sync.contacts import CONTACTS, ContactAdapter
from app.sync.guests import Guests
from app.sync.hold import PATIENCE
from app.sync.known_accounts import KnownAccounts
from app.sync.module_spec import Context, ModuleSpec
from app.sync.order_history import OrderHistory
from app.sync.sides import Side
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.mails import NEW_ACCOUNT
from app.woocommerce.schemas import WooRecord


async def _open(context: Context) -> ContactAdapter:
    async with context.runtime.sessions() as session:
        orders = await get_policy(session, context.store, Module.SALES_ORDERS)
    return ContactAdapter(
        store=context.store,
        woo=context.runtime.stores[context.store],
        vtiger=context.runtime.vtiger,
        accounts=Accounts(context.runtime.vtiger, partial(context.lease.extend, patience=PATIENCE)),
        guests=Guests(
            context.runtime.sessions, context.store, context.runtime.stores[context.store]
        ),
        rules=await context.rules(Module.CONTACTS),
        policy=context.policy,
        id_field=await context.id_field(CONTACTS),
        guests_are_contacts=orders.guests is GuestPolicy.CONTACT_PER_EMAIL,
    )


def _begin_bulk() -> Callable[[Context, ContactAdapter], Bulk]:
    """E-mails that were looked for are known from page to page."""
    emails = Emails()

    def open_page(context: Context, adapter: ContactAdapter) -> BulkContacts:
        turn = partial(context.lease.extend, patience=PATIENCE)
        accounts = KnownAccounts(context.runtime.vtiger, turn)
        orders = OrderHistory(context.runtime, context.store)
        return BulkContacts(replace(adapter, accounts=accounts), accounts, orders, emails)

    return open_page


async def _draft(
    adapter: ContactAdapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    options = PatchOptions(too_long=adapter.policy.too_long.value)
    raw = current.raw if current else None
    if source.system is System.WOOCOMMERCE:
        record = raw if isinstance(raw, VtigerRecord) else None
        return vtiger_patch(changes, adapter.rules, current=record, options=options)
    customer = raw if isinstance(raw, WooRecord) else None
    return woo_patch(changes, adapter.rules, current=customer, options=options)


SPEC = ModuleSpec(
    open=_open,
    listing=lambda context, adapter: ContactListing(context.runtime, adapter),
    begin_bulk=_begin_bulk,
    draft=_draft,
    mails=frozenset({NEW_ACCOUNT}),
    tells_changed_address=True,
)

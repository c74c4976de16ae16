"""Contacts in bulk: listed for sweeps and runs, and created a page at a time."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import ClassVar

from app.domain import LeaseLost, Module, RemoteError, System
from app.links.leases import LEASE_WAIT_SECONDS
from app.links.repository import search_guest_emails, search_guest_orders
from app.mapping.values import Patch, PatchOptions, Value
from app.modules.contacts.adapter import (
    ACCOUNTS,
    CONTACTS,
    Account,
    Accounts,
    ContactAdapter,
    account_key,
    find_guest_id,
    guest_of,
    new_customer,
    open_contacts,
)
from app.modules.contacts.mapping import (
    COMPANY,
    WOO_META_KEY,
    contact_conversion,
    vtiger_patch,
    woo_patch,
)
from app.modules.context import Context, ListingBase, ModuleSpec
from app.modules.orders.history import OrderHistory
from app.modules.ports import (
    NO_PREDICATES,
    PAGE,
    Bulk,
    ChangePredicate,
    CreateResult,
    FieldDifference,
    IdWriteResult,
    ListedRecord,
    Read,
    Side,
    Written,
    attempt,
    find_each,
    pages,
)
from app.vtiger.query import Query, changed_where, last_change, one_of, portions
from app.vtiger.schemas import VtigerRecord, fold
from app.woocommerce.client import NEW_ACCOUNT, Role
from app.woocommerce.schemas import WooCustomer, WooRecord

# The Accounts of a page's records, searched for together instead of one by one.

COLUMNS = ("id", "accountname", "source", "modifiedby")


@dataclass(frozen=True, slots=True)
class KnownAccounts(Accounts):
    """Caches Accounts by name for one page; other names are searched for one by one.

    All names are leased before the search, so that no other worker creates one of them after it.
    """

    seen: dict[str, list[VtigerRecord]] = field(default_factory=dict)
    known: dict[str, Account] = field(default_factory=dict)
    locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    async def prefetch(self, names: Iterable[str]) -> None:
        """Search for the names, a hundred a call (recording 53-query-in). Nothing is prefetched if
        another worker has leased one of them."""
        wanted = {fold(name): name for name in names if name.strip()}
        try:
            await self.acquire([account_key(name) for name in sorted(wanted)])
        except LeaseLost:
            return
        self.seen.update({key: [] for key in wanted})
        for part in portions(sorted(wanted.values())):
            where = (one_of("accountname", part),)
            async for record in self.vtiger.search(ACCOUNTS, where, columns=COLUMNS):
                self.seen.setdefault(fold(record.get("accountname")), []).append(record)

    async def find_or_create(self, name: str) -> Account:
        """The Account of this name; two records of a page with one name get the same Account."""
        async with self.locks[fold(name)]:
            if name not in self.known:
                self.known[name] = await Accounts.find_or_create(self, name)
                self.seen.pop(fold(name), None)
            return self.known[name]

    async def _search(self, name: str) -> Sequence[VtigerRecord]:
        seen = self.seen.get(fold(name))
        return seen if seen is not None else await Accounts._search(self, name)


# Bulk creation: e-mails are searched for together, customers created in batches.


@dataclass(slots=True)
class Emails:
    """The e-mails of a shop's users, all read once a run, since a shop cannot be queried for many
    at a time (contract page WooCommerce §2, Search)."""

    known: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class BulkContacts:
    """`accounts` are those that the adapter uses; `orders` give the shop's guests."""

    adapter: ContactAdapter
    accounts: KnownAccounts
    orders: OrderHistory
    emails: Emails = field(default_factory=Emails)

    async def search_prerequisites(self, seen: Sequence[ListedRecord]) -> list[ListedRecord]:  # noqa: ARG002
        """None: contacts have no dependencies."""
        return []

    async def preload_links(self, seen: Sequence[ListedRecord]) -> None:
        """Nothing: contacts have no dependencies."""

    async def prepare(self, sources: Sequence[Side]) -> None:
        await self.accounts.prefetch([self._company(side) for side in sources])

    def _company(self, side: Side) -> str:
        patch = vtiger_patch(
            side.values.values, self.adapter.rules, current=None, options=self._options
        )
        return patch.apart.get(COMPANY, "")

    async def search_taken(self, sources: Sequence[Side]) -> frozenset[str]:
        by_email = {_folded(side): side for side in sources if _folded(side)}
        of_shop = all(side.system is System.WOOCOMMERCE for side in sources)
        found = [record async for record in self._in_vtiger(sources)]
        taken = {
            by_email[email].id
            for record_id, email in found
            if email in by_email and (of_shop or by_email[email].id != record_id)
        }
        if not of_shop:
            known = await self._shop_emails() | await self._guest_emails(by_email)
            taken |= {side.id for email, side in by_email.items() if email in known}
        return frozenset(taken)

    async def _in_vtiger(self, sources: Sequence[Side]) -> AsyncIterator[tuple[str, str]]:
        """The ids and e-mails of contacts with one of these e-mails (recording 53-query-in)."""
        emails = sorted({(side.values.get("email") or "").strip() for side in sources} - {""})
        for part in portions(emails):
            where = (one_of("email", part),)
            async for record in self.adapter.vtiger.search(
                CONTACTS, where, columns=("id", "email")
            ):
                yield record.id, record.get("email").strip().casefold()

    async def _guest_emails(self, emails: Collection[str]) -> frozenset[str]:
        """The e-mails among these that are guests', who are contacts and get no account."""
        if not self.adapter.guests_are_contacts:
            return frozenset()
        await self.orders.read()
        async with self.orders.runtime.sessions() as session:
            return await search_guest_emails(session, self.orders.store, emails)

    async def _shop_emails(self) -> frozenset[str]:
        if self.emails.known is None:
            users = self.adapter.woo.each_customer(role="all")
            self.emails.known = frozenset([user.email.strip().casefold() async for user in users])
        return self.emails.known

    async def create_in_shop(self, sources: Sequence[Side]) -> list[CreateResult]:
        patches = [new_customer(side, self.adapter.rules, self._options) for side in sources]
        created = await self.adapter.woo.batch_customers(create=[patch.body for patch in patches])
        return [
            each
            if isinstance(each, RemoteError)
            else Written(self.adapter.woo_side(each), patch.notes, patch.unwritten)
            for each, patch in zip(created, patches, strict=True)
        ]

    @property
    def _options(self) -> PatchOptions:
        return PatchOptions(too_long=self.adapter.policy.too_long.value)

    async def write_external_ids_in_shop(
        self, marks: Sequence[tuple[Side, str]]
    ) -> list[IdWriteResult]:
        """With customers only meta keys without an underscore are stored (contract page
        WooCommerce §2)."""
        update = {
            side.id: {"meta_data": [{"key": WOO_META_KEY, "value": partner}]}
            for side, partner in marks
        }
        return [_stamp(each) for each in await self.adapter.woo.batch_customers(update=update)]


def _stamp(marked: WooCustomer | RemoteError) -> IdWriteResult:
    if isinstance(marked, RemoteError):
        return marked
    return marked.modified_at or marked.created_at


def _folded(side: Side) -> str:
    return (side.values.get("email") or "").strip().casefold()


@dataclass(slots=True)
class ContactListing(ListingBase):
    """Customers of the synced roles, and Contacts."""

    module: ClassVar[Module] = Module.CONTACTS
    lists_all: ClassVar[frozenset[System]] = frozenset({System.WOOCOMMERCE})

    async def find_last_change(self, system: System) -> datetime | None:
        """None for customers, which cannot be sorted by modification time."""
        if system is System.WOOCOMMERCE:
            return None
        found = await self.vtiger.query(last_change(CONTACTS))
        return found[0].modified_at if found else None

    async def count(self, system: System, changed_since: datetime | None) -> int:
        if system is System.WOOCOMMERCE:
            return await self.woo.count_customers(role=self._role)
        return await self.vtiger.count(CONTACTS, changed_where(changed_since))

    def each(
        self, system: System, changed_since: datetime | None
    ) -> AsyncIterator[list[ListedRecord]]:
        """Always all customers, by ascending id (contract page WooCommerce §2), without guests."""
        return self._contacts(changed_since) if system is System.VTIGER else self._customers()

    async def _customers(self) -> AsyncIterator[list[ListedRecord]]:
        roles = self.context.policy.roles
        async for page in pages(self.woo.each_customer(role=self._role)):
            yield [_seen(customer) for customer in page if customer.role in roles]

    @property
    def _role(self) -> Role:
        return "customer" if set(self.context.policy.roles) == {"customer"} else "all"

    async def each_guest(self) -> AsyncIterator[list[ListedRecord]]:
        """The guests, each with the data of its latest order, a hundred a call
        (order_get_guest_storefront)."""
        async with self.context.runtime.sessions() as session:
            ids = await search_guest_orders(session, self.context.store)
        for start in range(0, len(ids), PAGE):
            orders = await self.woo.search_orders_by_id(ids[start : start + PAGE])
            yield [_seen(guest_of(order)) for order in orders if find_guest_id(order)]

    async def _contacts(self, changed_since: datetime | None) -> AsyncIterator[list[ListedRecord]]:
        """Contract page Vtiger §1, query."""
        found = self.vtiger.search(CONTACTS, changed_where(changed_since))
        async for page in pages(found):
            yield [ListedRecord(System.VTIGER, record.id, record) for record in page]

    async def each_trashed(self) -> AsyncIterator[str]:
        """None: users have no trash (contract page WooCommerce §2, Errors)."""
        for user_id in tuple[str, ...]():
            yield user_id

    async def each_vtiger_id(self) -> AsyncIterator[str]:
        async for record in self.vtiger.search(CONTACTS, columns=("id",)):
            yield record.id


def _seen(customer: WooCustomer) -> ListedRecord:
    return ListedRecord(System.WOOCOMMERCE, customer.id, customer)


@dataclass(frozen=True, slots=True)
class ContactReader:
    """Contacts are read with their Accounts' names."""

    adapter: ContactAdapter
    change_predicates: ClassVar[Mapping[System, ChangePredicate]] = NO_PREDICATES

    async def sides(self, page: Sequence[ListedRecord]) -> list[Read]:
        raws = [seen.raw for seen in page if isinstance(seen.raw, VtigerRecord)]
        accounts = [raw.get("account_id") for raw in raws if not raw.faults]
        names = await self.adapter.accounts.names_of(accounts)
        return [await attempt(each.system, each.id, self._side(each, names)) for each in page]

    async def _side(self, seen: ListedRecord, accounts: Mapping[str, str]) -> Side:
        if isinstance(seen.raw, VtigerRecord):
            record = seen.raw.checked()
            account = accounts.get(record.get("account_id"), "")
            return await self.adapter.vtiger_side(record, account)
        customer = seen.raw
        if not isinstance(customer, WooCustomer):
            customer = WooCustomer.parse(customer.data)
        return self.adapter.woo_side(customer)

    async def complete(self, page: Sequence[ListedRecord]) -> list[Read]:
        return await self.sides(page)

    async def whole(self, system: System, ids: Sequence[str]) -> list[Read]:
        if system is System.WOOCOMMERCE or not ids:
            return await find_each(self.adapter, system, ids)
        found = await self.adapter.vtiger.query(Query(CONTACTS, where=(one_of("id", ids),)))
        return await self.sides([ListedRecord(system, record.id, record) for record in found])

    def is_explained(self, name: str, woo: Side, vtiger: Side) -> bool:
        options = PatchOptions(too_long=self.adapter.policy.too_long.value)
        conversion = contact_conversion(self.adapter.rules, options)
        return conversion.is_explained(name, woo.values, vtiger.values)

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:  # noqa: ARG002
        return ()


# The ModuleSpec of contacts.


def _begin_bulk() -> Callable[[Context, ContactAdapter], Bulk]:
    """The shop's e-mails are kept from page to page of a run."""
    emails = Emails()

    def open_page(context: Context, adapter: ContactAdapter) -> BulkContacts:
        acquire = partial((context.names or context.lease).extend, wait_seconds=LEASE_WAIT_SECONDS)
        accounts = KnownAccounts(context.runtime.vtiger, acquire)
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


CONTACTS_SPEC = ModuleSpec(
    open=open_contacts,
    reader=ContactReader,
    listing=ContactListing,
    begin_bulk=_begin_bulk,
    draft=_draft,
    mails=frozenset({NEW_ACCOUNT}),
    notifies_old_address=True,
)

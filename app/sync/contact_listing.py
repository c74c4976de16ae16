"""Contacts in bulk: customers, guests by their latest orders, and Vtiger's contacts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.errors import System
from app.links.guests import search_guest_orders
from app.mapping.carrying import contact_carriage
from app.mapping.values import PatchOptions
from app.runtime import Runtime
from app.sync.comparison import FieldDifference
from app.sync.contacts import CONTACTS, ContactAdapter
from app.sync.guests import find_guest_id, guest_of
from app.sync.listing import (
    NO_GLIMPSES,
    PAGE,
    Glance,
    Read,
    Seen,
    attempt,
    changed_where,
    find_each,
    last_change,
    pages,
)
from app.sync.sides import Side
from app.vtiger.query import Query, one_of
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.customers import Role
from app.woocommerce.schemas import WooCustomer


@dataclass(frozen=True, slots=True)
class ContactListing:
    """Customers of the synced roles, and Contacts with their Accounts' names."""

    runtime: Runtime
    adapter: ContactAdapter
    lists_all: frozenset[System] = frozenset({System.WOOCOMMERCE})
    glimpses: ClassVar[Mapping[System, Glance]] = NO_GLIMPSES

    async def find_last_change(self, system: System) -> datetime | None:
        """None for customers: there is no order of theirs by change."""
        if system is System.WOOCOMMERCE:
            return None
        found = await self.adapter.vtiger.query(last_change(CONTACTS))
        return found[0].modified_at if found else None

    async def count(self, system: System, changed_since: datetime | None) -> int:
        if system is System.WOOCOMMERCE:
            return await self.adapter.woo.count_customers(role=self._role)
        return await self.adapter.vtiger.count(CONTACTS, changed_where(changed_since))

    def each(self, system: System, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        """Customers always all, ids ascending (contract page WooCommerce §2); guests are in no
        list of theirs."""
        return self._contacts(changed_since) if system is System.VTIGER else self._customers()

    async def _customers(self) -> AsyncIterator[list[Seen]]:
        roles = self.adapter.policy.roles
        async for page in pages(self.adapter.woo.each_customer(role=self._role)):
            yield [_seen_person(customer) for customer in page if customer.role in roles]

    @property
    def _role(self) -> Role:
        return "customer" if set(self.adapter.policy.roles) == {"customer"} else "all"

    async def each_guest(self) -> AsyncIterator[list[Seen]]:
        """The guests who are contacts, as the latest order that was seen of each shows them, a
        hundred a call (order_get_guest_storefront)."""
        async with self.runtime.sessions() as session:
            ids = await search_guest_orders(session, self.adapter.store)
        for start in range(0, len(ids), PAGE):
            orders = await self.adapter.woo.search_orders_by_id(ids[start : start + PAGE])
            yield [_seen_person(guest_of(order)) for order in orders if find_guest_id(order)]

    async def _contacts(self, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        """Contract page Vtiger §1, query."""
        found = self.adapter.vtiger.search(CONTACTS, changed_where(changed_since))
        async for page in pages(found):
            yield [Seen(System.VTIGER, record.id, record) for record in page]

    async def each_trashed(self) -> AsyncIterator[str]:
        """Nobody: users have no trash (contract page WooCommerce §2, Errors)."""
        for nobody in tuple[str, ...]():
            yield nobody

    async def each_vtiger_id(self) -> AsyncIterator[str]:
        async for record in self.adapter.vtiger.search(CONTACTS, columns=("id",)):
            yield record.id

    async def sides(self, page: Sequence[Seen]) -> list[Read]:
        raws = [seen.raw for seen in page if isinstance(seen.raw, VtigerRecord)]
        accounts = [raw.get("account_id") for raw in raws if not raw.faults]
        names = await self.adapter.accounts.names_of(accounts)
        return [await attempt(each.system, each.id, self._side(each, names)) for each in page]

    async def _side(self, seen: Seen, accounts: Mapping[str, str]) -> Side:
        if isinstance(seen.raw, VtigerRecord):
            record = seen.raw.checked()
            account = accounts.get(record.get("account_id"), "")
            return await self.adapter.vtiger_side(record, account)
        customer = seen.raw
        if not isinstance(customer, WooCustomer):
            customer = WooCustomer.parse(customer.data)
        return self.adapter.woo_side(customer)

    async def complete(self, page: Sequence[Seen]) -> list[Read]:
        return await self.sides(page)

    async def whole(self, system: System, ids: Sequence[str]) -> list[Read]:
        if system is System.WOOCOMMERCE or not ids:
            return await find_each(self.adapter, system, ids)
        found = await self.adapter.vtiger.query(Query(CONTACTS, where=(one_of("id", ids),)))
        return await self.sides([Seen(system, record.id, record) for record in found])

    def is_explained(self, name: str, woo: Side, vtiger: Side) -> bool:
        options = PatchOptions(too_long=self.adapter.policy.too_long.value)
        carriage = contact_carriage(self.adapter.rules, options)
        return carriage.is_explained(name, woo.values, vtiger.values)

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:  # noqa: ARG002
        return ()


def _seen_person(customer: WooCustomer) -> Seen:
    return Seen(System.WOOCOMMERCE, customer.id, customer)

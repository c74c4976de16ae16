"""Reading contacts in bulk, to find what no hint told of. Nothing remote is written here."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

import orjson

from app.errors import System
from app.links.models import Link
from app.mapping.contacts import vtiger_contact, woo_contact
from app.mapping.rules import FieldRule
from app.mapping.values import Mapped, base_from_json
from app.sync.contacts import CONTACTS, ContactAdapter
from app.vtiger.query import Query, since
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooCustomer

PAGE = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as a listing shows it, with the name of its Account."""

    system: System
    id: str
    raw: WooCustomer | VtigerRecord
    account: str = ""

    def values(self, rules: tuple[FieldRule, ...]) -> Mapped:
        if isinstance(self.raw, WooCustomer):
            return woo_contact(self.raw, rules)
        return vtiger_contact(self.raw, rules, account_name=self.account)

    def differs(self, link: Link | None, rules: tuple[FieldRule, ...]) -> bool:
        """Whether the record is unpaired, is back, or is not what was agreed."""
        if link is None:
            return True
        base = base_from_json(link.base)
        values = self.values(rules)
        stale = self.system is System.VTIGER and self.raw.modified_at != link.vtiger_modified_at
        return stale or any(
            rule.name not in base
            or not rule.same(values.get(rule.name), base[rule.name].on(self.system))
            for rule in rules
        )

    def digest(self, link: Link | None, rules: tuple[FieldRule, ...]) -> str:
        """Equal as long as neither the record nor what was agreed changes."""
        base: Mapping[str, object] = link.base if link is not None else {}
        values = self.values(rules).values
        stamp = str(self.raw.modified_at) if self.system is System.VTIGER else ""
        shown = [self.id, stamp, sorted(values.items()), sorted(base.items())]
        return sha256(orjson.dumps(shown)).hexdigest()


async def each_customer(adapter: ContactAdapter) -> AsyncIterator[list[Seen]]:
    """All customers of the synced roles in pages, ids ascending (contract WooCommerce §2)."""
    only_customers = set(adapter.policy.roles) == {"customer"}
    found = adapter.woo.each_customer(role="customer" if only_customers else "all")
    async for page in _pages(found):
        yield [
            Seen(System.WOOCOMMERCE, customer.id, customer)
            for customer in page
            if customer.role in adapter.policy.roles
        ]


async def each_contact(
    adapter: ContactAdapter, changed_since: datetime | None
) -> AsyncIterator[list[Seen]]:
    """Contacts changed at or after a moment, or all, in pages (contract Vtiger §1, query)."""
    where = (since(changed_since),) if changed_since is not None else ()
    async for page in _pages(adapter.vtiger.search(CONTACTS, where)):
        names = await adapter.accounts.names_of(record.get("account_id") for record in page)
        yield [
            Seen(System.VTIGER, record.id, record, names.get(record.get("account_id"), ""))
            for record in page
        ]


async def each_contact_id(adapter: ContactAdapter) -> AsyncIterator[str]:
    """The ids of all contacts, a hundred a call."""
    async for record in adapter.vtiger.search(CONTACTS, columns=("id",)):
        yield record.id


async def find_last_change(adapter: ContactAdapter) -> datetime | None:
    """When a contact was last changed, by Vtiger's own clock; None if there is none."""
    newest = Query(CONTACTS, ("modifiedtime",), order_by="modifiedtime", limit=1, descending=True)
    found = await adapter.vtiger.query(newest)
    return found[0].modified_at if found else None


async def _pages(items: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page

"""Whose an order is: the contact of a customer or a guest, and the customer of a contact."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import NotFound, System
from app.links.models import Link
from app.links.repository import find_link
from app.mapping.bases import holds, read_base
from app.mapping.contacts import woo_guest
from app.mapping.order_refs import Buyer
from app.policies.repository import get_policy
from app.policies.schemas import SyncPolicy
from app.records import GUEST, GuestPolicy, Module, Record, is_guest
from app.runtime import Runtime
from app.sync.accounts import Accounts
from app.sync.contacts import CONTACTS
from app.sync.dependencies import Dependencies
from app.sync.guests import Guests, find_guest_id, guest_of, is_of_vtiger
from app.sync.mappings import rules_of
from app.sync.setup import GUEST_CONTACT
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooOrder


@dataclass(frozen=True, slots=True)
class Contact:
    """Vtiger's contact of an order, None if there is none to name; `person` is its record in the
    shop, if it is one of a pair."""

    id: str | None
    person: Record | None = None


@dataclass(frozen=True, slots=True)
class Buyers:
    """Finds the other side's person, or has it made first. Raises Waiting and RemoteError."""

    runtime: Runtime
    store: str
    policy: SyncPolicy
    accounts: Accounts
    guests: Guests
    dependencies: Dependencies | None

    async def contact_of(self, order: WooOrder, setup: Mapping[str, str]) -> Contact:
        """The Vtiger contact of an order's customer or guest."""
        if order.customer_id is not None:
            return await self._living(await self._bring(System.WOOCOMMERCE, order.customer_id))
        if self.policy.guests is GuestPolicy.ONE_CONTACT:
            return Contact(setup.get(GUEST_CONTACT))
        guest_id = find_guest_id(order)
        if guest_id is None:
            return Contact(None)
        if is_of_vtiger(order):
            return await self._living(await self._find(System.WOOCOMMERCE, guest_id))
        return await self._living(await self._contact_of_guest(guest_id, order))

    async def _living(self, link: Link | None) -> Contact:
        """The contact of a pair; of one whose contact was merged or deleted in Vtiger, the one
        that took its place, or one that is made now."""
        if link is None:
            return Contact(None)
        person = self._person(System.WOOCOMMERCE, link.woo_id)
        if link.vtiger_deleted_at and not link.replaced_by and link.woo_deleted_at is None:
            link = await self._renew(person, link)
        if link.vtiger_deleted_at:
            return Contact(link.replaced_by, person)
        return Contact(link.vtiger_id, person)

    async def _renew(self, person: Record, link: Link) -> Link:
        if self.dependencies is None or not self._brings_to(System.VTIGER):
            return link
        return await self.dependencies.renew(person) or link

    async def find_missing(self, order: WooOrder) -> Record | None:
        """The buyer of an order without a contact, if there is one who should have a contact."""
        one_for_all = order.customer_id is None and self.policy.guests is GuestPolicy.ONE_CONTACT
        buyer = order.customer_id or find_guest_id(order)
        if buyer is None or one_for_all or is_of_vtiger(order):
            return None
        async with self.runtime.sessions() as session:
            contacts = await get_policy(session, self.store, Module.CONTACTS)
        if not contacts.enabled or not contacts.direction.allows(System.VTIGER):
            return None
        return self._person(System.WOOCOMMERCE, buyer)

    async def _contact_of_guest(self, guest_id: str, order: WooOrder) -> Link | None:
        """A customer with the guest's e-mail is that guest."""
        latest = await self.guests.see(order)
        link = await self._find(System.WOOCOMMERCE, guest_id)
        if link is None:
            customer = await self._bring_customer(guest_id.removeprefix(GUEST))
            return customer or await self._bring(System.WOOCOMMERCE, guest_id)
        if latest and self._brings_to(System.VTIGER) and await self._is_news(order, link):
            await self._hint(guest_id)
        return link

    async def _is_news(self, order: WooOrder, link: Link) -> bool:
        """Whether an order tells of its guest what is not known yet."""
        rules = await rules_of(self.runtime, self.store, Module.CONTACTS)
        base, told = read_base(link.base, rules), woo_guest(guest_of(order), rules)
        return any(
            rule.name in base
            and told.get(rule.name) is not None
            and not holds(rule, base, told.get(rule.name), system=System.WOOCOMMERCE)
            for rule in rules
        )

    async def _bring_customer(self, email: str) -> Link | None:
        if not self._brings_to(System.VTIGER):
            return None
        for customer in await self.runtime.stores[self.store].search_customers_by_email(email):
            if link := await self._bring(System.WOOCOMMERCE, customer.id):
                return link
        return None

    async def _hint(self, guest_id: str) -> None:
        if self.dependencies is not None:
            await self.dependencies.hint(self._person(System.WOOCOMMERCE, guest_id))

    async def bring_customer_of(self, record: VtigerRecord) -> None:
        """A Vtiger order's contact becomes a customer first, if it can."""
        if contact_id := record.get("contact_id"):
            await self._bring(System.VTIGER, contact_id)

    async def buyer_of(self, record: VtigerRecord) -> Buyer:
        """Who a new WooCommerce order is for: a customer, or somebody without an account."""
        contact = await self._find_contact(record.get("contact_id"))
        account = await self.accounts.name_of(record.get("account_id"))
        if contact is None:
            return Buyer(company=account)
        link = await self._find(System.VTIGER, contact.id)
        customer = link.woo_id if link and not is_guest(link.woo_id) else None
        first, last = contact.get("firstname"), contact.get("lastname")
        person = f"{first} {last}".strip().casefold()
        return Buyer(
            customer_id=customer if link and link.woo_deleted_at is None else None,
            first_name=first,
            last_name=last,
            company="" if account.casefold() == person else account,
            email=contact.get("email"),
            phone=contact.get("phone"),
        )

    async def _find_contact(self, contact_id: str) -> VtigerRecord | None:
        if not contact_id:
            return None
        try:
            return await self.runtime.vtiger.retrieve(contact_id, CONTACTS)
        except NotFound:
            return None

    def _person(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, Module.CONTACTS, record_id)

    def _brings_to(self, system: System) -> bool:
        return self.dependencies is not None and self.policy.direction.allows(system)

    async def _find(self, system: System, record_id: str) -> Link | None:
        async with self.runtime.sessions() as session:
            return await find_link(session, self._person(system, record_id))

    async def _bring(self, system: System, record_id: str) -> Link | None:
        if self.dependencies is None or not self._brings_to(system.other):
            return await self._find(system, record_id)
        return await self.dependencies.bring(self._person(system, record_id))

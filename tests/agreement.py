"""Whether a shop and a CRM hold the same people: asked of the systems, not of our tables."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.mapping.rules import FieldRule
from app.mapping.values import Mapped, PatchOptions
from app.modules.contacts.mapping import CONTACT_RULES, is_explained, vtiger_contact, woo_contact
from app.vtiger.client import VtigerClient
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooCustomer


@dataclass(frozen=True, slots=True)
class Person:
    """One record of either system in neutral values."""

    record: WooCustomer | VtigerRecord
    values: Mapped

    @property
    def email(self) -> str:
        return (self.values.get("email") or "").casefold()


@dataclass(frozen=True, slots=True)
class People:
    """Everybody in both systems."""

    woo: list[Person]
    vtiger: list[Person]

    def doubles(self) -> list[str]:
        """E-mail addresses that a system has more than once."""
        return [
            email
            for side in (self.woo, self.vtiger)
            for email, count in Counter(person.email for person in side).items()
            if email and count > 1
        ]

    def alone(self) -> set[str]:
        """E-mail addresses that only one system knows."""
        woo, vtiger = ({person.email for person in side} for side in (self.woo, self.vtiger))
        return (woo ^ vtiger) - {""}

    def differences(self) -> list[str]:
        """Fields in which a customer and the contact of the same e-mail are not the same.

        Not counted is what one side cannot hold as the other has it: the mapping would leave it
        out or cut it.
        """
        contacts = {person.email: person for person in self.vtiger}
        return [
            f"{person.email} {rule.name}: {person.values.get(rule.name)!r} in the shop, "
            f"{contacts[person.email].values.get(rule.name)!r} in the CRM"
            for person in self.woo
            if person.email in contacts
            for rule in CONTACT_RULES
            if not _same(rule, person, contacts[person.email])
        ]

    def faults(self) -> list[str]:
        return [
            *(f"{email} exists twice" for email in self.doubles()),
            *(f"{email} is in one system only" for email in sorted(self.alone())),
            *self.differences(),
        ]


def _same(rule: FieldRule, woo: Person, vtiger: Person) -> bool:
    if rule.same(woo.values.get(rule.name), vtiger.values.get(rule.name)):
        return True
    return is_explained(
        rule.name, woo.values, vtiger.values, rules=CONTACT_RULES, options=PatchOptions()
    )


async def find_people(
    shop: WooClient, crm: VtigerClient, *, roles: Collection[str] = ("customer",)
) -> People:
    names = {record.id: record.get("accountname") async for record in crm.search("Accounts")}
    woo = [
        Person(customer, woo_contact(customer, CONTACT_RULES))
        async for customer in shop.each_customer()
        if customer.role in roles
    ]
    vtiger = [Person(record, _contact(record, names)) async for record in crm.search("Contacts")]
    return People(woo, vtiger)


def _contact(record: VtigerRecord, names: Mapping[str, str]) -> Mapped:
    name = names.get(record.get("account_id"), "")
    return vtiger_contact(record, CONTACT_RULES, account_name=name)

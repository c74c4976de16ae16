"""What a sandbox day is made of: named steps, and the people who take them in shop and CRM."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from app.sandbox.app import Sandbox

Where = Literal["shop", "CRM", "both"]
Fields = Mapping[str, Any]
T = TypeVar("T")

_LOOK_AGAIN_S = 0.05


class StoryStuck(Exception):
    """A step waited in vain for what an earlier one should have brought about."""


class ShopCalls(Protocol):
    """The shop's REST API as its customers' browsers and plugins use it."""

    async def create_customer(self, body: Fields, /) -> object: ...

    async def update_customer(self, customer_id: str, patch: Fields, /) -> object: ...

    async def delete_customer(self, customer_id: str, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Cast:
    """The shop's customers and the CRM's users, by e-mail address.

    Whoever edits a record first waits until it is there, `patience_s` seconds at most, then
    StoryStuck: so the same steps can be taken slowly, or as fast as the sync goes.
    """

    sandbox: Sandbox
    shop: ShopCalls
    patience_s: float = 20.0

    async def register(self, customer: Fields) -> None:
        """POST /customers (recording customer_create)."""
        await self.shop.create_customer(customer)

    async def edit_customer(self, email: str, patch: Fields) -> None:
        """PUT /customers/{id} (recording customer_update_partial_billing)."""
        await self.shop.update_customer(str(await self._customer(email)), patch)

    async def delete_customer(self, email: str) -> None:
        """An account that the CRM knows is closed (recording customer_delete_force)."""
        await self._contact(email)
        await self.shop.delete_customer(str(await self._customer(email)))

    async def add_user(self, email: str, role: str) -> None:
        """Somebody with another role, made in wp-admin."""
        self.sandbox.shop.customers.register(email, role=role)

    async def add_contact(self, contact: Fields, company: str = "") -> None:
        """A form filled in by hand; the company becomes an Account first."""
        values = dict(contact)
        if company:
            values["account_id"] = await self._account(company)
        await self.sandbox.crm.ui_create("Contacts", values)

    async def edit_contact(self, email: str, changes: Fields, *, last_name: str = "") -> None:
        """`last_name` tells two contacts of one address apart."""
        contact_id = await self._contact(email, last_name)
        await self.sandbox.crm.ui_edit(contact_id, changes)

    async def appear_in_both(self, customer: Fields, contact: Fields) -> None:
        """One person registers and is typed in at the same moment: nothing comes in between."""
        self.sandbox.shop.customers.create(customer)
        await self.add_contact(contact)

    async def edit_both(self, email: str, *, patch: Fields, changes: Fields) -> None:
        """Both records of a pair are edited before either edit can be told."""
        user_id, contact_id = await self._customer(email), await self._contact(email)
        self.sandbox.shop.customers.update(user_id, patch)
        await self.sandbox.crm.ui_edit(contact_id, changes)

    async def _customer(self, email: str) -> int:
        return await self._wait(f"customer {email}", lambda: self._find_customer(email))

    def _find_customer(self, email: str) -> int | None:
        user = self.sandbox.shop.users.find_by_email(email)
        return user.id if user else None

    async def _contact(self, email: str, last_name: str = "") -> str:
        return await self._wait(f"contact {email}", lambda: self._find_contact(email, last_name))

    def _find_contact(self, email: str, last_name: str) -> str | None:
        for record in self.sandbox.crm.records("Contacts"):
            if record["email"] == email and last_name in ("", record["lastname"]):
                return str(record["id"])
        return None

    async def _account(self, name: str) -> str:
        for record in self.sandbox.crm.records("Accounts"):
            if record["accountname"] == name:
                return str(record["id"])
        return await self.sandbox.crm.ui_create("Accounts", {"accountname": name})

    async def _wait(self, what: str, find: Callable[[], T | None]) -> T:
        try:
            async with asyncio.timeout(self.patience_s):
                while True:
                    found = find()
                    if found is not None:
                        return found
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            raise StoryStuck(f"the {what} did not appear") from None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens; `name` is the sentence that tells it."""

    where: Where
    name: str
    act: Callable[[Cast], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scene:
    """Steps that may come thick and fast; what follows rests on their having been synced."""

    name: str
    steps: tuple[Step, ...]


def address(street: str, city: str, *, postcode: str, country: str, **more: str) -> dict[str, str]:
    """An address block of the REST API; a line break parts its two lines."""
    line_1, _, line_2 = street.partition("\n")
    return {
        "address_1": line_1,
        "address_2": line_2,
        "city": city,
        "postcode": postcode,
        "country": country,
        **more,
    }


def register(
    name: str, email: str, *, first: str, last: str, billing: Fields, shipping: Fields | None = None
) -> Step:
    """A customer with a name in the account and in the addresses, as the checkout makes it."""
    customer: dict[str, Any] = {"email": email, "first_name": first, "last_name": last}
    customer["billing"] = {"first_name": first, "last_name": last, **billing}
    if shipping is not None:
        customer["shipping"] = {"first_name": first, "last_name": last, **shipping}
    return Step("shop", name, lambda cast: cast.register(customer))


def type_in(name: str, company: str = "", **contact: str) -> Step:
    """A contact in Vtiger field names; its company becomes an Account."""
    return Step("CRM", name, lambda cast: cast.add_contact(contact, company))


def change(where: Where, name: str, *, whose: str, **fields: Any) -> Step:
    """Somebody edits the record of the address `whose`, in the shop or in the CRM."""
    if where == "shop":
        return Step(where, name, lambda cast: cast.edit_customer(whose, fields))
    return Step(where, name, lambda cast: cast.edit_contact(whose, fields))


def change_both(name: str, email: str, *, shop: Fields, crm: Fields) -> Step:
    """The same on both sides, before either can be told."""
    return Step("both", name, lambda cast: cast.edit_both(email, patch=shop, changes=crm))

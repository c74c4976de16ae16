"""Steps about people: who registers, who is typed in, who changes what."""

from collections.abc import Mapping
from typing import Any

from sandbox.cast import Cast
from sandbox.story import Step, Where

Fields = Mapping[str, Any]


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
    """A customer with a name in the account and in the addresses, as the checkout makes it.

    POST /customers (recording customer_create).
    """
    customer: dict[str, Any] = {"email": email, "first_name": first, "last_name": last}
    customer["billing"] = {"first_name": first, "last_name": last, **billing}
    if shipping is not None:
        customer["shipping"] = {"first_name": first, "last_name": last, **shipping}
    return Step("shop", name, lambda cast: cast.shop.post("customers", customer))


def type_in(name: str, company: str = "", **contact: str) -> Step:
    """A contact in Vtiger field names; its company becomes an Account."""
    return Step("CRM", name, lambda cast: _type_in(cast, contact, company))


async def _type_in(cast: Cast, contact: Fields, company: str = "") -> None:
    values = dict(contact)
    if company:
        values["account_id"] = await cast.account(company)
    await cast.sandbox.crm.ui_create("Contacts", values)


def change(where: Where, name: str, *, whose: str, last_name: str = "", **fields: Any) -> Step:
    """Somebody edits the record of the address `whose`, in the shop or in the CRM.

    `last_name` tells two contacts of one address apart.
    """
    if where == "shop":
        return Step(where, name, lambda cast: _edit_customer(cast, whose, fields))
    return Step(where, name, lambda cast: _edit_contact(cast, whose, last_name, fields))


async def _edit_customer(cast: Cast, email: str, fields: Fields) -> None:
    """PUT /customers/{id} (recording customer_update_partial_billing)."""
    await cast.shop.put(f"customers/{await cast.customer(email)}", fields)


async def _edit_contact(cast: Cast, email: str, last_name: str, fields: Fields) -> None:
    await cast.sandbox.crm.ui_edit(await cast.contact(email, last_name), fields)


def change_both(name: str, email: str, *, shop: Fields, crm: Fields) -> Step:
    """The same on both sides, before either can be told."""
    return Step("both", name, lambda cast: _edit_both(cast, email, shop, crm))


async def _edit_both(cast: Cast, email: str, shop: Fields, crm: Fields) -> None:
    """The webhook is only queued, and the callback finds the customer changed already."""
    user_id, contact_id = await cast.customer(email), await cast.contact(email)
    cast.sandbox.shop.customers.update(user_id, shop)
    await cast.sandbox.crm.ui_edit(contact_id, crm)


def appear_in_both(name: str, *, shop: Fields, crm: Fields) -> Step:
    """One person registers and is typed in at the same moment: nothing comes in between."""
    return Step("both", name, lambda cast: _appear_in_both(cast, shop, crm))


async def _appear_in_both(cast: Cast, shop: Fields, crm: Fields) -> None:
    cast.sandbox.shop.customers.create(shop)
    await _type_in(cast, crm)


def close_account(name: str, email: str) -> Step:
    """An account that the CRM knows is closed (recording customer_delete_force)."""
    return Step("shop", name, lambda cast: _close_account(cast, email))


async def _close_account(cast: Cast, email: str) -> None:
    await cast.contact(email)
    await cast.shop.delete(f"customers/{await cast.customer(email)}", force=True)


def add_user(name: str, email: str, role: str) -> Step:
    """Somebody with another role, made in wp-admin."""
    return Step("shop", name, lambda cast: _add_user(cast, email, role))


async def _add_user(cast: Cast, email: str, role: str) -> None:
    cast.sandbox.shop.customers.register(email, role=role)

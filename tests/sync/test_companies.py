"""A contact's company is a record of its own in the CRM: found, made once, changed, cleared."""

import asyncio
from functools import partial

import pytest

from tests.world import World

pytestmark = pytest.mark.anyio


async def _customer(world: World, email: str, company: str) -> str:
    return await world.customer(email, last_name="B", billing={"company": company})


async def test_people_of_one_company_share_its_account(world: World) -> None:
    """The CRM takes names for equal that differ in case and accents only."""
    for number, company in enumerate(("Müller GmbH", "MULLER gmbh", "Müller GmbH ")):
        await _customer(world, f"p{number}@shop.example", company)
        await world.settle()

    assert world.accounts() == ["Müller GmbH"]
    assert len({contact["account_id"] for contact in world.contacts()}) == 1


@pytest.mark.parametrize("turned", [False, True])
async def test_whoever_comes_first_the_best_spelling_names_the_account(
    world: World, *, turned: bool
) -> None:
    spellings = ("MÜLLER GMBH", "Müller GmbH", "muller gmbh")
    for number, company in enumerate(reversed(spellings) if turned else spellings):
        await _customer(world, f"p{number}@shop.example", company)
        await world.settle()
    world.traffic.reset()
    await world.settle_again()

    assert world.accounts() == ["Müller GmbH"]
    assert world.traffic.writes == {}


async def test_an_account_that_somebody_typed_keeps_its_spelling(world: World) -> None:
    await world.sandbox.crm.ui_create("Accounts", {"accountname": "müller gmbh"})
    made = await _customer(world, "a@shop.example", "ACME LTD")
    await world.settle()
    [contact] = world.contacts()
    await world.edit_contact(contact["account_id"], phone="1", accountname="acme ltd")
    await _customer(world, "b@shop.example", "Müller GmbH")
    await _customer(world, "c@shop.example", "Acme Ltd")
    await world.settle()

    assert sorted(world.accounts()) == ["acme ltd", "müller gmbh"]
    assert (await world.get_customer(made))["billing"]["company"] == "ACME LTD"


async def test_a_spelling_is_not_written_back(world: World) -> None:
    await _customer(world, "a@shop.example", "Müller GmbH")
    await world.settle()
    customer_id = await _customer(world, "b@shop.example", "MULLER gmbh")
    await world.settle()
    world.traffic.reset()
    await world.settle_again()

    assert (await world.get_customer(customer_id))["billing"]["company"] == "MULLER gmbh"
    assert world.traffic.writes == {}


async def test_a_company_is_changed_from_either_side(world: World) -> None:
    customer_id = await _customer(world, "a@shop.example", "First Ltd")
    await world.settle()
    [contact] = world.contacts()
    world.edit_customer(customer_id, billing={"company": "Second Ltd"})
    await world.settle()
    assert await world.company_of(contact["id"]) == "Second Ltd"

    third = await world.sandbox.crm.ui_create("Accounts", {"accountname": "Third Ltd"})
    await world.edit_contact(contact["id"], account_id=third)
    await world.settle()
    assert (await world.get_customer(customer_id))["billing"]["company"] == "Third Ltd"


async def test_a_company_is_cleared_from_either_side(world: World) -> None:
    first = await _customer(world, "a@shop.example", "First Ltd")
    second = await _customer(world, "b@shop.example", "First Ltd")
    await world.settle()
    by_email = {contact["email"]: contact["id"] for contact in world.contacts()}
    world.edit_customer(first, billing={"company": ""})
    await world.edit_contact(by_email["b@shop.example"], account_id="")
    await world.settle()

    assert await world.company_of(by_email["a@shop.example"]) == ""
    assert (await world.get_customer(second))["billing"]["company"] == ""
    assert world.accounts() == ["First Ltd"]


async def test_workers_that_need_the_same_new_company_make_one(world: World) -> None:
    await asyncio.gather(
        *(_customer(world, f"p{number}@shop.example", "Rush & Sons") for number in range(8))
    )
    await world.settle()

    assert world.accounts() == ["Rush & Sons"]
    assert (await world.people()).faults() == []


async def test_a_company_that_somebody_else_makes_meanwhile_is_taken(world: World) -> None:
    """The CRM refuses ours as a duplicate: whoever was first is right."""
    make = partial(world.sandbox.crm.ui_create, "Accounts", {"accountname": "Twin & Co"})
    world.traffic.before["vtiger create"] = make
    await _customer(world, "a@shop.example", "Twin & Co")
    await world.settle()

    assert world.accounts() == ["Twin & Co"]

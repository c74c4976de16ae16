"""A person made in one system appears in the other, once, and the echo of that ends in silence."""

import asyncio

import pytest

from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_new_customer_becomes_a_contact(world: World) -> None:
    customer_id = await world.customer(
        "zoe@shop.example",
        first_name="Zoë",
        last_name="Müller",
        billing={"phone": "+33 1", "company": "Ünï & Co", "address_1": "12 Rue", "country": "FR"},
    )
    await world.settle()

    [contact] = world.contacts()
    assert (contact["firstname"], contact["lastname"]) == ("Zoë", "Müller")
    assert (contact["mailingcountry"], contact["phone"]) == ("France", "+33 1")
    assert contact["cf_853"] == customer_id
    assert world.accounts() == ["Ünï & Co"]
    assert (await world.people()).faults() == []


async def test_a_new_contact_becomes_a_customer(world: World) -> None:
    contact_id = await world.contact(
        firstname="Max", lastname="Berg", email="max@crm.example", mailingcountry="Germany"
    )
    await world.settle()

    [link] = await world.links()
    customer = await world.get_customer(link.woo_id)
    assert (customer["first_name"], customer["billing"]["country"]) == ("Max", "DE")
    assert {"vtiger_id": contact_id}.items() <= {
        entry["key"]: entry["value"] for entry in customer["meta_data"]
    }.items()
    assert (await world.people()).faults() == []


async def test_a_creation_ends_as_one_created_row_and_echoes(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()

    told = await world.told()
    assert told.count(("vtiger", "created", None)) == 1
    assert {each[1:] for each in told} == {("created", None), ("unchanged", "echo")}


async def test_a_creation_writes_each_system_once(world: World) -> None:
    """The twin with our id in it, and its id in the source; the echoes write nothing."""
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.contact(lastname="Berg", email="max@crm.example")
    await world.settle()

    assert world.traffic.writes == {
        "vtiger create": 1,
        "PUT customers": 1,
        "POST customers": 1,
        "vtiger revise": 1,
    }


async def test_the_log_tells_what_was_written_and_from_where(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", first_name="Zoë", last_name="Müller")
    await world.settle()

    row = (await world.log())[0]
    assert (row.source_id, row.label) == (customer_id, "Zoë Müller <zoe@shop.example>")
    assert {
        "field": "first_name",
        "old": None,
        "new": "Zoë",
        "source": "woocommerce",
    } in row.changes


async def test_the_same_person_made_in_both_systems_is_one_pair(world: World) -> None:
    customer_id = await world.customer("ada@both.example", first_name="Ada", last_name="Byron")
    contact_id = await world.contact(firstname="Ada", lastname="Byron", email="Ada@Both.example")
    await world.settle()

    [link] = await world.links()
    assert (link.woo_id, link.vtiger_id) == (customer_id, contact_id)
    assert (await world.people()).faults() == []


async def test_many_people_made_in_both_systems_at_once_are_pairs(world: World) -> None:
    emails = [f"twin{number}@both.example" for number in range(12)]
    await asyncio.gather(
        *(world.customer(email, last_name="Shop") for email in emails),
        *(world.contact(lastname="Crm", email=email) for email in emails),
    )
    await world.settle()

    assert len(await world.links()) == len(emails)
    assert (await world.people()).faults() == []


async def test_a_name_that_stands_in_is_never_written_back(world: World) -> None:
    customer_id = await world.customer("info@shop.example", billing={"company": "Lone Ltd"})
    await world.settle()
    world.edit_customer(customer_id, billing={"phone": "1"})
    await world.settle()

    assert world.contacts()[0]["lastname"] == "Lone Ltd"
    assert (await world.get_customer(customer_id))["last_name"] == ""


async def test_a_contact_without_email_waits_for_one(world: World) -> None:
    contact_id = await world.contact(lastname="Nomail")
    await world.settle()
    assert await world.told() == [("woocommerce", "skipped", "missing_required_field")]

    await world.edit_contact(contact_id, email="now@crm.example")
    await world.settle()
    assert [link.vtiger_id for link in await world.links()] == [contact_id]
    assert (await world.people()).faults() == []


async def test_a_contact_whose_email_the_shop_would_refuse_is_skipped(world: World) -> None:
    await world.contact(lastname="Odd", email="a&b@crm.example")
    await world.settle()

    assert await world.told() == [("woocommerce", "skipped", "missing_required_field")]
    assert world.traffic.writes == {}


async def test_what_a_workflow_of_the_crm_sets_comes_to_the_shop(world: World) -> None:
    """A value that we did not send is an edit of the CRM."""
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    [contact] = world.contacts()
    await world.edit_contact(contact["id"], phone="0800")
    await world.settle()

    assert (await world.get_customer(customer_id))["billing"]["phone"] == "0800"

"""A person made in one system appears in the other, once."""

import pytest

from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_new_customer_becomes_a_contact(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", first_name="Zoë", last_name="Müller")
    await world.settle()

    [contact] = world.contacts()
    assert (contact["firstname"], contact["lastname"]) == ("Zoë", "Müller")
    assert contact["cf_853"] == customer_id
    assert (await world.people()).faults() == []
    print(await world.told(), world.traffic.reads, world.traffic.writes)


async def test_a_new_contact_becomes_a_customer(world: World) -> None:
    contact_id = await world.contact(firstname="Max", lastname="Berg", email="max@crm.example")
    await world.settle()
    print(await world.told(), world.traffic.reads, world.traffic.writes)

    assert (await world.people()).faults() == []
    assert [link.vtiger_id for link in await world.links()] == [contact_id]

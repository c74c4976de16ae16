"""What the settings keep from being written, told with the reason."""

import pytest

from app.domain import Direction
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_module_that_is_off_only_tells_so(world: World) -> None:
    await world.set_policy(enabled=False)
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.contact(lastname="Berg", email="max@crm.example")
    await world.settle()

    assert {each[1:] for each in await world.told()} == {("skipped", "module_off")}
    assert world.traffic.reads + world.traffic.writes == {}


@pytest.mark.parametrize(
    ("direction", "contacts", "customers"),
    [
        (Direction.WOO_TO_VTIGER, {"a@shop.example", "b@crm.example"}, {"a@shop.example"}),
        (Direction.VTIGER_TO_WOO, {"b@crm.example"}, {"a@shop.example", "b@crm.example"}),
        (Direction.OFF, {"b@crm.example"}, {"a@shop.example"}),
    ],
)
async def test_a_direction_writes_one_side_only(
    world: World, direction: Direction, contacts: set[str], customers: set[str]
) -> None:
    await world.set_policy(direction=direction)
    await world.customer("a@shop.example", last_name="A")
    await world.contact(lastname="B", email="b@crm.example")
    await world.settle()

    people = await world.people()
    assert {person.email for person in people.vtiger} == contacts
    assert {person.email for person in people.woo} == customers
    assert ("skipped", "direction_off") in {each[1:] for each in await world.told()}


async def test_a_one_way_pair_ignores_edits_of_the_target(world: World) -> None:
    customer_id = await world.customer("a@shop.example", last_name="A", billing={"city": "Paris"})
    await world.settle()
    await world.set_policy(direction="woo_to_vtiger")
    [contact] = world.contacts()
    await world.edit_contact(contact["id"], mailingcity="Rome", phone="1")
    await world.settle()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()

    customer = await world.get_customer(customer_id)
    assert (customer["billing"]["city"], customer["billing"]["phone"]) == ("Lyon", "")
    assert world.get_contact(contact["id"])["mailingcity"] == "Lyon"


async def test_a_one_way_shop_is_not_marked_either(world: World) -> None:
    await world.set_policy(direction="woo_to_vtiger")
    await world.customer("a@shop.example", last_name="A")
    await world.settle()

    assert world.traffic.writes == {"vtiger create": 1}

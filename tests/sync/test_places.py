"""Countries and states between the two systems, by the list of the shop at hand."""

import pytest

from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_states_and_countries_go_both_ways_by_the_shops_own_codes(world: World) -> None:
    customer_id = await world.customer(
        "ana@shop.example", last_name="Paz", billing={"country": "MX", "state": "JA"}
    )
    await world.settle()
    [contact] = world.contacts()
    assert (contact["mailingcountry"], contact["mailingstate"]) == ("Mexico", "Jalisco")

    world.later()
    await world.edit_contact(contact["id"], mailingcountry="Guatemala", mailingstate="Alta Verapaz")
    await world.settle()
    billing = (await world.get_customer(customer_id))["billing"]
    assert (billing["country"], billing["state"]) == ("GT", "GT-AV")
    world.traffic.reset()
    await world.settle_again()
    assert not world.traffic.writes


async def test_place_that_the_shop_does_not_know_is_told_and_left_alone(world: World) -> None:
    customer_id = await world.customer(
        "ana@shop.example", last_name="Paz", billing={"country": "US", "state": "CA"}
    )
    await world.settle()
    [contact] = world.contacts()
    world.later()
    await world.edit_contact(
        contact["id"], mailingcountry="Narnia", mailingstate="Cair", mailingcity="Lima"
    )
    await world.settle()

    billing = (await world.get_customer(customer_id))["billing"]
    assert (billing["country"], billing["state"], billing["city"]) == ("US", "CA", "Lima")
    noted = {(note["field"], note["reason"]) for row in await world.log() for note in row.notes}
    assert noted == {("mailing_country", "unknown_place"), ("mailing_state", "unknown_place")}


async def test_list_of_the_shop_is_read_once(world: World) -> None:
    for number in range(3):
        await world.customer(f"{number}@shop.example", last_name="Paz")
        await world.settle()
    assert world.traffic.reads["GET data"] == 1


async def test_shop_that_does_not_tell_its_list_is_synced_by_woocommerces(world: World) -> None:
    world.sandbox.shop_faults.fail("GET", "/data/countries", status=404)
    customer_id = await world.customer(
        "ana@shop.example", last_name="Paz", billing={"country": "MX", "state": "JA"}
    )
    await world.settle()
    assert world.sandbox.shop_faults.hits == 1
    assert [contact["mailingstate"] for contact in world.contacts()] == ["Jalisco"]

    world.runtime.memory.forget(f"places:{STORE}")  # a minute passes
    world.later()
    world.edit_customer(customer_id, billing={"state": "CH"})
    await world.settle()
    assert [contact["mailingstate"] for contact in world.contacts()] == ["Chihuahua"]
    assert world.traffic.reads["GET data"] == 2

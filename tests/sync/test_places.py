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


async def refused_state(
    world: World, *, state: str = "", country: str = "Japan"
) -> tuple[str, str]:
    """Somebody in Japan who gets the state New York in the CRM, which the shop does not let in."""
    customer_id = await world.customer(
        "ana@shop.example", last_name="Paz", billing={"country": "JP", "state": state}
    )
    await world.settle()
    [contact] = world.contacts()
    world.later()
    await world.edit_contact(contact["id"], mailingcountry=country, mailingstate="New York")
    await world.settle()
    assert (await world.get_customer(customer_id))["billing"]["state"] == state
    world.later()
    return customer_id, contact["id"]


async def places(world: World, customer_id: str, contact_id: str) -> list[tuple[str, str]]:
    """Country and state in the shop and in the CRM, when nothing is written any more."""
    await world.settle()
    world.traffic.reset()
    await world.settle_again()
    assert not world.traffic.writes
    billing = (await world.get_customer(customer_id))["billing"]
    contact = world.get_contact(contact_id)
    return [
        (billing["country"], billing["state"]),
        (contact["mailingcountry"], contact["mailingstate"]),
    ]


@pytest.mark.parametrize("state", ["", "JP13"])
@pytest.mark.parametrize("country", ["Japan", "Narnia"])
async def test_refused_state_goes_over_when_the_crm_corrects_the_country(
    world: World, state: str, country: str
) -> None:
    ids = await refused_state(world, state=state, country=country)
    await world.edit_contact(ids[1], mailingcountry="France")
    assert await places(world, *ids) == [("FR", "New York"), ("France", "New York")]


@pytest.mark.parametrize(
    ("country", "found"),
    [
        ("FR", [("FR", "New York"), ("France", "New York")]),
        ("US", [("US", "NY"), ("United States", "New York")]),
        ("", [("", "New York"), ("", "New York")]),
        ("DE", [("DE", ""), ("Germany", "New York")]),
    ],
)
async def test_refused_state_goes_over_when_the_shop_changes_the_country(
    world: World, country: str, found: list[tuple[str, str]]
) -> None:
    ids = await refused_state(world)
    world.edit_customer(ids[0], billing={"country": country})
    assert await places(world, *ids) == found


async def test_refused_state_is_no_edit_against_a_state_of_the_shop(world: World) -> None:
    ids = await refused_state(world)
    world.edit_customer(ids[0], billing={"country": "FR", "state": "Var"})
    assert await places(world, *ids) == [("FR", "Var"), ("France", "Var")]
    assert not [row for row in await world.log() if row.conflicts]


async def test_refused_state_goes_over_though_the_shop_fails_after_the_crm_was_written(
    world: World,
) -> None:
    ids = await refused_state(world)
    world.sandbox.shop_faults.fail("PUT", "/customers", status=503)
    world.edit_customer(ids[0], billing={"country": "FR"})
    assert await places(world, *ids) == [("FR", "New York"), ("France", "New York")]
    assert world.sandbox.shop_faults.hits == 1


@pytest.mark.parametrize(
    ("state", "country", "code"), [("JP13", "Italy", "IT"), ("BY", "Germany", "DE")]
)
async def test_refused_state_stays_in_the_crm_with_another_country_that_refuses_it(
    world: World, state: str, country: str, code: str
) -> None:
    """The shop's own state reads differently beside the new country, which is no edit of it."""
    ids = await refused_state(world, state=state)
    await world.edit_contact(ids[1], mailingcountry=country)
    assert await places(world, *ids) == [(code, state), (country, "New York")]


async def test_state_edited_in_the_shop_while_its_country_is_written_goes_over(
    world: World,
) -> None:
    ids = await refused_state(world, state="JP13")

    async def edit() -> None:
        world.edit_customer(ids[0], billing={"state": "BY"})

    world.traffic.before["PUT customers"] = edit
    await world.edit_contact(ids[1], mailingcountry="Germany")
    assert await places(world, *ids) == [("DE", "BY"), ("Germany", "Bayern")]

"""Values that one of the systems cannot hold: fitted or left out, told, and never read back."""

import pytest

from tests.world import World

pytestmark = pytest.mark.anyio

LONG = "Anna Katharina Friederike Wilhelmina Josephine Theodora"


async def _notes(world: World) -> list[tuple[str, str, str]]:
    return [
        (note["field"], note["reason"], note["value"])
        for row in await world.log()
        for note in row.notes
    ]


async def test_long_text_is_cut_at_a_word_and_kept_whole_in_the_log(world: World) -> None:
    customer_id = await world.customer("a@shop.example", first_name=LONG, last_name="B")
    await world.settle()

    assert world.contacts()[0]["firstname"] == "Anna Katharina Friederike Wilhelmina"
    assert ("first_name", "value_too_long", LONG) in await _notes(world)
    assert (await world.get_customer(customer_id))["first_name"] == LONG


async def test_text_that_was_cut_does_not_come_back(world: World) -> None:
    customer_id = await world.customer("a@shop.example", first_name=LONG, last_name="B")
    await world.settle()
    await world.edit_contact(world.contacts()[0]["id"], phone="1")
    await world.settle()

    customer = await world.get_customer(customer_id)
    assert (customer["first_name"], customer["billing"]["phone"]) == (LONG, "1")


async def test_long_text_is_left_out_where_the_setting_says_so(world: World) -> None:
    await world.set_policy(too_long="skip")
    await world.customer("a@shop.example", first_name=LONG, last_name="B")
    await world.settle()

    assert world.contacts()[0]["firstname"] == ""
    assert ("first_name", "value_too_long", LONG) in await _notes(world)


async def test_a_pair_that_existed_with_cut_text_is_no_conflict(world: World) -> None:
    """The contact holds what the shop's text becomes there."""
    await world.contact(lastname="B", email="a@both.example", firstname=LONG[:36])
    world.later()
    customer_id = await world.customer("a@both.example", first_name=LONG, last_name="B")
    world.later()
    await world.edit_contact(world.contacts()[0]["id"], phone="1")
    await world.settle()

    assert (await world.get_customer(customer_id))["first_name"] == LONG


async def test_emoji_are_replaced_and_stay_in_the_shop(world: World) -> None:
    customer_id = await world.customer("a@shop.example", first_name="Zoë 🎉", last_name="B")
    await world.settle()
    [contact] = world.contacts()
    assert contact["firstname"] == "Zoë \ufffd"

    await world.edit_contact(contact["id"], phone="1")
    await world.settle()
    assert (await world.get_customer(customer_id))["first_name"] == "Zoë 🎉"
    assert ("first_name", "unsafe_in_vtiger", "Zoë 🎉") in await _notes(world)


@pytest.mark.parametrize(
    "company",
    ["Tom & Jerry", 'O\'Neil "Bros"', "Ünï-Çode <b>Ltd</b>", "a < b > c", "Back\\slash & Co"],
)
async def test_texts_with_signs_are_the_same_on_both_sides(world: World, company: str) -> None:
    await world.customer("a@shop.example", last_name="B", billing={"company": company})
    await world.contact(lastname="C", email="c@crm.example", mailingstreet=f"1 {company}")
    await world.settle()
    people = await world.people()
    world.traffic.reset()
    await world.settle_again()

    assert people.faults() == []
    assert world.traffic.writes == {}


async def test_entities_are_decoded_once(world: World) -> None:
    await world.customer("a@shop.example", last_name="B", billing={"city": "Caf&eacute; &amp; Co"})
    await world.settle()

    assert world.contacts()[0]["mailingcity"] == "Café & Co"


async def test_a_name_that_the_shop_would_strip_is_left_out(world: World) -> None:
    await world.contact(firstname="<b>Bold</b>", lastname="Berg", email="c@crm.example")
    await world.settle()

    [link] = await world.links()
    customer = await world.get_customer(link.woo_id)
    assert (customer["first_name"], customer["last_name"]) == ("", "Berg")
    assert ("first_name", "unsafe_in_woocommerce", "<b>Bold</b>") in await _notes(world)


async def test_what_was_left_out_is_not_tried_again(world: World) -> None:
    await world.contact(firstname="<b>Bold</b>", lastname="Berg", email="c@crm.example")
    await world.settle()
    world.traffic.reset()
    await world.settle_again()

    assert world.traffic.writes == {}


async def test_a_script_is_never_sent_to_the_crm(world: World) -> None:
    street = "<script>alert(1)</script>"
    await world.customer("a@shop.example", last_name="B", billing={"address_1": street})
    await world.settle()

    assert world.contacts()[0]["mailingstreet"] == ""
    assert ("mailing_street", "unsafe_in_vtiger", street) in await _notes(world)


async def test_states_and_countries_are_codes_here_and_names_there(world: World) -> None:
    customer_id = await world.customer(
        "a@shop.example", last_name="B", billing={"country": "US", "state": "CA"}
    )
    await world.settle()
    [contact] = world.contacts()
    assert (contact["mailingcountry"], contact["mailingstate"]) == ("United States", "California")

    await world.edit_contact(contact["id"], mailingstate="New York")
    await world.settle()
    assert (await world.get_customer(customer_id))["billing"]["state"] == "NY"


async def test_an_unknown_state_is_kept_as_it_is(world: World) -> None:
    await world.customer(
        "a@shop.example", last_name="B", billing={"country": "Atlantis", "state": "Deep"}
    )
    await world.settle()

    [contact] = world.contacts()
    assert (contact["mailingcountry"], contact["mailingstate"]) == ("Atlantis", "Deep")


async def test_lines_of_a_street_are_joined_and_split(world: World) -> None:
    await world.contact(
        lastname="B", email="a@crm.example", mailingstreet="1 Road\nHouse 2\nDoor 3"
    )
    await world.settle()

    [link] = await world.links()
    billing = (await world.get_customer(link.woo_id))["billing"]
    assert (billing["address_1"], billing["address_2"]) == ("1 Road", "House 2, Door 3")
    assert world.contacts()[0]["mailingstreet"] == "1 Road\nHouse 2\nDoor 3"

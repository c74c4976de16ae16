"""Edits travel to the other system once; edits of both sides meet without loss."""

import pytest

from app.domain import Outcome
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pair(world: World) -> tuple[str, str]:
    """The ids of one synced person, with the log and the counts empty again."""
    customer_id = await world.customer(
        "zoe@shop.example",
        first_name="Zoë",
        last_name="Müller",
        billing={"city": "Paris", "phone": "1"},
    )
    await world.settle()
    await world.forget_log()
    world.traffic.reset()
    [link] = await world.links()
    return customer_id, link.vtiger_id


async def test_a_customers_edit_comes_to_the_contact(world: World, pair: tuple[str, str]) -> None:
    world.edit_customer(pair[0], billing={"city": "Lyon"})
    await world.settle()

    assert world.get_contact(pair[1])["mailingcity"] == "Lyon"
    assert await world.told() == [
        ("vtiger", "updated", None),
        ("woocommerce", "unchanged", "echo"),
    ]
    assert world.traffic.writes == {"vtiger revise": 1}


async def test_a_contacts_edit_comes_to_the_customer(world: World, pair: tuple[str, str]) -> None:
    await world.edit_contact(pair[1], mailingcity="Lyon", firstname="Zoé")
    await world.settle()

    customer = await world.get_customer(pair[0])
    assert (customer["billing"]["city"], customer["first_name"]) == ("Lyon", "Zoé")
    assert await world.told() == [
        ("woocommerce", "updated", None),
        ("vtiger", "unchanged", "echo"),
    ]
    assert world.traffic.writes == {"PUT customers": 1}


async def test_a_save_without_a_change_writes_nothing(world: World, pair: tuple[str, str]) -> None:
    world.edit_customer(pair[0])
    await world.edit_contact(pair[1])
    await world.settle()

    assert {outcome for _, outcome, _ in await world.told()} == {"unchanged"}
    assert world.traffic.writes == {}


async def test_the_log_tells_old_and_new_values(world: World, pair: tuple[str, str]) -> None:
    world.edit_customer(pair[0], billing={"city": "Lyon"})
    await world.settle()

    row = (await world.log())[0]
    assert row.changes == [
        {"field": "mailing_city", "old": "Paris", "new": "Lyon", "source": "woocommerce"}
    ]


async def test_edits_of_different_fields_at_once_both_arrive(
    world: World, pair: tuple[str, str]
) -> None:
    world.edit_customer(pair[0], billing={"city": "Lyon"})
    await world.edit_contact(pair[1], phone="2")
    await world.settle()

    assert world.get_contact(pair[1])["mailingcity"] == "Lyon"
    assert (await world.get_customer(pair[0]))["billing"]["phone"] == "2"
    assert (await world.people()).faults() == []


async def test_edits_of_both_sides_are_a_row_under_each_target(
    world: World, pair: tuple[str, str]
) -> None:
    world.edit_customer(pair[0], billing={"city": "Lyon"})
    await world.edit_contact(pair[1], phone="2")
    await world.settle()

    rows = await world.log(Outcome.UPDATED)
    assert {row.target for row in rows} == {"vtiger", "woocommerce"}
    assert len({tuple(await world.deliveries_of(row)) for row in rows}) == 1


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("latest_wins", "CRM"), ("woocommerce_wins", "SHOP"), ("vtiger_wins", "CRM")],
)
async def test_a_conflict_ends_as_the_policy_says(
    world: World, pair: tuple[str, str], policy: str, kept: str
) -> None:
    await world.set_policy(conflict_policy=policy)
    world.edit_customer(pair[0], billing={"city": "SHOP"})
    world.later()
    await world.edit_contact(pair[1], mailingcity="CRM")
    await world.settle()

    assert world.get_contact(pair[1])["mailingcity"] == kept
    assert (await world.get_customer(pair[0]))["billing"]["city"] == kept
    conflicts = [conflict for row in await world.log() for conflict in row.conflicts]
    assert {(each["woocommerce"], each["vtiger"]) for each in conflicts} == {("SHOP", "CRM")}
    assert "conflict_lost" in {reason for _, _, reason in await world.told()}


async def test_the_later_edit_wins_when_it_is_the_shops(
    world: World, pair: tuple[str, str]
) -> None:
    await world.edit_contact(pair[1], mailingcity="CRM")
    world.later()
    world.edit_customer(pair[0], billing={"city": "SHOP"})
    await world.settle()

    assert world.get_contact(pair[1])["mailingcity"] == "SHOP"
    assert (await world.people()).faults() == []


async def test_a_conflict_that_a_person_shall_settle_writes_nothing(
    world: World, pair: tuple[str, str]
) -> None:
    await world.set_policy(conflict_policy="ask")
    world.later()
    world.edit_customer(pair[0], billing={"city": "SHOP"})
    await world.edit_contact(pair[1], mailingcity="CRM")
    await world.settle()

    assert {each[1:] for each in await world.told()} == {("skipped", "conflict_open")}
    assert world.traffic.writes == {}


async def test_an_open_conflict_does_not_hold_other_fields_up(
    world: World, pair: tuple[str, str]
) -> None:
    await world.set_policy(conflict_policy="ask")
    world.edit_customer(pair[0], billing={"city": "SHOP", "phone": "9"})
    await world.edit_contact(pair[1], mailingcity="CRM")
    await world.settle()

    contact = world.get_contact(pair[1])
    assert (contact["phone"], contact["mailingcity"]) == ("9", "CRM")


async def test_an_email_changes_both_ways(world: World, pair: tuple[str, str]) -> None:
    world.edit_customer(pair[0], email="new@shop.example")
    await world.settle()
    assert world.get_contact(pair[1])["email"] == "new@shop.example"

    await world.edit_contact(pair[1], email="newer@crm.example")
    await world.settle()
    assert (await world.get_customer(pair[0]))["email"] == "newer@crm.example"
    assert (await world.people()).faults() == []


async def test_an_email_that_another_customer_has_stays_behind_alone(
    world: World, pair: tuple[str, str]
) -> None:
    """The rest of the record is synced, and the reason is in the log."""
    world.sandbox.shop.customers.register("taken@shop.example", role="editor")
    await world.settle()
    await world.edit_contact(pair[1], email="taken@shop.example", phone="7")
    await world.settle()

    customer = await world.get_customer(pair[0])
    assert (customer["email"], customer["billing"]["phone"]) == ("zoe@shop.example", "7")
    notes = [note for row in await world.log() for note in row.notes]
    assert [(note["field"], note["value"]) for note in notes] == [("email", "taken@shop.example")]


async def test_an_email_that_was_refused_is_not_tried_again(
    world: World, pair: tuple[str, str]
) -> None:
    world.sandbox.shop.customers.register("taken@shop.example", role="editor")
    await world.edit_contact(pair[1], email="taken@shop.example")
    await world.settle()
    world.traffic.reset()
    await world.edit_contact(pair[1], phone="8")
    await world.settle()

    assert world.traffic.writes == {"PUT customers": 1}
    assert (await world.get_customer(pair[0]))["billing"]["phone"] == "8"


async def test_a_value_that_left_and_came_back_is_seen(world: World, pair: tuple[str, str]) -> None:
    """A to B to A: the same body as before is a hint again."""
    for city in ("Lyon", "Paris"):
        world.edit_customer(pair[0], billing={"city": city})
        await world.settle()
        assert world.get_contact(pair[1])["mailingcity"] == city


async def test_a_late_echo_does_not_hide_the_edit_beside_it(
    world: World, pair: tuple[str, str]
) -> None:
    """The body of our own write arrives once more, after that of an edit made since."""
    await world.edit_contact(pair[1], phone="5")
    await world.settle()
    echo = world.sent()[-1]
    world.edit_customer(pair[0], billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    await world.send(echo)
    await world.settle()

    assert world.get_contact(pair[1])["mailingcity"] == "Lyon"


async def test_cleared_fields_are_cleared(world: World, pair: tuple[str, str]) -> None:
    world.edit_customer(pair[0], billing={"city": ""})
    await world.edit_contact(pair[1], phone="")
    await world.settle()

    assert world.get_contact(pair[1])["mailingcity"] == ""
    assert (await world.get_customer(pair[0]))["billing"]["phone"] == ""

"""What no hint told of is found by looking, once; what was there before is left alone."""

from collections.abc import AsyncIterator

import pytest

from app.domain import Module, Outcome
from app.sync.polling import poll
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """Neither system tells anything; contacts alone are synced."""
    async with open_world(emptied_database_url, hooks=False) as opened:
        await opened.sync_only(Module.CONTACTS)
        yield opened


async def test_records_that_were_there_before_are_not_brought_over(world: World) -> None:
    await world.customer("old@shop.example", last_name="Old")
    await world.contact(lastname="Old", email="old@crm.example")
    hints = [await poll(world.runtime) for _ in range(3)]

    assert hints == [0, 0, 0]


async def test_records_made_after_the_first_look_are_found_once(world: World) -> None:
    await poll(world.runtime)
    await world.customer("new@shop.example", last_name="New")
    await world.contact(lastname="New", email="new@crm.example")
    assert await poll(world.runtime) == 2
    assert await poll(world.runtime) == 0
    await world.settle()

    assert (await world.people()).faults() == []


async def test_old_records_that_change_are_found(world: World) -> None:
    customer_id = await world.customer("old@shop.example", last_name="Old")
    contact_id = await world.contact(lastname="Old", email="old@crm.example")
    await poll(world.runtime)
    world.later()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.edit_contact(contact_id, phone="1")

    assert await poll(world.runtime) == 2


async def test_a_quiet_pair_gives_no_hint(world: World) -> None:
    await poll(world.runtime)
    await world.customer("new@shop.example", last_name="New", billing={"company": "N & Co"})
    await world.contact(lastname="New", email="new@crm.example")
    for _ in range(3):
        await poll(world.runtime)
        await world.settle()
    world.traffic.reset()

    assert await poll(world.runtime) == 0
    assert world.traffic.writes == {}


async def test_edits_of_pairs_are_found_on_both_sides(world: World) -> None:
    await poll(world.runtime)
    customer_id = await world.customer("new@shop.example", last_name="New")
    await poll(world.runtime)
    await world.settle()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.edit_contact(world.contacts()[0]["id"], phone="1")
    await poll(world.runtime)
    await world.settle()

    assert (await world.people()).faults() == []
    assert world.contacts()[0]["mailingcity"] == "Lyon"


async def test_an_edit_in_the_second_of_our_own_write_is_found(world: World) -> None:
    """The stamp is the same; the values and the Account tell."""
    await poll(world.runtime)
    world.clock.stop()
    await world.customer("new@shop.example", last_name="New", billing={"company": "First"})
    await poll(world.runtime)
    await world.settle()
    second = await world.sandbox.crm.ui_create("Accounts", {"accountname": "Second"})
    await world.edit_contact(world.contacts()[0]["id"], account_id=second)

    assert await poll(world.runtime) == 1


async def test_a_contact_that_changes_while_the_pages_are_read_is_found_later(
    world: World,
) -> None:
    """The look takes minutes, and ends with a later change than the one it missed."""
    for number in range(101):
        await world.contact(lastname=f"C{number}")
    await poll(world.runtime)
    world.later(seconds=600)
    last = world.contacts()[-1]["id"]
    await world.edit_contact(last, phone="1")
    first = world.contacts()[0]["id"]

    async def changes() -> None:
        world.later(seconds=600)
        await world.edit_contact(first, phone="2")
        world.later(seconds=600)
        await world.edit_contact(last, phone="3")

    world.traffic.before["vtiger query"] = changes
    await poll(world.runtime)
    await poll(world.runtime)

    hinted = {delivery.record_id for delivery in await world.deliveries()}
    assert hinted == {first, last}


async def test_a_crm_whose_clock_is_behind_is_looked_at_by_its_own(world: World) -> None:
    world.later(seconds=-800)
    await world.contact(lastname="Old", email="old@crm.example")
    await poll(world.runtime)
    world.later(seconds=10)
    contact_id = await world.contact(lastname="New", email="new@crm.example")
    await poll(world.runtime)

    assert [delivery.record_id for delivery in await world.deliveries()] == [contact_id]


async def test_customers_that_vanished_are_hinted_and_looked_at(world: World) -> None:
    await poll(world.runtime)
    customer_id = await world.customer("new@shop.example", last_name="New")
    await poll(world.runtime)
    await world.settle()
    world.delete_customer(customer_id)
    assert await poll(world.runtime) == 1
    await world.settle()

    assert [row.reason for row in await world.log(Outcome.SKIPPED)] == ["delete_ignored"]
    assert await poll(world.runtime) == 0


async def test_contacts_that_vanished_are_found_where_deletions_are_carried_over(
    world: World,
) -> None:
    await world.set_policy(delete_policy="propagate")
    await poll(world.runtime)
    await world.customer("new@shop.example", last_name="New")
    await poll(world.runtime)
    await world.settle()
    world.sandbox.crm.ui_delete(world.contacts()[0]["id"])
    await poll(world.runtime)
    await world.settle()

    assert [row.target for row in await world.log(Outcome.DELETED)] == ["woocommerce"]


async def test_a_skipped_record_is_brought_up_once(world: World) -> None:
    await poll(world.runtime)
    await world.contact(lastname="Nomail")
    await poll(world.runtime)
    await world.settle()
    await poll(world.runtime)
    await world.settle()

    assert [row.reason for row in await world.log()] == ["missing_required_field"]


async def test_a_shop_that_is_down_is_looked_at_later(world: World) -> None:
    await poll(world.runtime)
    world.sandbox.shop_faults.fail(times=100)
    await world.customer("new@shop.example", last_name="New")
    assert await poll(world.runtime) == 0

    world.sandbox.shop_faults.clear()
    assert await poll(world.runtime) == 1


async def test_a_module_that_is_off_is_not_looked_at(world: World) -> None:
    await world.set_policy(enabled=False)
    world.traffic.reset()
    await poll(world.runtime)

    assert world.traffic.reads == {}

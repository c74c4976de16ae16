"""A pair that differs because of a direction is told so, with the fields; never as agreed."""

import pytest

from app.domain import Module
from app.sync.runs.comparison import Plan, compare_store
from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio


async def paired(world: World, direction: str) -> tuple[str, str]:
    """A pair, with settings that came after it; the ids of its customer and its contact."""
    customer_id = await world.customer("zoe@shop.example", last_name="M")
    await world.settle()
    await world.set_policy(direction=direction)
    await world.forget_log()
    world.traffic.reset()
    world.later()
    return customer_id, world.contacts()[0]["id"]


async def test_with_the_direction_off_an_edit_stays_where_it_was_made(world: World) -> None:
    customer_id, contact_id = await paired(world, "off")
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()
    await world.edit_contact(contact_id, phone="1")
    await world.settle()

    rows = await world.log()
    assert {(row.outcome, row.reason) for row in rows} == {("skipped", "direction_off")}
    assert {row.target for row in rows} == {"woocommerce", "vtiger"}
    assert [note["field"] for note in rows[-1].notes] == ["phone", "mailing_city"]
    assert [note["value"] for note in rows[-1].notes] == ["1", "Lyon"]
    message = "The direction is off: {} is not written."
    told = (rows[-1].message or "").removesuffix(" Fields that differ: phone, mailing_city.")
    assert told == f"{message.format('WooCommerce')} {message.format('Vtiger')}"
    assert world.traffic.writes == {}
    [found] = [each async for each in compare_store(world.runtime, STORE, module=Module.CONTACTS)]
    assert found.skip is not None
    assert (found.plan, found.skip.reason) == (Plan.SKIP, "direction_off")


async def test_one_way_an_edit_of_the_other_side_is_told_once(world: World) -> None:
    customer_id, contact_id = await paired(world, "woo_to_vtiger")
    await world.edit_contact(contact_id, phone="1")
    await world.settle()
    [row] = await world.log()
    assert (row.target, row.outcome, row.reason) == ("woocommerce", "skipped", "direction_off")
    assert [note["field"] for note in row.notes] == ["phone"]

    await world.forget_log()
    world.later()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()
    written = [row for row in await world.log() if row.outcome == "updated"]
    assert [(row.target, row.notes) for row in written] == [("vtiger", [])]
    assert {row.reason for row in await world.log()} <= {None, "echo", "no_difference"}


async def test_what_is_written_beside_what_is_held_names_both(world: World) -> None:
    customer_id, contact_id = await paired(world, "woo_to_vtiger")
    world.sandbox.crm.workflows.callbacks.clear()
    await world.edit_contact(contact_id, phone="1")
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()

    [row] = [row for row in await world.log() if row.outcome == "updated"]
    assert [change["field"] for change in row.changes] == ["mailing_city"]
    assert [(note["field"], note["reason"]) for note in row.notes] == [("phone", "direction_off")]

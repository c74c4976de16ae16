"""Hints of every kind end as one row each: strange topics, envelopes, numbers, forms, doubles."""

import pytest
from sqlalchemy import func, select

from app.domain import DeliveryState, Event, Module, Origin, Record, System
from app.inbox.repository import NewDelivery
from app.synclog.models import EntryDelivery
from sandbox.vtiger.workflows import Callback, Format
from tests.setting import CALLBACK_SECRET, SERVICE
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_topic_without_a_module_leaves_nothing_behind(world: World) -> None:
    world.sandbox.shop.webhooks.add(
        name="coupons",
        status="active",
        topic="coupon.updated",
        delivery_url=f"{SERVICE}/webhooks/woocommerce/main",
        secret=world.sandbox.credentials.webhook_secret,
        owner=world.key,
    )
    world.sandbox.shop.webhooks.emit("coupon.updated", 7)
    await world.settle()

    assert (await world.told(), await world.deliveries()) == ([], [])


async def test_a_hint_without_a_module_of_an_earlier_version_is_filtered(world: World) -> None:
    """Such rows are stored no more, but may be replayed."""
    record = Record("main", System.WOOCOMMERCE, None, "7", "coupon")
    await world.runtime.acceptor.accept([NewDelivery(record, Origin.REPLAY, Event.CHANGED, "old")])
    await world.settle()

    assert await world.told() == [("vtiger", "skipped", "filtered")]


async def test_a_module_that_is_switched_off_is_left_alone(world: World) -> None:
    await world.set_policy(module=Module.PRODUCTS, enabled=False)
    await world.set_policy(module=Module.SALES_ORDERS, enabled=False)
    world.sandbox.shop.webhooks.emit("order.deleted", 7)
    await world.settle()

    assert await world.told() == [("vtiger", "skipped", "module_off")]


async def test_an_envelope_of_a_record_that_was_gone_is_skipped(world: World) -> None:
    world.sandbox.shop.webhooks.emit("customer.updated", 99)
    await world.settle()

    [row] = await world.log()
    assert (row.outcome, row.reason) == ("skipped", "not_found")
    assert "wc_user_invalid_id" in row.message


@pytest.mark.parametrize("form", ["custom_function", "form", "cloud"])
async def test_callbacks_of_every_format_bring_their_record(world: World, form: Format) -> None:
    address = f"{SERVICE}/callbacks/vtiger/contacts?token={CALLBACK_SECRET}"
    world.sandbox.crm.workflows.callbacks[:] = [Callback("Contacts", address, format=form)]
    contact_id = await world.contact(lastname="Berg", email="max@crm.example")
    await world.settle()

    assert [link.vtiger_id for link in await world.links()] == [contact_id]


@pytest.mark.parametrize("record", ["CON999", "999", "12x999", "11x1"])
async def test_a_callback_for_a_record_that_is_not_there_is_skipped(
    world: World, record: str
) -> None:
    assert await world.call_back({"record_id": record}) == 202
    await world.settle()

    assert await world.told() == [("woocommerce", "skipped", "not_found")]


async def test_one_record_told_by_three_names_is_one_customer(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    contact_id = await world.contact(lastname="Berg", email="max@crm.example")
    number = world.get_contact(contact_id)["contact_no"]
    for name in (contact_id, contact_id.partition("x")[2], number):
        await world.call_back({"id": name})
    await world.settle()

    assert world.traffic.writes["POST customers"] == 1
    assert len(await world.log()) >= 3


async def test_doubled_and_reordered_deliveries_change_nothing(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    world.later()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()
    world.traffic.reset()
    for outbound in reversed(world.sent()):
        await world.send(outbound)
        await world.send(outbound)
        await world.settle()

    assert world.traffic.writes == {}
    assert world.contacts()[0]["mailingcity"] == "Lyon"


async def test_each_delivery_is_settled_by_one_row(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.contact(lastname="Berg", email="max@crm.example")
    world.sandbox.shop.webhooks.emit("customer.updated", 99)
    world.sandbox.shop.webhooks.emit("product.created", 5)
    await world.settle()

    deliveries = await world.deliveries()
    assert {delivery.state for delivery in deliveries} == {DeliveryState.DONE}
    assert {row.id for row in await world.log()} == {each.sync_log_id for each in deliveries}
    async with world.runtime.sessions() as session:
        tied = await session.scalar(select(func.count()).select_from(EntryDelivery))
    assert tied == len(deliveries)


async def test_hints_of_one_record_are_settled_together(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    await world.step()

    [row] = await world.log()
    assert (row.outcome, row.delivery_count) == ("created", 3)


async def test_a_body_that_is_fresh_saves_a_read(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    world.later()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    world.traffic.reset()
    await world.settle()

    assert world.traffic.reads["GET customers"] == 0
    assert world.contacts()[0]["mailingcity"] == "Lyon"


async def test_the_body_of_a_new_record_saves_a_read_too(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()

    assert world.traffic.reads["GET customers"] == 0
    assert world.contacts()[0]["mailingcity"] == "Lyon"


async def test_no_body_makes_a_twin_of_what_was_seen_gone(world: World) -> None:
    """The shop's first word arrives after its last."""
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    created = world.sent()[0]
    world.delete_customer(customer_id)
    await world.settle()
    await world.send(created)
    await world.settle()

    assert world.contacts() == []
    assert [row[1:] for row in await world.told()] == [("skipped", "not_found")] * 2


async def test_the_shop_is_never_written_on_the_word_of_a_body(world: World) -> None:
    """The customer changed again after the body was sent, and so did the contact."""
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    world.sandbox.crm.workflows.callbacks.clear()
    world.later()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    await world.edit_contact(world.contacts()[0]["id"], phone="CRM")
    world.later()
    world.edit_customer(customer_id, billing={"phone": "SHOP"})
    await world.step()

    assert (await world.get_customer(customer_id))["billing"]["phone"] == "SHOP"

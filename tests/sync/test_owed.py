"""Orders that were written without something get it by themselves once it is there."""

import json
from pathlib import Path

import pytest

from app.domain import DeletePolicy, DeliveryState, Module, Record, System
from app.inbox.replay import replay
from app.inbox.repository import DeliveryFilter
from app.links.repository import search_needs
from app.modules.dependencies import note_missing
from app.privacy import forget
from app.sync.polling import poll
from sandbox.vtiger.schema import CustomField
from tests.goods import listed, product, rows_of
from tests.setting import STORE
from tests.trade import ADDRESS, edit, item, kept, lines, order, sale, sales, trash, typed
from tests.world import World

pytestmark = pytest.mark.anyio

ORDERS = Module.SALES_ORDERS
CASES = Path(__file__).parents[1] / "recordings" / "cases"
DEMANDED = CustomField("cf_901", "Rating", mandatory=True)


async def replay_dead(world: World) -> None:
    """A person replays what ended as failed."""
    await replay(world.runtime.sessions, DeliveryFilter(state=[DeliveryState.DEAD]))
    await world.settle()


def upgrade(world: World, version: str) -> None:
    """Vtiger is another version, which the next login tells."""
    world.sandbox.crm.upgrade(version)
    world.sandbox.crm.expire_sessions()


def line_of(world: World, order_id: str) -> int:
    return kept(world, order_id).lines[0].id


async def needs(world: World) -> list[str]:
    async with world.runtime.sessions() as session:
        return list(await search_needs(session))


@pytest.mark.parametrize("account", [True, False])
async def test_an_order_gets_its_contact_once_that_is_mended(
    market: World, *, account: bool
) -> None:
    case = json.loads((CASES / "contact-later.json").read_text())
    assert case["expect"] == "the order gets its contact"
    market.sandbox.crm.ui_add_field("Contacts", DEMANDED)
    fields = {}
    if account:
        fields = {"customer_id": int(await market.customer("zoe@shop.example", last_name="M"))}
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1), **fields)
    await market.settle()
    assert sale(market, order_id)["contact_id"] == ""
    [row] = [row for row in await rows_of(market, ORDERS) if row.outcome == "created"]
    assert (row.reason, row.message.partition(":")[0]) == ("missing_reference", "contact")

    market.sandbox.crm.ui_remove_field("Contacts", "cf_901")
    await replay_dead(market)
    [contact] = market.contacts()
    assert sale(market, order_id)["contact_id"] == contact["id"]
    assert await needs(market) == []


async def test_a_guest_who_registers_pays_what_the_guest_owed(market: World) -> None:
    market.sandbox.crm.ui_add_field("Contacts", DEMANDED)
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    await market.settle()
    market.sandbox.crm.ui_remove_field("Contacts", "cf_901")
    await market.customer("zoe@shop.example", first_name="Zoë", last_name="Müller")
    await market.settle()

    [contact] = market.contacts()
    assert sale(market, order_id)["contact_id"] == contact["id"]


async def test_a_guest_who_registers_and_has_a_contact_pays_what_the_guest_owed(
    market: World,
) -> None:
    """The pair has the e-mail by which the order knows the guest only once both sides agree."""
    market.sandbox.crm.ui_add_field("Contacts", DEMANDED)
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    await market.settle()
    market.sandbox.crm.ui_remove_field("Contacts", "cf_901")
    await market.contact(firstname="Zoë", lastname="Müller", email="zoe@shop.example")
    market.sandbox.crm.workflows.callbacks.clear()
    await market.customer("zoe@shop.example", first_name="Zoë", last_name="Müller")
    await market.settle()

    [contact] = market.contacts()
    assert sale(market, order_id)["contact_id"] == contact["id"]
    assert await needs(market) == []


async def test_a_contact_that_came_unseen_is_found_by_the_next_poll(market: World) -> None:
    market.sandbox.crm.ui_add_field("Contacts", DEMANDED)
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    await market.settle()
    [need] = await needs(market)
    market.sandbox.crm.ui_remove_field("Contacts", "cf_901")
    await market.execute("DELETE FROM owed")
    await replay_dead(market)
    owing = Record(STORE, System.WOOCOMMERCE, ORDERS, order_id)
    await note_missing(market.runtime, owing, [need])
    await poll(market.runtime)
    await market.settle()

    [contact] = market.contacts()
    assert sale(market, order_id)["contact_id"] == contact["id"]


async def test_a_line_gets_its_product_once_that_is_mended(market: World) -> None:
    market.sandbox.crm.ui_add_field("Products", DEMANDED)
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 2))
    await market.settle()
    [row] = [row for row in await rows_of(market, ORDERS) if row.outcome == "created"]
    assert row.reason == "unknown_product"

    market.sandbox.crm.ui_remove_field("Products", "cf_901")
    await replay_dead(market)
    [made] = [row for row in listed(market) if row["productcode"] == "MUG"]
    assert [line["productid"] for line in lines(sale(market, order_id))] == [made["id"]]


async def test_a_new_sale_is_made_once_its_product_is_mended(market: World) -> None:
    product(market, name="Other", sku="TEA")
    await market.settle()
    tea = await market.sandbox.crm.ui_create(
        "Products", {"productname": "Tea", "productcode": "TEA", "unit_price": "5",
                     "discontinued": "1"},
    )  # fmt: skip
    await typed(market, item(tea, "2", "5"))
    await market.settle()
    assert list(market.sandbox.shop.trade.orders) == []
    assert ("woocommerce", "skipped", "unknown_product") in [
        (row.target, row.outcome, row.reason) for row in await rows_of(market, ORDERS)
    ]

    await market.sandbox.crm.ui_edit(tea, {"productcode": "TEA-2"})
    await market.settle()
    assert len(list(market.sandbox.shop.trade.orders)) == 1
    assert len(sales(market)) == 1


async def test_nothing_is_owed_where_contacts_are_not_synced(market: World) -> None:
    await market.set_policy(module=Module.CONTACTS, enabled=False)
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    await market.settle()

    [row] = [row for row in await rows_of(market, ORDERS) if row.outcome == "created"]
    assert (row.reason, [note["reason"] for note in row.notes]) == (None, ["not_found"])
    assert await needs(market) == []
    assert sale(market, order_id)["contact_id"] == ""


async def test_what_is_owed_for_a_person_is_forgotten_with_the_person(market: World) -> None:
    market.sandbox.crm.ui_add_field("Contacts", DEMANDED)
    mug = product(market, name="Mug", sku="MUG")
    order(market, (mug, 1))
    await market.settle()
    assert ADDRESS["email"] in (await needs(market))[0]
    await forget(market.runtime.sessions, ADDRESS["email"])
    assert await needs(market) == []


@pytest.mark.parametrize("cure", ["another version", "the add-on"])
async def test_orders_wait_for_a_vtiger_that_takes_them(market: World, cure: str) -> None:
    """What is sent to 8.3 and 8.4 is refused or ruins an order there."""
    mug = product(market, name="Mug", sku="MUG")
    old = order(market, (mug, 1))
    await market.settle()
    await market.forget_log()
    upgrade(market, "8.4.0")
    market.traffic.reset()
    market.later()
    line = {"quantity": 3, "subtotal": "30.00", "total": "30.00"}
    edit(market, old, status="completed", line_items=[{**line, "id": line_of(market, old)}])
    new = order(market, (mug, 2))
    await market.settle()

    assert "vtiger create" not in market.traffic.writes
    found = sale(market, old)
    assert (found["sostatus"], len(lines(found))) == ("Delivered", 1)
    told = {(row.source_id, row.outcome, row.reason) for row in await rows_of(market, ORDERS)}
    assert {(old, "updated", "needs_addon"), (new, "failed", "needs_addon")} <= told
    dead = [each for each in await market.deliveries() if each.state == DeliveryState.DEAD]
    assert {each.record_id for each in dead} == {new}

    await poll(market.runtime)
    await market.settle()
    assert len(sales(market)) == 1, "nothing is cured yet"

    if cure == "another version":
        market.sandbox.crm.upgrade("8.2.0")
    else:
        market.sandbox.crm.install_addon()
    await poll(market.runtime)
    await market.settle()
    assert [line["quantity"] for line in lines(sale(market, old))] == ["3.000"]
    assert len(lines(sale(market, new))) == 1
    assert DeliveryState.DEAD not in {each.state for each in await market.deliveries()}


async def test_an_order_that_vtiger_refuses_for_no_reason_of_its_own_is_failed(
    market: World,
) -> None:
    """Whatever version it says it is: the answer that 8.4 gives to every order."""
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    market.sandbox.crm.database.version = "8.4.0"
    await market.runtime.vtiger.user_id()
    await market.settle()
    assert sales(market) == []
    assert [(row.outcome, row.reason) for row in await rows_of(market, ORDERS)][-1] == (
        "failed",
        "rejected_by_remote",
    )

    market.sandbox.crm.upgrade("8.2.0")
    await poll(market.runtime)
    await market.settle()
    assert sales(market) == [], "it is not tried at every poll"
    await market.execute("UPDATE owed SET due_at = now()")
    await poll(market.runtime)
    await market.settle()
    assert len(lines(sale(market, order_id))) == 1


async def test_no_order_is_deleted_in_a_version_that_would_only_take_its_lines(
    market: World,
) -> None:
    await market.set_policy(module=ORDERS, delete_policy=DeletePolicy.PROPAGATE)
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    await market.settle()
    upgrade(market, "8.4.0")
    trash(market, order_id)
    await market.settle()
    assert len(lines(sale(market, order_id))) == 1
    assert ("failed", "needs_addon") in [
        (row.outcome, row.reason) for row in await rows_of(market, ORDERS)
    ]

    upgrade(market, "8.2.0")
    await poll(market.runtime)
    await market.settle()
    assert sales(market) == []

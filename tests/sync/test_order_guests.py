"""Guests: one contact a person, from whichever order is the latest, until there is a customer."""

import asyncio
import logging

import pytest

from app.domain import Direction, GuestPolicy, Module, pseudonym
from app.links.repository import find_guest_order
from app.logging import JsonFormatter
from app.modules.context import ensure_setup
from app.modules.orders.history import OrderHistory
from tests.goods import links_of, product, rows_of, told_of
from tests.setting import STORE
from tests.trade import ADDRESS, edit, item, order, sale, sales, typed
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_orders_of_one_email_share_a_contact_whatever_its_case(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    for email in ("zoe@shop.example", "Zoe@Shop.Example", "ZOE@SHOP.EXAMPLE"):
        order(market, (mug, 1), billing={**ADDRESS, "email": email})
    await market.settle()

    [contact] = market.contacts()
    assert {row["contact_id"] for row in sales(market)} == {contact["id"]}
    assert contact["cf_853"] == "", "a guest has no number in the shop"


async def test_no_line_of_the_log_tells_a_guests_address(
    market: World, caplog: pytest.LogCaptureFixture
) -> None:
    mug = product(market, name="Mug", sku="MUG")
    with caplog.at_level(logging.DEBUG, "app"):
        order(market, (mug, 1), billing={**ADDRESS, "email": "zoe@shop.example"})
        await market.settle()

    lines = [JsonFormatter().format(record) for record in caplog.records]
    told = [line for line in lines if pseudonym("zoe@shop.example") in line]
    assert len(told) >= 2, "received, and settled"
    assert not [line for line in lines if "zoe" in line.lower()]
    keys = [vars(record).get("record", "") for record in caplog.records]
    assert not [key for key in keys if "@" in key], "whoever formats the line"


async def test_the_latest_order_tells_where_a_guest_lives(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    old = order(market, (mug, 1))
    await market.settle()
    market.later(60)
    order(market, (mug, 1), billing={**ADDRESS, "city": "Paris"})
    await market.settle()
    market.later(60)
    edit(market, old, status="completed")
    await market.settle()

    [contact] = market.contacts()
    assert contact["mailingcity"] == "Paris"


async def test_of_two_orders_in_one_second_the_second_counts(market: World) -> None:
    market.clock.stop()
    mug = product(market, name="Mug", sku="MUG")
    old = order(market, (mug, 1))
    order(market, (mug, 1), billing={**ADDRESS, "city": "Paris"})
    await market.settle()
    edit(market, old, billing={**ADDRESS, "city": "Nantes"})
    await market.settle()

    [contact] = market.contacts()
    assert contact["mailingcity"] == "Paris"


async def test_a_change_that_is_meant_for_a_guest_stays_in_vtiger(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    order(market, (mug, 1))
    await market.settle()
    await market.forget_log()
    [contact] = market.contacts()
    await market.edit_contact(contact["id"], phone="0800")
    await market.settle()

    assert await told_of(market, Module.CONTACTS) == [("woocommerce", "skipped", "filtered")]
    assert market.contacts()[0]["phone"] == "0800"


async def test_a_guest_who_registers_keeps_the_contact(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    order(market, (mug, 1))
    await market.settle()
    customer_id = await market.customer("zoe@shop.example", first_name="Zoë", last_name="Müller")
    await market.settle()
    later = order(market, (mug, 1), customer_id=int(customer_id))
    await market.settle()

    [contact] = market.contacts()
    [link] = await links_of(market, Module.CONTACTS)
    assert (link.woo_id, link.vtiger_id) == (customer_id, contact["id"])
    assert contact["cf_853"] == customer_id
    assert sale(market, later)["contact_id"] == contact["id"]


async def test_a_customer_who_orders_as_a_guest_is_known(market: World) -> None:
    customer_id = await market.customer("zoe@shop.example", last_name="Müller")
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    await market.settle()

    [contact] = market.contacts()
    assert (contact["cf_853"], sale(market, order_id)["contact_id"]) == (customer_id, contact["id"])


async def test_a_guest_without_email_has_no_contact(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1), billing={"first_name": "Zoë"})
    await market.settle()

    assert market.contacts() == []
    assert sale(market, order_id)["contact_id"] == ""
    assert market.accounts() == ["Zoë"]


async def test_one_contact_may_stand_for_all_guests(market: World) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, guests=GuestPolicy.ONE_CONTACT)
    await ensure_setup(market.runtime)
    mug = product(market, name="Mug", sku="MUG")
    for email in ("a@shop.example", "b@shop.example"):
        order(market, (mug, 1), billing={**ADDRESS, "email": email})
    await market.settle()

    [contact] = market.contacts()
    assert contact["lastname"] == "WooCommerce guests"
    assert {row["contact_id"] for row in sales(market)} == {contact["id"]}


async def test_guests_may_be_left_alone(market: World) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, guests=GuestPolicy.SKIP)
    mug = product(market, name="Mug", sku="MUG")
    order(market, (mug, 1))
    await market.settle()

    assert (sales(market), market.contacts()) == ([], [])
    assert set(await told_of(market, Module.SALES_ORDERS)) == {("vtiger", "skipped", "filtered")}


async def test_many_orders_of_one_guest_at_once_make_one_contact(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    ids = [order(market, (mug, count)) for count in range(1, 9)]
    await asyncio.gather(market.settle())

    assert len(market.contacts()) == 1
    assert len(sales(market)) == len(ids)


async def guest_contact(world: World) -> dict[str, object]:
    """A guest who told a mobile number and an address, as Vtiger knows them."""
    mug = product(world, name="Mug", sku="MUG")
    shipping = {**ADDRESS, "phone": "+33 6", "city": "Nice"}
    order(world, (mug, 1), shipping={key: shipping[key] for key in shipping.keys() - {"email"}})
    await world.settle()
    await world.forget_log()
    world.later(60)
    [contact] = world.contacts()
    return contact


def place(contact: dict[str, object]) -> list[object]:
    names = ("phone", "mobile", "mailingstreet", "mailingcity", "mailingzip", "mailingcountry")
    return [contact[name] for name in (*names, "othercity", "firstname", "lastname")]


async def test_a_sale_typed_for_a_guests_contact_leaves_the_contact_alone(market: World) -> None:
    before = await guest_contact(market)
    assert "" not in place(before)
    products = market.sandbox.crm.records("Products")
    mug = next(row["id"] for row in products if row["productcode"] == "MUG")
    sale_id = await typed(
        market, item(mug, "1", "10"), contact_id=before["id"], bill_city="", bill_country=""
    )
    await market.settle()
    await market.settle_again()

    [contact] = market.contacts()
    assert place(contact) == place(before)
    assert len(list(market.sandbox.shop.trade.orders)) == 2
    assert market.sandbox.crm.record(sale_id)["contact_id"] == before["id"]
    assert {outcome for _, outcome, _ in await told_of(market, Module.CONTACTS)} <= {"unchanged"}


async def test_what_a_guests_order_leaves_blank_empties_nothing(market: World) -> None:
    before = await guest_contact(market)
    told = {"first_name": "Zoë", "email": ADDRESS["email"], "city": "Paris"}
    order(market, ("1", 1), billing=told)
    await market.settle()
    await market.settle_again()

    [contact] = market.contacts()
    assert contact["mailingcity"] == "Paris"
    rest = ["mailingcity", "othercity"]
    names = [name for name in before if name not in rest and isinstance(before[name], str)]
    kept = {name: contact[name] for name in names if not name.startswith("modified")}
    assert kept == {name: before[name] for name in kept}


async def test_a_guest_known_by_a_sale_alone_tells_nothing(market: World) -> None:
    """The contact has no pair: that order is all that the shop knows of it."""
    await market.set_policy(module=Module.CONTACTS, direction=Direction.WOO_TO_VTIGER)
    mug = await market.sandbox.crm.ui_create(
        "Products", {"productname": "Mug", "productcode": "MUG", "discontinued": "1"}
    )
    contact = await market.contact(lastname="Berg", email="max@crm.example", mailingcity="Kiel")
    before = market.get_contact(contact)
    await typed(market, item(mug, "1", "10"), contact_id=contact, bill_city="")
    await market.settle()
    await market.settle_again()

    assert place(dict(market.get_contact(contact))) == place(dict(before))
    [row] = [row for row in await rows_of(market, Module.SALES_ORDERS) if row.outcome == "created"]
    assert row.reason is None


async def test_the_guests_own_latest_order_is_read_though_a_sale_came_later(market: World) -> None:
    """All orders of the shop are read anew, the one among them that we made."""
    contact = await guest_contact(market)
    [own] = [each.id for each in market.sandbox.shop.trade.orders]
    products = market.sandbox.crm.records("Products")
    mug = next(row["id"] for row in products if row["productcode"] == "MUG")
    await typed(market, item(mug, "1", "10"), contact_id=contact["id"])
    await market.settle()
    assert len(list(market.sandbox.shop.trade.orders)) == 2

    await market.lose_database()
    await OrderHistory(market.runtime, STORE).read()

    async with market.runtime.sessions() as session:
        found = await find_guest_order(session, STORE, ADDRESS["email"].casefold())
    assert found == str(own)

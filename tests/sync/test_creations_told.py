"""What was created is told as created, once, whatever breaks between the call and the log."""

import pytest

from app.domain import Module, Outcome, TotalPolicy
from app.synclog.models import Entry
from tests.goods import listed, product, rate, rows_of, told_of
from tests.trade import item, order, sale, total, typed
from tests.world import World

pytestmark = pytest.mark.anyio

ORDERS = Module.SALES_ORDERS


async def orders_created(world: World) -> list[Entry]:
    rows = await rows_of(world, Module.SALES_ORDERS)
    return [row for row in rows if row.outcome == "created"]


async def known(world: World) -> str:
    product(world, name="Mug", sku="MUG", regular_price="10.00")
    await world.settle()
    return str(next(row["id"] for row in listed(world) if row["productcode"] == "MUG"))


async def test_a_shop_order_whose_buyer_has_to_wait_is_made_once(market: World) -> None:
    """The order is there when its guest is looked for in Vtiger, and just then that fails."""
    await market.set_policy(module=Module.CONTACTS, direction="woo_to_vtiger")
    mug = await known(market)
    contact = await market.contact(lastname="Berg", email="max@crm.example")
    await market.settle()

    async def breaks() -> None:
        market.sandbox.crm_faults.fail(text="Contacts", times=6)

    market.traffic.before["POST orders"] = breaks
    await typed(market, item(mug, "2", "9.50"), contact_id=contact)
    await market.settle()

    assert len(list(market.sandbox.shop.trade.orders)) == 1
    [row] = await orders_created(market)
    assert row.target == "woocommerce"


async def test_a_shop_order_whose_evening_fee_is_refused_is_made_once(market: World) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, order_total=TotalPolicy.ADJUST)
    mug = await known(market)
    rate(market, "VAT", "20.0000", country="GB")
    market.sandbox.shop_faults.fail("PUT", "/orders", status=429, headers={"Retry-After": "1"})
    await typed(market, item(mug, "1", "10.00"))
    await market.settle()

    assert len(list(market.sandbox.shop.trade.orders)) == 1
    [row] = await orders_created(market)
    assert row.target == "woocommerce"


async def test_a_creation_is_told_though_the_look_after_it_failed_for_good(market: World) -> None:
    """The first hint is dead; whatever comes next finds the order and tells of it."""
    await market.set_policy(module=Module.SALES_ORDERS, order_total=TotalPolicy.ADJUST)
    mug = await known(market)
    rate(market, "VAT", "20.0000", country="GB")
    body = b'{"code":"rest_invalid_param","message":"No.","data":{"status":400}}'
    market.sandbox.shop_faults.fail("PUT", "/orders", status=400, body=body)
    sale_id = await typed(market, item(mug, "1", "10.00"))
    while await market.step():
        pass
    assert ("woocommerce", "failed") in [row[:2] for row in await told_of(market, ORDERS)]
    await market.sandbox.crm.ui_edit(sale_id, {"description": "Soon"})
    await market.settle()

    assert len(list(market.sandbox.shop.trade.orders)) == 1
    [row] = await orders_created(market)
    assert (row.target, row.source_id) == ("woocommerce", sale_id)


async def test_a_sale_whose_repair_breaks_is_told_as_created(market: World) -> None:
    """Vtiger's answer lacks a line, and what would mend it fails for a while."""
    market.sandbox.crm_faults.fail("POST", "operation=revise", times=2)
    market.sandbox.crm_faults.fail(text="elementType=SalesOrder", after_write=True)
    mug = product(market, name="Mug", sku="MUG", regular_price="10.00")
    order_id = order(market, (mug, 1))
    await market.settle()

    assert total(sale(market, order_id)) == 10
    [row] = await orders_created(market)
    assert (row.target, row.source_id) == ("vtiger", order_id)


async def test_a_creation_is_told_once_though_the_write_back_fails_after_it(
    market: World,
) -> None:
    """The contact was made, its answer lost; the customer's own repeat writes to both sides."""
    market.sandbox.crm_faults.drop("POST", "operation=create", after_write=True)
    customer_id = await market.customer("zoe@shop.example", last_name="Müller")
    await market.sandbox.shop.webhooks.flush()
    await market.step()
    [contact] = market.contacts()
    await market.edit_contact(contact["id"], phone="7")
    market.later()
    market.edit_customer(customer_id, billing={"city": "Lyon"})
    market.sandbox.shop_faults.fail("PUT", "/customers", times=2)
    await market.settle()

    customer = await market.get_customer(customer_id)
    assert customer["billing"]["phone"] == "7"
    assert market.contacts()[0]["mailingcity"] == "Lyon"
    assert [row.target for row in await market.log(Outcome.CREATED)] == ["vtiger"]


async def test_a_contact_made_and_deleted_before_it_was_told_is_told_as_created(
    market: World,
) -> None:
    async def dies() -> None:
        await market.break_connections()
        market.sandbox.crm.ui_delete(market.contacts()[0]["id"])

    market.traffic.before["PUT customers"] = dies
    await market.customer("zoe@shop.example", last_name="Müller")
    await market.settle()

    told = [row[1:] for row in await told_of(market, Module.CONTACTS)]
    assert told.count(("created", None)) == 1


async def test_a_lost_answer_about_a_customer_that_is_gone_is_no_secret(market: World) -> None:
    await market.set_policy(direction="woo_to_vtiger")
    market.sandbox.crm_faults.drop("POST", "operation=create", after_write=True)
    customer_id = await market.customer("zoe@shop.example", last_name="Müller")
    await market.sandbox.shop.webhooks.flush()
    await market.step()
    market.delete_customer(customer_id)
    await market.settle()

    rows = [row for row in await rows_of(market, Module.CONTACTS) if row.target == "vtiger"]
    assert {(row.outcome, row.reason) for row in rows} == {("skipped", "not_found")}
    assert any("check whether it exists there" in row.message for row in rows)

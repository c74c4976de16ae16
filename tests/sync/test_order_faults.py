"""Orders when calls break: no order is there twice, none is half, none has another total."""

from decimal import Decimal

import pytest

from app.domain import Module
from app.modules.context import ensure_setup, setup_ids
from tests.goods import links_of, product, rate, rows_of, told_of
from tests.trade import edit, kept, lines, off, order, sale, sales, total
from tests.world import World

pytestmark = pytest.mark.anyio

CREATE_ORDER = "elementType=SalesOrder"


def shopped(world: World) -> str:
    rate(world, "VAT 20", "20.0000")
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    return order(world, (mug, 2))


async def test_an_order_whose_answer_was_lost_is_found(market: World) -> None:
    order_id = shopped(market)
    market.sandbox.crm_faults.drop("POST", CREATE_ORDER, after_write=True)
    await market.settle()

    assert total(sale(market, order_id)) == 24
    created = [
        row for row in await rows_of(market, Module.SALES_ORDERS) if row.outcome == "created"
    ]
    assert [(row.source_id, row.message) for row in created] == [
        (order_id, "Recovered a write whose response was lost.")
    ]


async def test_a_ghost_that_a_broken_create_left_is_repaired(market: World) -> None:
    order_id = shopped(market)
    ghost = await market.sandbox.crm.ui_create(
        "SalesOrder",
        {"subject": "x", "vtiger_purchaseorder": f"WC-main-{order_id}", "sostatus": "Created"},
    )
    await market.settle()

    found = sale(market, order_id)
    assert (found["id"], total(found)) == (ghost, Decimal(24))
    assert len(lines(found)) == 1
    assert found["hdnTaxType"] == "individual"
    assert await off(market) == []


async def test_a_change_between_a_broken_create_and_its_repeat_is_not_lost(market: World) -> None:
    order_id = shopped(market)
    market.sandbox.crm_faults.drop("POST", CREATE_ORDER, after_write=True)
    await market.sandbox.shop.webhooks.flush()
    for _ in range(3):
        await market.step()
        edit(market, order_id, status="completed")
    await market.settle()

    assert sale(market, order_id)["sostatus"] == "Delivered"


async def test_an_order_that_vtiger_refuses_for_a_while_comes_later(market: World) -> None:
    order_id = shopped(market)
    market.sandbox.crm_faults.fail("POST", CREATE_ORDER, times=3, status=500)
    await market.settle()

    assert total(sale(market, order_id)) == 24


async def test_a_tax_that_somebody_took_from_a_product_is_assigned_again(market: World) -> None:
    order_id = shopped(market)
    await market.settle()
    [line] = lines(sale(market, order_id))
    await market.sandbox.crm.ui_edit(line["productid"], {"tax4": ""})
    edit(market, order_id, line_items=[{"id": kept(market, order_id).lines[0].id, "quantity": 3,
        "subtotal": "30.00", "total": "30.00"}])  # fmt: skip
    await market.settle()

    found = sale(market, order_id)
    assert (total(found), Decimal(found["txtAdjustment"])) == (Decimal(36), Decimal(0))


async def test_an_order_waits_for_a_product_that_cannot_be_brought_yet(market: World) -> None:
    order_id = shopped(market)
    market.sandbox.crm_faults.fail("POST", "elementType=Products", times=3)
    await market.sandbox.shop.webhooks.flush()
    await market.step()
    waiting = {key: error for key, error in await market.waiting() if "sales_orders" in key}
    assert sales(market) == []
    assert waiting

    await market.settle()
    [line] = lines(sale(market, order_id))
    assert market.sandbox.crm.record(line["productid"])["productcode"] == "MUG"


async def test_an_order_waits_until_vtiger_is_set_up(world: World) -> None:
    order_id = shopped(world)
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    assert sales(world) == []
    assert any("placeholder" in (error or "") for _, error in await world.waiting())

    await ensure_setup(world.runtime)
    await world.settle()
    assert total(sale(world, order_id)) == 24


async def test_setting_up_twice_makes_nothing_twice(world: World) -> None:
    first = await ensure_setup(world.runtime)
    await world.execute("DELETE FROM setup_records")
    assert await ensure_setup(world.runtime) == first == await setup_ids(world.runtime)
    assert [row["productcode"] for row in world.sandbox.crm.records("Products")] == [
        "WC-PLACEHOLDER"
    ]
    await world.settle()
    assert await links_of(world, Module.PRODUCTS) == []
    assert ("woocommerce", "skipped", "filtered") in await told_of(world, Module.PRODUCTS)

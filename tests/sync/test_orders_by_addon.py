"""Orders on a Vtiger 8.4 that has the add-on: made, changed and as right as on 8.2."""

from collections.abc import AsyncIterator

import pytest

from app.domain import DeletePolicy, Module
from app.modules.context import ensure_setup
from app.sync.polling import poll
from tests.goods import product, rate, rows_of
from tests.trade import edit, kept, lines, off, order, sale, sales, total, trash
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

ORDERS = Module.SALES_ORDERS


@pytest.fixture
async def market(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url) as world:
        world.sandbox.crm.upgrade("8.4.0")
        world.sandbox.crm.install_addon()
        await ensure_setup(world.runtime)
        await world.settle()
        yield world


async def test_an_order_is_made_and_changed(market: World) -> None:
    rate(market, "VAT 20", "20.0000")
    mug = product(market, name="Mug", sku="MUG", regular_price="10.00")
    order_id = order(market, (mug, 2))
    await market.settle()
    assert total(sale(market, order_id)) == 24

    market.later()
    line = {"id": kept(market, order_id).lines[0].id, "quantity": 3}
    edit(market, order_id, line_items=[{**line, "subtotal": "30.00", "total": "30.00"}])
    await market.settle()
    found = sale(market, order_id)
    assert total(found) == 36
    assert [line["quantity"] for line in lines(found)] == ["3.000"]
    assert await off(market) == []
    assert {row.outcome for row in await rows_of(market, ORDERS)} <= {
        "created",
        "updated",
        "unchanged",
    }


async def test_an_order_is_deleted(market: World) -> None:
    await market.set_policy(module=ORDERS, delete_policy=DeletePolicy.PROPAGATE)
    mug = product(market, name="Mug", sku="MUG", regular_price="10.00")
    order_id = order(market, (mug, 1))
    await market.settle()
    trash(market, order_id)
    await market.settle()
    assert sales(market) == []
    assert [row.outcome for row in await rows_of(market, ORDERS)][-1] == "deleted"


async def test_an_add_on_that_vanishes_leaves_orders_alone(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG", regular_price="10.00")
    old = order(market, (mug, 1))
    await market.settle()
    market.sandbox.crm.uninstall_addon()
    market.later()
    line = {"id": kept(market, old).lines[0].id, "quantity": 3}
    edit(market, old, line_items=[{**line, "subtotal": "30.00", "total": "30.00"}])
    new = order(market, (mug, 2))
    await market.settle()

    [found] = sales(market)
    assert [line["quantity"] for line in lines(found)] == ["1.000"]
    told = {(row.source_id, row.reason) for row in await rows_of(market, ORDERS)}
    assert {(old, "needs_addon"), (new, "needs_addon")} <= told

    market.sandbox.crm.install_addon()
    await poll(market.runtime)
    await market.settle()
    assert len(sales(market)) == 2
    assert [line["quantity"] for line in lines(sale(market, old))] == ["3.000"]

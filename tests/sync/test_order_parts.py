"""Lines of products that have no pair of their own, but share a Part Number with one that has."""

import pytest

from app.domain import Module
from tests.cases import case
from tests.goods import listed, product, shelf, told_of
from tests.trade import lines, off, order, sale
from tests.world import World

pytestmark = pytest.mark.anyio

SKU = "tea"


async def translated(world: World) -> tuple[str, str]:
    """A product and its translation, which a plug-in gave the same SKU."""
    assert SKU in case("duplicate-sku-by-translation").feed["what"]
    tea = product(world, name="Tea", sku=SKU)
    await world.settle()
    the = product(world, name="Thé", sku="other")
    world.sandbox.shop.trade.product_book.get(int(the))["sku"] = SKU
    await world.settle()
    assert ("vtiger", "skipped", "ambiguous_match") in await told_of(world, Module.PRODUCTS)
    return tea, the


async def test_line_of_a_translation_is_on_the_product_of_that_part_number(market: World) -> None:
    _, the = await translated(market)
    order_id = order(market, (the, 2))
    await market.settle()

    [part] = [row for row in listed(market) if row["productcode"] == SKU]
    assert [line["productid"] for line in lines(sale(market, order_id))] == [part["id"]]
    rows = [row for row in await market.log() if row.module == Module.SALES_ORDERS]
    assert [note for row in rows for note in row.notes] == []
    market.traffic.reset()
    await market.settle_again()
    assert (market.traffic.writes, await off(market)) == ({}, [])


async def test_part_number_that_two_products_have_names_neither(market: World) -> None:
    _, the = await translated(market)
    market.sandbox.crm.workflows.callbacks.clear()
    fields = {"productname": "Tea again", "productcode": SKU}
    await market.sandbox.crm.ui_create("Products", fields)
    order_id = order(market, (the, 2))
    await market.settle()

    [placeholder] = [row for row in listed(market) if row["productcode"] == "WC-PLACEHOLDER"]
    assert [line["productid"] for line in lines(sale(market, order_id))] == [placeholder["id"]]
    assert shelf(market, the)["sku"] == SKU

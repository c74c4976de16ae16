"""Variations of every type, and products that become variable, between the two systems."""

import pytest

from app.domain import Module, Outcome
from app.sync.polling import poll
from app.sync.runs.comparison import compare_store
from tests.cases import case
from tests.goods import edit, links_of, listed, meta, product, shelf, told_of, variable, variation
from tests.running import run
from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio


def subscription(world: World) -> tuple[str, str]:
    """A product and its variation of types that a plug-in made; their ids."""
    feed = case("subscription-variation").feed
    parent_id = variable(world, feed["parent"]["name"])
    known = feed["product"]
    variation_id = variation(
        world, parent_id, "Red", sku=known["sku"], regular_price=known["regular_price"]
    )
    for product_id, kind in ((parent_id, feed["parent"]["type"]), (variation_id, known["type"])):
        world.sandbox.shop.trade.product_book.get(int(product_id))["type"] = kind
    return parent_id, variation_id


async def test_a_variation_of_a_plugins_type_is_synced_like_any(world: World) -> None:
    parent_id, variation_id = subscription(world)
    await world.settle()
    [found] = listed(world)
    assert (found["productname"], found["productcode"]) == ("Coffee box – Red", "box-m")
    assert meta(world, variation_id, "_vtiger_id") == found["id"]
    assert not [note for row in await world.log() for note in row.notes]

    world.later()
    await world.sandbox.crm.ui_edit(found["id"], {"unit_price": "13"})
    await world.settle()
    assert shelf(world, variation_id)["regular_price"] == "13"

    world.later()
    edit(world, parent_id, name="Tea box")
    await world.settle()
    assert listed(world)[0]["productname"] == "Tea box – Red"
    assert await world.log(Outcome.FAILED) == []


async def test_a_variation_of_a_plugins_type_is_found_by_a_run(world: World) -> None:
    _, variation_id = subscription(world)
    await world.sandbox.shop.webhooks.flush()
    await world.forget_hints()
    await run(world)
    await world.settle()
    assert [row["cf_855"] for row in listed(world) if row["productcode"]] == [variation_id, ""]


async def test_a_variation_is_in_its_parents_category(world: World) -> None:
    parent_id = variable(world, "T-shirt", categories=[{"id": 15}])
    variation(world, parent_id, "Red", "S", sku="TS-R-S")
    await world.settle()
    expected = shelf(world, parent_id)["categories"][0]["name"]
    assert [row["productcategory"] for row in listed(world)] == [expected]


async def test_variations_without_a_sku_below_a_parent_with_one_all_arrive(world: World) -> None:
    """Lists show the parent's SKU with each of them: that is nobody's edit."""
    parent_id = variable(world, "T-shirt", sku="TS", manage_stock=True, stock_quantity=3)
    for colour in ("Red", "Blue"):
        variation(world, parent_id, colour, "S")
    await world.settle()
    assert {row["productname"] for row in listed(world)} == {
        "T-shirt – Red, S",
        "T-shirt – Blue, S",
    }
    assert [row["productcode"] for row in listed(world)] == ["", ""]

    compared = [each async for each in compare_store(world.runtime, STORE, module=Module.PRODUCTS)]
    assert [each.agrees for each in compared] == [True, True]
    world.runtime.memory.forget("shop:main")
    await world.forget_log()
    await poll(world.runtime)
    await world.settle()
    assert await world.log() == []


async def test_a_product_that_becomes_variable_is_not_for_sale_in_vtiger(world: World) -> None:
    """Its variations are, and it is again once it is simple."""
    product_id = product(world, name="Mug", sku="MUG")
    await world.settle()
    await world.forget_log()
    world.later()
    edit(world, product_id, type="variable")
    await world.settle()
    [found] = listed(world)
    assert found["discontinued"] == "0"
    [row] = await world.log(Outcome.UPDATED)
    assert (row.target, row.reason) == ("vtiger", None)
    assert "variable" in row.message

    world.traffic.reset()
    await world.settle_again()
    assert world.traffic.writes == {}
    assert len(await links_of(world, Module.PRODUCTS)) == 1

    world.later()
    await world.sandbox.crm.ui_edit(found["id"], {"unit_price": "99"})
    await world.settle()
    assert shelf(world, product_id)["regular_price"] == "10.00"
    row = (await world.log(Outcome.SKIPPED))[-1]
    assert (row.target, row.source_id, row.reason) == ("woocommerce", found["id"], "filtered")

    world.later()
    edit(world, product_id, type="simple")
    await world.settle()
    assert listed(world)[0]["discontinued"] == "1"
    assert ("woocommerce", "failed", None) not in await told_of(world, Module.PRODUCTS)

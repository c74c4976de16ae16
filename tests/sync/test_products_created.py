"""A product of one system becomes one of the other, whole: priced, taxed, active, named."""

import pytest

from app.domain import Module
from app.modules.context import ensure_setup
from tests.goods import (
    links_of,
    listed,
    meta,
    product,
    rate,
    shelf,
    taxes,
    told_of,
    variable,
    variation,
)
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_product_of_the_shop_is_listed_in_vtiger(world: World) -> None:
    rate(world, "VAT 20", "20.0000")
    product_id = product(
        world,
        name="Café &amp; crème",
        sku="MUG-1",
        regular_price="19.90",
        description="<p>Fine <b>mug</b></p>",
        manage_stock=True,
        stock_quantity=7,
    )
    await world.settle()

    [found] = listed(world)
    assert (found["productname"], found["productcode"]) == ("Café & crème", "MUG-1")
    assert (found["unit_price"], found["currency_id"]) == ("19.90000000", "21x1")
    assert (found["qtyinstock"], found["discontinued"]) == ("7.000", "1")
    assert found["description"] == "Fine mug"
    assert (found["cf_855"], meta(world, product_id, "_vtiger_id")) == (product_id, found["id"])
    assert taxes(world)["tax4"] == ("VAT 20", "20.000")
    assert (found["tax4"], found.get("tax1", "")) == ("20.000", "")
    assert (await told_of(world, Module.PRODUCTS))[0] == ("vtiger", "created", None)


async def test_a_product_that_is_synced_again_costs_no_write(world: World) -> None:
    rate(world, "VAT 20", "20.0000")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()
    world.traffic.reset()
    await world.settle_again()

    assert world.traffic.writes == {}
    assert {each[1] for each in (await told_of(world, Module.PRODUCTS))[1:]} == {"unchanged"}


async def test_a_new_product_of_known_taxes_costs_two_calls_of_vtiger(world: World) -> None:
    rate(world, "VAT 20", "20.0000")
    product(world, name="Mug", sku="MUG-1")
    await world.settle()
    world.sandbox.crm.workflows.callbacks.clear()
    world.traffic.reset()
    product(world, name="Plate", sku="PLATE-1")
    await world.settle()

    assert world.traffic.reads["vtiger query"] == 1
    assert world.traffic.writes == {"vtiger create": 1, "PUT products": 1}
    assert world.traffic.reads["vtiger retrieve"] == 0


async def test_a_variation_is_a_product_of_its_own_named_after_its_parent(world: World) -> None:
    shirt = variable(world, "T-shirt", tax_class="", description="Soft")
    variation(world, shirt, "Red", "L", sku="TS-R-L", regular_price="12.00")
    variation(world, shirt, "Blue", "S", sku="TS-B-S", regular_price="11.00")
    await world.settle()

    names = {row["productcode"]: row["productname"] for row in listed(world)}
    assert names == {"TS-R-L": "T-shirt – Red, L", "TS-B-S": "T-shirt – Blue, S"}
    told = await told_of(world, Module.PRODUCTS)
    assert ("vtiger", "skipped", "filtered") in told
    assert told.count(("vtiger", "created", None)) == 2


async def test_a_variation_is_taxed_as_its_parent(world: World) -> None:
    rate(world, "VAT 20", "20.0000")
    rate(world, "VAT 5", "5.5000", **{"class": "reduced-rate"})
    shirt = variable(world, "Book", tax_class="reduced-rate")
    variation(world, shirt, "Red", "L", sku="B-1")
    variation(world, shirt, "Red", "S", sku="B-2", tax_class="")
    await world.settle()

    rates = {
        row["productcode"]: {taxes(world)[name][0] for name in ("tax4", "tax5") if row.get(name)}
        for row in listed(world)
    }
    assert rates == {"B-1": {"VAT 5"}, "B-2": {"VAT 20"}}


async def test_a_product_without_a_price_is_listed_without_one(world: World) -> None:
    product(world, name="Soon", sku="SOON", regular_price="")
    await world.settle()

    [found] = listed(world)
    assert (found["unit_price"], found["discontinued"]) == ("0.00000000", "1")
    await world.settle_again()
    [link] = await links_of(world, Module.PRODUCTS)
    assert shelf(world, link.woo_id)["regular_price"] == ""


async def test_a_draft_is_listed_as_inactive(world: World) -> None:
    product(world, name="Secret", sku="SECRET", status="draft")
    await world.settle()

    assert [row["discontinued"] for row in listed(world)] == ["0"]


async def test_a_product_of_vtiger_is_sold_in_the_shop(world: World) -> None:
    rate(world, "VAT 20", "20.0000")
    found = await world.sandbox.crm.ui_create(
        "Products",
        {"productname": "Mug", "productcode": "MUG-1", "unit_price": "9.5", "qtyinstock": "4"},
    )
    await world.settle()

    [link] = await links_of(world, Module.PRODUCTS)
    row = shelf(world, link.woo_id)
    assert (row["name"], row["sku"], row["type"]) == ("Mug", "MUG-1", "simple")
    assert (row["regular_price"], row["status"]) == ("9.5", "publish")
    assert (row["manage_stock"], row["stock_quantity"]) == (True, 4)
    assert meta(world, link.woo_id, "_vtiger_id") == found
    assert world.sandbox.crm.record(found)["cf_855"] == link.woo_id


async def test_the_shops_taxes_come_back_to_a_product_of_vtiger(world: World) -> None:
    """The standard class is what a new product of the shop has."""
    rate(world, "VAT 20", "20.0000")
    found = await world.sandbox.crm.ui_create(
        "Products", {"productname": "Mug", "productcode": "MUG-1", "unit_price": "9.5"}
    )
    await world.settle()

    record = world.sandbox.crm.record(found)
    assert (record["tax4"], record["unit_price"]) == ("20.000", "9.50000000")
    assert record["website"].endswith("/product/mug/")


async def test_an_inactive_product_without_a_price_is_not_for_sale(world: World) -> None:
    await world.sandbox.crm.ui_create(
        "Products", {"productname": "Old", "productcode": "OLD", "discontinued": "0"}
    )
    await world.settle()

    [link] = await links_of(world, Module.PRODUCTS)
    row = shelf(world, link.woo_id)
    assert (row["status"], row["regular_price"]) == ("private", "")


async def test_a_shop_in_a_currency_that_vtiger_has_not_is_left_alone(world: World) -> None:
    world.sandbox.shop.settings["general/woocommerce_currency"] = "JPY"
    product(world, name="Mug", sku="MUG-1")
    await world.settle()

    assert await told_of(world, Module.PRODUCTS) == [("vtiger", "skipped", "currency_unavailable")]
    assert listed(world) == []


async def test_pages_are_no_products(world: World) -> None:
    """WooCommerce tells of trashed pages and coupons as of products."""
    world.sandbox.shop.admin.restore_page(world.sandbox.shop.admin.trash_page())
    await world.settle()

    told = await told_of(world, Module.PRODUCTS)
    assert {each[1:] for each in told} == {("skipped", "not_found")}


async def test_the_placeholder_of_orders_is_not_sold(world: World) -> None:
    await ensure_setup(world.runtime)
    await world.settle()

    assert await told_of(world, Module.PRODUCTS) == [("woocommerce", "skipped", "filtered")]
    assert list(world.sandbox.shop.trade.products) == []

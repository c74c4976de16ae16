"""Rows that an admin adds to products and sales orders."""

import pytest

from app.domain import Module
from tests import goods, trade
from tests.custom import add_fields, add_row, meta_of
from tests.world import World

pytestmark = pytest.mark.anyio

PRODUCTS, ORDERS = Module.PRODUCTS, Module.SALES_ORDERS


async def test_a_products_own_fields_meta_and_attributes_go_to_vtiger(world: World) -> None:
    add_fields(world, "Products")
    await add_row(world, "weight", PRODUCTS, woo="weight", vtiger="cf_859", transform="decimal")
    await add_row(world, "featured", PRODUCTS, woo="featured", vtiger="cf_863", transform="boolean")
    await add_row(world, "colour", PRODUCTS, woo="attribute:Colour", vtiger="cf_869")
    await add_row(world, "level", PRODUCTS, woo="meta:_level")
    goods.product(
        world,
        name="Kettle",
        sku="K1",
        weight="1.25",
        featured=True,
        attributes=[{"name": "Colour", "options": ["Red", "Blue"], "visible": True}],
        meta_data=[{"key": "_level", "value": "gold"}],
    )
    await world.settle()

    [listed] = [row for row in goods.listed(world) if row["productcode"] == "K1"]
    assert (listed["cf_859"], listed["cf_863"]) == ("1.25", "1")
    assert (listed["cf_869"], listed["cf_861"]) == ("Red, Blue", "Gold member")
    assert listed["unit_price"] == "10.00000000"


async def test_a_products_row_goes_back_in_the_type_that_rest_takes(world: World) -> None:
    add_fields(world, "Products")
    await add_row(world, "weight", PRODUCTS, woo="weight", vtiger="cf_859", transform="decimal")
    await add_row(world, "featured", PRODUCTS, woo="featured", vtiger="cf_863", transform="boolean")
    await add_row(world, "vat", PRODUCTS, woo="meta:origin")
    product_id = goods.product(world, name="Kettle", sku="K1", tax_class="")
    await world.settle()
    [listed] = [row for row in goods.listed(world) if row["productcode"] == "K1"]
    world.later()
    await world.edit_contact(listed["id"], cf_859="2.5", cf_863="1", cf_869="France")
    await world.settle()

    shelf = goods.shelf(world, product_id)
    assert (shelf["weight"], shelf["featured"]) == ("2.5", True)
    assert goods.meta(world, product_id, "origin") == "France"
    assert goods.meta(world, product_id, "_vtiger_id") == listed["id"]
    [listed] = [row for row in goods.listed(world) if row["productcode"] == "K1"]
    assert listed["unit_price"] == "10.00000000"


async def test_a_new_product_of_vtiger_brings_its_row_and_our_id(world: World) -> None:
    add_fields(world, "Products")
    await add_row(world, "vat", PRODUCTS, woo="meta:origin")
    created = await world.sandbox.crm.ui_create(
        "Products",
        {"productname": "Kettle", "productcode": "K1", "unit_price": "10", "cf_869": "France",
         "discontinued": "1"},
    )  # fmt: skip
    await world.settle()

    [link] = await goods.links_of(world, PRODUCTS)
    assert goods.meta(world, link.woo_id, "origin") == "France"
    assert goods.meta(world, link.woo_id, "_vtiger_id") == created


async def test_an_orders_header_fields_go_both_ways_and_leave_its_money_alone(
    market: World,
) -> None:
    add_fields(market, "SalesOrder")
    await add_row(market, "vat", ORDERS, woo="meta:vat_number")
    await add_row(market, "paid_by", ORDERS, woo="payment_method_title", vtiger="carrier",
                  direction="woo_to_vtiger")  # fmt: skip
    await add_row(market, "coupons_given", ORDERS, woo="discount_total", vtiger="cf_859",
                  transform="decimal")  # fmt: skip
    product_id = goods.product(market, name="Kettle", sku="K1")
    order_id = trade.order(
        market,
        (product_id, 2),
        payment_method_title="Card",
        meta_data=[{"key": "vat_number", "value": "FR 1"}],
    )
    await market.settle()

    sale = trade.sale(market, order_id)
    assert (sale["cf_869"], sale["carrier"], sale["cf_859"]) == ("FR 1", "Card", "0.00")
    assert await trade.off(market) == []

    market.later()
    await market.edit_contact(sale["id"], cf_869="FR 2")
    await market.settle()
    assert meta_of(await trade.shown(market, order_id))["vat_number"] == "FR 2"

    market.later()
    trade.edit(market, order_id, meta_data=[{"key": "vat_number", "value": "FR 3"}])
    await market.settle()
    assert trade.sale(market, order_id)["cf_869"] == "FR 3"
    assert await trade.off(market) == []


async def test_a_constant_is_written_once_and_may_be_edited(market: World) -> None:
    add_fields(market, "SalesOrder")
    await add_row(market, "channel", ORDERS, vtiger="cf_869", transform="constant", value="Shop",
                  write="on_create")  # fmt: skip
    product_id = goods.product(market, name="Kettle", sku="K1")
    order_id = trade.order(market, (product_id, 1))
    await market.settle()
    sale = trade.sale(market, order_id)
    market.later()
    await market.edit_contact(sale["id"], cf_869="Fair")
    trade.edit(market, order_id, customer_note="Ring twice")
    await market.settle()

    after = trade.sale(market, order_id)
    assert (sale["cf_869"], after["cf_869"], after["description"]) == ("Shop", "Fair", "Ring twice")

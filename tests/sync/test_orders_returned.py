"""Orders of Vtiger in the shop: made there, and their edits carried back, whatever the taxes."""

from decimal import Decimal

import pytest

from app.domain import Module, TotalPolicy
from tests.goods import listed, product, rate, rows_of, told_of
from tests.trade import item, kept, lines, order, sale, sales, shown, typed
from tests.world import World

pytestmark = pytest.mark.anyio


async def known(world: World, sku: str, price: str = "10.00") -> str:
    """A product of both systems; Vtiger's id."""
    product(world, name=sku.title(), sku=sku, regular_price=price)
    await world.settle()
    return str(next(row["id"] for row in listed(world) if row["productcode"] == sku))


async def test_a_new_order_of_vtiger_becomes_one_of_the_shop(market: World) -> None:
    mug = await known(market, "MUG")
    contact = await market.contact(firstname="Max", lastname="Berg", email="max@crm.example")
    sale_id = await typed(market, item(mug, "2", "9.50"), contact_id=contact, description="Soon")
    await market.settle()

    [found] = sales(market)
    number = found["vtiger_purchaseorder"]
    made = await shown(market, number.rpartition("-")[2])
    assert number == f"WC-main-{made['id']}"
    assert (made["status"], made["created_via"]) == ("processing", "vtiger-sync")
    assert (made["total"], made["customer_note"]) == ("19.00", "Soon")
    assert (made["billing"]["country"], made["billing"]["last_name"]) == ("GB", "Berg")
    assert made["billing"]["company"] == "Acme"
    customer = await market.get_customer(str(made["customer_id"]))
    assert customer["email"] == "max@crm.example"
    [line] = made["line_items"]
    assert (line["quantity"], line["sku"]) == (2, "MUG")
    assert {row["key"]: row["value"] for row in made["meta_data"]}["_vtiger_id"] == sale_id
    assert (found["sostatus"], found["id"]) == ("Approved", sale_id)


@pytest.mark.parametrize("email", ["", "max@crm.example"])
@pytest.mark.parametrize("told", [True, False])
async def test_an_order_of_vtiger_whose_making_had_no_answer_is_found(
    market: World, email: str, *, told: bool
) -> None:
    """Whether or not the shop tells of it in the meantime."""
    mug = await known(market, "MUG")
    contact = await market.contact(lastname="Berg", email=email)
    market.sandbox.shop_faults.drop("POST", "/orders", after_write=True)
    await typed(market, item(mug, "1", "10"), contact_id=contact)
    while not told and await market.step():
        pass
    await market.settle()

    assert len(list(market.sandbox.shop.trade.orders)) == 1
    created = [
        row for row in await rows_of(market, Module.SALES_ORDERS) if row.outcome == "created"
    ]
    assert len(created) == 1


async def test_an_order_with_a_fraction_is_not_made(market: World) -> None:
    mug = await known(market, "MUG")
    await typed(market, item(mug, "1.5", "10"))
    await market.settle()

    assert list(market.sandbox.shop.trade.orders) == []
    assert await told_of(market, Module.SALES_ORDERS) == [("woocommerce", "skipped", "not_integer")]


async def test_status_address_and_note_come_back(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    await market.settle()
    market.traffic.reset()
    changes = {"sostatus": "Delivered", "ship_city": "Nice", "description": "Left at the door"}
    await market.sandbox.crm.ui_edit(sale(market, order_id)["id"], changes)
    await market.settle()

    found = kept(market, order_id)
    assert (found.status, found.shipping["city"]) == ("completed", "Nice")
    assert (await shown(market, order_id))["customer_note"] == "Left at the door"
    assert market.traffic.writes["PUT orders"] == 1
    assert market.contacts()[0]["othercity"] == "Nice", "a guest lives where the order went"


async def test_a_status_that_means_the_same_is_left_alone(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1), status="pending")
    await market.settle()
    sale_id = sale(market, order_id)["id"]
    await market.sandbox.crm.ui_edit(sale_id, {"sostatus": "Approved"})
    await market.settle()
    await market.sandbox.crm.ui_edit(sale_id, {"sostatus": "Created"})
    await market.settle()

    assert kept(market, order_id).status == "on-hold"


async def test_lines_come_back_by_id(market: World) -> None:
    mug = await known(market, "MUG")
    tea = await known(market, "TEA", "4.00")
    shop_ids = {row["productcode"]: row["cf_855"] for row in listed(market)}
    order_id = order(market, (shop_ids["MUG"], 1))
    await market.settle()
    first = kept(market, order_id).lines[0].id
    items = [item(mug, "3", "10", comment="Mug"), item(tea, "1", "4", comment="Tea")]
    money = {"LineItems": items, "hdnTaxType": "individual", "hdnS_H_Amount": "5"}
    await market.sandbox.crm.ui_edit(sale(market, order_id)["id"], money)
    await market.settle()

    found = kept(market, order_id)
    assert [(each.id == first, each.quantity) for each in found.lines] == [(True, 3), (False, 1)]
    assert (await shown(market, order_id))["total"] == "39.00"
    assert len(lines(sale(market, order_id))) == 2


async def test_another_total_is_told_and_left(market: World) -> None:
    rate(market, "VAT 20", "20.0000", country="GB")
    mug = await known(market, "MUG")
    await typed(market, item(mug, "1", "10"))
    await market.settle()

    [made] = market.sandbox.shop.trade.orders
    assert (await shown(market, str(made.id)))["total"] == "12.00"
    [row] = [r for r in await rows_of(market, Module.SALES_ORDERS) if r.outcome == "created"]
    assert ("total_differs", "-2") in [(note["reason"], note["value"]) for note in row.notes]
    assert (row.reason, "in the tax mode group" in row.message) == ("total_differs", False)
    assert Decimal(sales(market)[0]["hdnGrandTotal"]) == 10


async def test_a_sale_with_all_taxes_of_the_group_mode_says_so(market: World) -> None:
    """Vtiger's form begins a new sale so: each tax that we made adds to its total."""
    for name, percent in (("VAT FR", "20.0000"), ("VAT DE", "19.0000")):
        rate(market, name, percent, country=name[-2:])
    mug = await known(market, "MUG")
    everything = {f"tax{number}": "19" for number in (4, 5)}
    await typed(market, item(mug, "1", "10", **everything), hdnTaxType="group")
    await market.settle()

    [row] = [r for r in await rows_of(market, Module.SALES_ORDERS) if r.outcome == "created"]
    assert row.reason == "total_differs"
    assert "in the tax mode group" in row.message


async def test_another_total_is_made_up_for_where_the_settings_say_so(market: World) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, order_total=TotalPolicy.ADJUST)
    rate(market, "VAT 20", "20.0000", country="GB")
    mug = await known(market, "MUG")
    await typed(market, item(mug, "1", "10"))
    await market.settle()

    [made] = market.sandbox.shop.trade.orders
    assert (await shown(market, str(made.id)))["total"] == "10.00"
    assert Decimal(sales(market)[0]["hdnGrandTotal"]) == 10


async def test_a_copy_of_an_order_of_the_shop_is_not_taken_for_it(market: World) -> None:
    mug = await known(market, "MUG")
    order_id = order(market, (listed(market)[-1]["cf_855"], 1))
    await market.settle()
    await market.forget_log()
    await typed(market, item(mug, "1", "10"), vtiger_purchaseorder=f"WC-main-{order_id}")
    await market.settle()

    assert ("woocommerce", "skipped", "ambiguous_match") in await told_of(
        market, Module.SALES_ORDERS
    )
    assert len(list(market.sandbox.shop.trade.orders)) == 1


async def test_an_order_of_another_shop_stays_out_of_this_one(market: World) -> None:
    mug = await known(market, "MUG")
    contact = await market.contact(lastname="Berg", email="max@crm.example")
    await market.settle()
    await typed(
        market, item(mug, "1", "10"), vtiger_purchaseorder="WC-shop-fr-5", contact_id=contact
    )
    await market.settle()

    assert await told_of(market, Module.SALES_ORDERS) == [("woocommerce", "skipped", "filtered")]
    assert list(market.sandbox.shop.trade.orders) == []

"""An order of the shop becomes one sales order of Vtiger, with all that it names, to the cent."""

from decimal import Decimal

import pytest

from app.domain import Module
from tests.goods import currency, listed, product, rate, rows_of, told_of, variable, variation
from tests.trade import ADDRESS, edit, lines, off, order, sale, sales, total
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_guests_order_becomes_a_sales_order_with_contact_account_and_product(
    market: World,
) -> None:
    rate(market, "VAT 20", "20.0000")
    mug = product(market, name="Mug", sku="MUG", regular_price="12.50")
    order_id = order(market, (mug, 2), customer_note="Ring twice")
    await market.settle()

    found = sale(market, order_id)
    assert (found["subject"], found["sostatus"]) == (f"WooCommerce order #{order_id}", "Approved")
    assert (found["bill_street"], found["bill_country"]) == ("12 Rue Haute", "France")
    assert (found["ship_city"], found["description"]) == ("Lyon", "Ring twice")
    assert found["cf_857"] == order_id
    [contact] = market.contacts()
    assert (found["contact_id"], contact["email"]) == (contact["id"], "zoe@shop.example")
    assert market.sandbox.crm.record(found["account_id"])["accountname"] == "Zoë Müller"
    [line] = lines(found)
    assert market.sandbox.crm.record(line["productid"])["productcode"] == "MUG"
    assert (line["quantity"], line["listprice"]) == ("2.000", "12.50000000")
    assert total(found) == Decimal("30")
    assert Decimal(found["txtAdjustment"]) == 0
    told = await told_of(market, Module.SALES_ORDERS)
    assert told[0] == ("vtiger", "created", None)
    assert {each[1:] for each in told[1:]} == {("unchanged", "echo")}


async def test_an_order_knows_its_customer(market: World) -> None:
    customer_id = await market.customer("ada@shop.example", last_name="Byron")
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1), customer_id=int(customer_id))
    await market.settle()

    [contact] = market.contacts()
    assert (contact["lastname"], contact["cf_853"]) == ("Byron", customer_id)
    assert sale(market, order_id)["contact_id"] == contact["id"]


async def test_an_order_whose_customer_is_not_synced_says_so(market: World) -> None:
    user = market.sandbox.shop.customers.register("ann@shop.example", role="subscriber")
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1), customer_id=user.id)
    await market.settle()

    assert sale(market, order_id)["contact_id"] == ""
    [row] = [r for r in await rows_of(market, Module.SALES_ORDERS) if r.outcome == "created"]
    assert row.reason == "missing_reference"
    assert ("contact", row.reason) in [(note["field"], note["reason"]) for note in row.notes]


async def test_lines_of_every_kind_keep_their_amounts(market: World) -> None:
    """A variation, a coupon, a fee, shipping with tax, two rates, a compound one."""
    rate(market, "VAT 20", "20.0000", priority=1)
    rate(market, "Eco", "2.5000", priority=2, compound=True)
    shirt = variable(market, "Shirt", sku="SHIRT")
    red = variation(market, shirt, "Red", "L", sku="SHIRT-R-L", regular_price="19.99")
    mug = product(market, name="Mug", sku="MUG", regular_price="7.77")
    market.sandbox.shop.trade.coupons.load(
        [{"id": 900, "code": "ten", "amount": "10", "discount_type": "percent"}]
    )
    order_id = order(
        market,
        (mug, 3),
        line_items=[
            {"product_id": int(shirt), "variation_id": int(red), "quantity": 2},
            {"product_id": int(mug), "quantity": 3},
        ],
        fee_lines=[{"name": "Gift wrap", "total": "3.33"}],
        shipping_lines=[{"method_id": "flat_rate", "method_title": "Flat", "total": "5.90"}],
    )
    await market.settle()

    found = sale(market, order_id)
    texts = [line["comment"] for line in lines(found)]
    assert texts[2:] == ["WooCommerce fee: Gift wrap"]
    assert texts[0].startswith("Shirt")
    assert [line["entity_type"] for line in lines(found)] == ["Products", "Products", "Services"]
    assert Decimal(found["hdnS_H_Amount"]) == Decimal("5.9")
    assert found["hdnTaxType"] == "individual"
    assert abs(Decimal(found["txtAdjustment"])) <= Decimal("0.03")
    assert await off(market) == []


async def test_a_negative_fee_is_in_the_adjustment(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG", regular_price="20.00")
    order_id = order(market, (mug, 1), fee_lines=[{"name": "Voucher", "total": "-5.00"}])
    await market.settle()

    found = sale(market, order_id)
    assert (total(found), Decimal(found["txtAdjustment"])) == (Decimal(15), Decimal(-5))
    [row] = [r for r in await rows_of(market, Module.SALES_ORDERS) if r.outcome == "created"]
    assert [note["reason"] for note in row.notes] == ["adjustment"]


async def test_an_order_of_nothing_is_kept(market: World) -> None:
    order_id = order(market)
    await market.settle()

    assert total(sale(market, order_id)) == 0
    assert len(lines(sale(market, order_id))) == 1


async def test_a_product_that_the_shop_does_not_know_any_more_has_a_placeholder(
    market: World,
) -> None:
    mug = product(market, name="Mug", sku="MUG", regular_price="20.00")
    order_id = order(market, (mug, 1))
    market.sandbox.shop.trade.product_book.delete(int(mug))
    await market.settle()

    [line] = lines(sale(market, order_id))
    placeholder = market.sandbox.crm.record(line["productid"])
    assert (placeholder["productcode"], line["comment"]) == ("WC-PLACEHOLDER", "Mug")
    [row] = [r for r in await rows_of(market, Module.SALES_ORDERS) if r.outcome == "created"]
    assert "unknown_product" in [note["reason"] for note in row.notes]
    assert await off(market) == []


async def test_a_draft_waits_until_it_is_placed(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    draft = market.sandbox.shop.storefront.open_checkout([(int(mug), 1)])
    await market.settle()
    assert sales(market) == []
    assert ("vtiger", "skipped", "draft") in await told_of(market, Module.SALES_ORDERS)

    edit(market, str(draft.id), status="processing", billing=ADDRESS)
    await market.settle()
    assert sale(market, str(draft.id))["sostatus"] == "Approved"


async def test_a_currency_that_vtiger_does_not_have_is_told(market: World) -> None:
    mug = product(market, name="Mug", sku="MUG")
    order(market, (mug, 1), currency="USD")
    await market.settle()

    assert sales(market) == []
    assert set(await told_of(market, Module.SALES_ORDERS)) == {
        ("vtiger", "skipped", "currency_unavailable")
    }


async def test_a_foreign_currency_is_the_orders_own(market: World) -> None:
    dollars = currency(market, "USD")
    mug = product(market, name="Mug", sku="MUG", regular_price="12.00")
    order_id = order(market, (mug, 1), currency="USD")
    await market.settle()

    found = sale(market, order_id)
    assert (found["currency_id"], found["conversion_rate"]) == (dollars, "1.100")
    assert total(found) == 12


async def test_only_the_statuses_that_are_named_sync(market: World) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, order_statuses=("completed",))
    mug = product(market, name="Mug", sku="MUG")
    order_id = order(market, (mug, 1))
    await market.settle()
    assert (sales(market), market.contacts()) == ([], [])
    assert set(await told_of(market, Module.SALES_ORDERS)) == {("vtiger", "skipped", "filtered")}

    edit(market, order_id, status="completed")
    await market.settle()
    assert sale(market, order_id)["sostatus"] == "Delivered"


async def test_one_account_may_take_all_orders(market: World) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, order_account="Web shop")
    mug = product(market, name="Mug", sku="MUG")
    for email in ("a@shop.example", "b@shop.example"):
        order(market, (mug, 1), billing={**ADDRESS, "email": email, "company": "Acme"})
    await market.settle()

    accounts = {
        market.sandbox.crm.record(row["account_id"])["accountname"] for row in sales(market)
    }
    assert accounts == {"Web shop"}


async def test_a_rate_that_is_gone_from_the_shop_becomes_a_tax_by_its_name(market: World) -> None:
    rate_id = rate(market, "IVA", "21.0000")
    mug = product(market, name="Mug", sku="MUG", regular_price="10.00")
    order_id = order(market, (mug, 1))
    market.sandbox.shop.trade.tax_book.delete(int(rate_id))
    await market.settle()

    found = sale(market, order_id)
    assert total(found) == Decimal("12.10")
    assert Decimal(found["txtAdjustment"]) == 0
    assert len(listed(market)) == 2

"""What syncs with the versions of Vtiger that refuse orders with lines: all the rest."""

import pytest

from app.domain import Module
from tests.goods import listed, product, rate, rows_of, taxes
from tests.trade import item, kept, order, sales, typed
from tests.world import World

pytestmark = pytest.mark.anyio

ORDERS = Module.SALES_ORDERS


@pytest.mark.parametrize("version", ["8.3.0", "8.4.0"])
async def test_all_but_the_shops_orders_sync(market: World, version: str) -> None:
    market.sandbox.crm.upgrade(version)
    market.sandbox.crm.expire_sessions()
    rate(market, "VAT 20", "20.0000")
    customer_id = await market.customer("zoe@shop.example", last_name="Müller")
    product_id = product(market, name="Mug", sku="MUG", regular_price="10.00")
    await market.settle()
    [contact] = market.contacts()
    [mug] = [row for row in listed(market) if row["productcode"] == "MUG"]
    assert contact["lastname"] == "Müller"
    assert taxes(market)["tax4"] == ("VAT 20", "20.000")
    assert (mug["unit_price"], mug["tax4"]) == ("10.00000000", "20.000")

    market.later()
    await market.edit_contact(contact["id"], mailingcity="Lyon")
    sale_id = await typed(market, item(mug["id"], "2", "9.50"), contact_id=contact["id"])
    order_id = order(market, (product_id, 1))
    await market.settle()
    assert (await market.get_customer(customer_id))["billing"]["city"] == "Lyon"
    [made] = sales(market)
    assert made["id"] == sale_id
    assert kept(market, made["vtiger_purchaseorder"].rpartition("-")[2]).lines[0].quantity == 2
    told = {(row.source_id, row.outcome, row.reason) for row in await rows_of(market, ORDERS)}
    assert (order_id, "failed", "needs_addon") in told

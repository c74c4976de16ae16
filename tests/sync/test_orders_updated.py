"""What changes of an order in the shop comes to Vtiger once, in few calls, totals exact."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from app.domain import DeletePolicy, Module
from tests.goods import currency, forget_books, product, rate, rows_of, told_of
from tests.goods import edit as edit_product
from tests.trade import edit, kept, lines, off, order, refund, restore, sale, sales, total, trash
from tests.world import World

pytestmark = pytest.mark.anyio


async def placed(world: World, **fields: object) -> str:
    """An order of two products that is synced; what it took is forgotten."""
    rate(world, "VAT 20", "20.0000")
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    tea = product(world, name="Tea", sku="TEA", regular_price="4.00")
    order_id = order(world, (mug, 1), (tea, 2), **fields)
    await world.settle()
    await world.forget_log()
    world.traffic.reset()
    world.later()
    return order_id


async def test_a_status_is_one_write_and_leaves_the_money(market: World) -> None:
    order_id = await placed(market)
    edit(market, order_id, status="completed")
    await market.settle()

    found = sale(market, order_id)
    assert (found["sostatus"], found["conversion_rate"]) == ("Delivered", "1.000")
    assert total(found) == Decimal("21.60")
    assert len(lines(found)) == 2
    assert market.traffic.writes == {"vtiger revise": 1}
    assert market.traffic.reads == {"vtiger retrieve": 2}, "one of them for Vtiger's callback"
    assert ("vtiger", "updated", None) in await told_of(market, Module.SALES_ORDERS)


async def test_an_order_saved_without_a_change_asks_vtiger_nothing(market: World) -> None:
    order_id = await placed(market)
    edit(market, order_id)
    await market.settle()

    assert (market.traffic.writes, market.traffic.reads) == ({}, {})


async def test_lines_that_are_added_changed_and_removed_are_written_whole(market: World) -> None:
    order_id = await placed(market)
    mug, tea = kept(market, order_id).lines
    pot = product(market, name="Pot", sku="POT", regular_price="30.00")
    edit(
        market,
        order_id,
        line_items=[
            {"id": mug.id, "quantity": 3, "subtotal": "30.00", "total": "27.00"},
            {"id": tea.id, "quantity": 0},
            {"product_id": int(pot), "quantity": 1},
        ],
        shipping_lines=[{"method_id": "flat_rate", "method_title": "Flat", "total": "5.00"}],
    )
    await market.settle()

    found = sale(market, order_id)
    assert [line["quantity"] for line in lines(found)] == ["3.000", "1.000"]
    assert Decimal(lines(found)[0]["discount_amount"]) == 3
    assert found["hdnTaxType"] == "individual"
    assert Decimal(found["hdnS_H_Amount"]) == 5
    assert await off(market) == []


async def test_an_edit_of_vtiger_survives_a_change_of_lines_in_the_shop(market: World) -> None:
    order_id = await placed(market)
    mug, _ = kept(market, order_id).lines
    edit(market, order_id, line_items=[{"id": mug.id, "quantity": 2, "total": "20.00"}])
    await market.sandbox.crm.ui_edit(sale(market, order_id)["id"], {"bill_city": "Paris"})
    await market.settle()

    assert sale(market, order_id)["bill_city"] == "Paris"
    assert kept(market, order_id).billing["city"] == "Paris"
    assert await off(market) == []


async def test_a_refund_is_told_in_the_description(market: World) -> None:
    order_id = await placed(market, customer_note="Ring twice")
    refund(market, order_id, "5.00")
    await market.settle()

    found = sale(market, order_id)
    assert found["description"] == "Ring twice\n\nRefunded in WooCommerce: 5.00 EUR"
    assert total(found) == Decimal("21.60")


async def test_a_full_refund_cancels(market: World) -> None:
    order_id = await placed(market)
    edit(market, order_id, status="refunded")
    await market.settle()

    found = sale(market, order_id)
    assert found["sostatus"] == "Cancelled"
    assert found["description"] == "Refunded in WooCommerce: 21.60 EUR"


async def test_a_product_that_is_deleted_later_stays_in_its_orders(market: World) -> None:
    order_id = await placed(market)
    before = [line["productid"] for line in lines(sale(market, order_id))]
    market.sandbox.shop.trade.product_book.delete(kept(market, order_id).lines[0].product_id)
    edit(market, order_id, status="completed")
    await market.settle()
    edit(market, order_id, fee_lines=[{"name": "Wrap", "total": "1.00"}])
    await market.settle()

    assert [line["productid"] for line in lines(sale(market, order_id))][:2] == before
    assert await off(market) == []


async def test_a_renamed_product_changes_no_order(market: World) -> None:
    order_id = await placed(market)
    edit_product(market, str(kept(market, order_id).lines[0].product_id), name="Cup", sku="CUP")
    edit(market, order_id, customer_note="Hello")
    await market.settle()

    assert [line["comment"] for line in lines(sale(market, order_id))] == ["Mug", "Tea"]


async def test_a_trashed_order_stays_in_vtiger_and_goes_on_once_restored(market: World) -> None:
    order_id = await placed(market)
    trash(market, order_id)
    await market.settle()
    assert await told_of(market, Module.SALES_ORDERS) == [("vtiger", "skipped", "delete_ignored")]
    assert sale(market, order_id)["sostatus"] == "Approved"

    restore(market, order_id)
    edit(market, order_id, status="completed")
    await market.settle()
    assert sale(market, order_id)["sostatus"] == "Delivered"


async def test_a_trashed_order_is_deleted_where_the_settings_say_so(market: World) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, delete_policy=DeletePolicy.PROPAGATE)
    order_id = await placed(market)
    trash(market, order_id)
    await market.settle()

    assert sales(market) == []
    rows = await rows_of(market, Module.SALES_ORDERS)
    assert [row.outcome for row in rows] == ["deleted"]


async def test_a_trashed_order_is_cancelled_where_the_settings_say_so_until_it_is_back(
    market: World,
) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, delete_policy=DeletePolicy.DEACTIVATE)
    order_id = await placed(market)
    trash(market, order_id)
    await market.settle()
    assert sale(market, order_id)["sostatus"] == "Cancelled"

    restore(market, order_id)
    await market.settle()
    assert sale(market, order_id)["sostatus"] == "Approved"
    assert kept(market, order_id).status == "processing"


async def test_another_currency_is_carried_over(market: World) -> None:
    currency(market, "USD")
    forget_books(market)
    order_id = await placed(market)
    before = sale(market, order_id)["currency_id"]
    edit(market, order_id, currency="USD")
    await market.settle()

    assert sale(market, order_id)["currency_id"] != before
    assert await off(market) == []


async def test_comments_and_an_adjustment_of_vtiger_are_kept_or_told(market: World) -> None:
    """A change of lines in the shop writes all of Vtiger's anew."""
    order_id = await placed(market)
    found = sale(market, order_id)
    items = [
        {**_sent(line), "comment": text}
        for line, text in zip(lines(found), ("Ring twice", "No lid"), strict=True)
    ]
    money = {"LineItems": items, "hdnTaxType": "individual", "txtAdjustment": "-1.00"}
    await market.sandbox.crm.ui_edit(found["id"], money)
    await market.settle()
    assert len(kept(market, order_id).lines) == 2
    await market.forget_log()
    market.later()

    mug, tea = kept(market, order_id).lines
    edit(market, order_id, line_items=[{"id": mug.id, "quantity": 2, "total": "20.00"}])
    await market.settle()
    written = sale(market, order_id)
    assert [line["comment"] for line in lines(written)] == ["Ring twice", "No lid"]
    assert await off(market) == []
    [row] = [row for row in await rows_of(market, Module.SALES_ORDERS) if row.outcome == "updated"]
    assert (row.reason, [note["value"] for note in row.notes]) == ("conflict_lost", ["-1"])

    await market.forget_log()
    market.later()
    edit(market, order_id, line_items=[{"id": tea.id, "quantity": 0}])
    await market.settle()
    assert [line["comment"] for line in lines(sale(market, order_id))] == ["Ring twice"]
    [row] = [row for row in await rows_of(market, Module.SALES_ORDERS) if row.outcome == "updated"]
    assert (row.reason, [note["value"] for note in row.notes]) == ("conflict_lost", ["No lid"])
    await market.settle_again()
    assert len(kept(market, order_id).lines) == 1


def _sent(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line as the edit screen sends it back."""
    names = ("productid", "quantity", "listprice", "tax1", "tax2", "tax3", "tax4")
    return {name: line[name] for name in names if line.get(name)}

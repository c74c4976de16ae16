"""Products that somebody deleted in Vtiger, while orders of either system still name them."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from app.domain import Module
from tests.goods import listed, product, rate, rows_of, told_of
from tests.trade import edit, item, kept, lines, off, order, sale, sales, total, typed
from tests.world import World

pytestmark = pytest.mark.anyio

ORDERS = Module.SALES_ORDERS
CASES = Path(__file__).parents[1] / "recordings" / "cases"


async def crm_product(world: World, name: str) -> str:
    values = {"productname": name, "productcode": name.upper(), "unit_price": "5"}
    return await world.sandbox.crm.ui_create("Products", {**values, "discontinued": "1"})


async def test_a_new_sale_with_a_deleted_product_is_skipped(market: World) -> None:
    case = json.loads((CASES / "crm-order-line-of-deleted-product.json").read_text())
    tea = await crm_product(market, case["feed"]["line"]["product_name"])
    mug = await crm_product(market, "Mug")
    sale_id = await typed(market, item(tea, "2", "5"), item(mug, "1", "10"))
    market.sandbox.crm.ui_delete(tea)
    await market.settle()

    shown = lines(market.sandbox.crm.record(sale_id))[0]
    assert {name: shown[name] for name in ("productid", "product_name", "deleted")} == {
        name: case["feed"]["line"][name] for name in ("productid", "product_name", "deleted")
    }
    [row] = await rows_of(market, ORDERS)
    assert f"{row.outcome} / {row.reason}" == case["expect"]
    assert await market.waiting() == []
    assert "" not in {each.record_id for each in await market.deliveries()}


async def bought(world: World) -> tuple[str, dict[str, str]]:
    """Mug and tea at 20 %, 24.00 with tax, in both systems; Vtiger's ids by code."""
    rate(world, "VAT 20", "20.0000")
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    tea = product(world, name="Tea", sku="TEA", regular_price="5.00")
    order_id = order(world, (mug, 1), (tea, 2))
    await world.settle()
    await world.forget_log()
    world.later()
    return order_id, {row["productcode"]: row["id"] for row in listed(world)}


@pytest.mark.parametrize("told", [True, False])
async def test_the_taxes_of_a_deleted_product_are_in_the_total_of_its_order(
    market: World, *, told: bool
) -> None:
    """Whether or not anybody told of the deletion before."""
    order_id, ids = await bought(market)
    market.sandbox.crm.ui_delete(ids["TEA"])
    if told:
        await market.hint_product(ids["TEA"])
        await market.settle()
    edit(market, order_id, fee_lines=[{"name": "Wrap", "total": "2.00", "tax_status": "none"}])
    await market.settle()

    found = sale(market, order_id)
    assert total(found) == Decimal("26.00")
    assert await off(market) == []
    assert "" not in {line["productid"] for line in lines(found)}
    assert Decimal(found["txtAdjustment"]) == 0
    [row] = [row for row in await rows_of(market, ORDERS) if row.outcome == "updated"]
    assert "unknown_product" in {note["reason"] for note in row.notes}


async def test_an_order_goes_on_in_both_directions_though_its_product_is_deleted(
    market: World,
) -> None:
    order_id, ids = await bought(market)
    market.sandbox.crm.ui_delete(ids["TEA"])
    sale_id = sale(market, order_id)["id"]
    items = [item(ids["MUG"], "3", "10", comment="Mug"), item(ids["TEA"], "2", "5", comment="Tea")]
    await market.sandbox.crm.ui_edit(sale_id, {"LineItems": items, "sostatus": "Delivered"})
    await market.settle()

    found = kept(market, order_id)
    assert [(line.name, line.quantity) for line in found.lines] == [("Mug", 3), ("Tea", 2)]
    assert (found.status, list(found.fees)) == ("completed", [])


async def test_a_product_that_is_deleted_changes_none_of_its_orders(market: World) -> None:
    order_id, ids = await bought(market)
    market.sandbox.crm.ui_delete(ids["TEA"])
    market.traffic.reset()
    await market.settle_again()

    assert "vtiger revise" not in market.traffic.writes
    assert "PUT orders" not in market.traffic.writes
    assert len(kept(market, order_id).lines) == 2


async def test_a_sale_that_loses_its_currency_says_nothing_of_the_shops(market: World) -> None:
    order_id, _ = await bought(market)
    await market.sandbox.crm.ui_edit(
        sale(market, order_id)["id"], {"currency_id": "", "sostatus": "Delivered"}
    )
    await market.settle()

    found = kept(market, order_id)
    assert (found.status, found.currency) == ("completed", "EUR")
    assert "failed" not in {outcome for _, outcome, _ in await told_of(market, ORDERS)}
    assert len(sales(market)) == 1

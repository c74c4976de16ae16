"""Catch-up of taxes, products and orders: what no hint told of is found by looking, once."""

from collections.abc import AsyncIterator

import pytest

from app.domain import Module
from app.modules.context import ensure_setup
from app.remotes.incidents import IncidentFilter, search_incidents
from app.sync.polling import poll
from tests import goods, trade
from tests.setting import STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """Neither system tells anything; what was there before has been taken stock of."""
    async with open_world(emptied_database_url, hooks=False) as opened:
        await ensure_setup(opened.runtime)
        yield opened


async def stocked(world: World) -> tuple[str, str]:
    """A taxed product and an order of it, both synced, and every later look is quiet."""
    await poll(world.runtime)
    goods.rate(world, "VAT 20", "20.0000")
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    order_id = trade.order(world, (mug, 2))
    for _ in range(3):
        await look(world)
    world.later(seconds=300)
    world.traffic.reset()
    return mug, order_id


async def look(world: World) -> int:
    """A minute later; how many hints that gave, all of them settled."""
    goods.forget_books(world)
    hints = await poll(world.runtime)
    await world.settle()
    return hints


async def test_what_was_there_before_is_not_brought_over(world: World) -> None:
    goods.rate(world, "VAT 20", "20.0000")
    mug = goods.product(world, name="Mug", sku="MUG")
    trade.order(world, (mug, 1))
    trade.trash(world, trade.order(world, (mug, 1)))

    assert [await look(world) for _ in range(3)] == [0, 0, 0]


async def test_an_old_order_stays_where_it_is_though_its_buyer_gets_a_pair(world: World) -> None:
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    buyer = await world.customer("zoe@shop.example", last_name="M")
    trade.order(world, (mug, 1), customer_id=int(buyer))
    await look(world)
    world.later(seconds=30)
    world.edit_customer(buyer, last_name="Müller")
    goods.edit(world, mug, name="A mug")

    assert [await look(world) for _ in range(3)] == [2, 0, 0]
    assert len(world.contacts()) == 1
    assert trade.sales(world) == []


async def test_what_comes_later_is_synced_with_all_it_rests_on(world: World) -> None:
    _, order_id = await stocked(world)

    assert trade.total(trade.sale(world, order_id)) == 24
    assert await look(world) == 0
    assert world.traffic.writes == {}


async def test_an_old_order_that_changes_is_found(world: World) -> None:
    order_id = trade.order(world, (goods.product(world, name="Mug"), 1))
    await look(world)
    world.later(seconds=300)
    trade.edit(world, order_id, status="completed")

    assert await look(world) == 1
    assert trade.sale(world, order_id)["sostatus"] == "Delivered"


async def test_edits_in_the_shop_are_found(world: World) -> None:
    mug, order_id = await stocked(world)
    goods.edit(world, mug, regular_price="11.00")
    trade.edit(world, order_id, status="completed")

    assert await look(world) == 2
    assert [float(row["unit_price"]) for row in goods.listed(world)[1:]] == [11]
    assert trade.sale(world, order_id)["sostatus"] == "Delivered"
    assert await look(world) == 0


async def test_edits_in_vtiger_are_found(world: World) -> None:
    mug, order_id = await stocked(world)
    twin = goods.listed(world)[1]["id"]
    await world.sandbox.crm.ui_edit(twin, {"unit_price": "12"})
    await world.sandbox.crm.ui_edit(trade.sale(world, order_id)["id"], {"sostatus": "Delivered"})

    assert await look(world) == 2
    assert goods.shelf(world, mug)["regular_price"] == "12"
    assert trade.kept(world, order_id).status == "completed"
    world.later(seconds=300)
    assert await look(world) == 0


async def test_an_edit_in_the_second_of_our_own_write_is_found(world: World) -> None:
    """Vtiger's stamps have a second's resolution, and nothing calls back."""
    await poll(world.runtime)
    world.clock.stop()
    order_id = trade.order(world, (goods.product(world, name="Mug"), 1))
    await look(world)
    await look(world)
    sale_id = trade.sale(world, order_id)["id"]
    for change in ({"sostatus": "Delivered"}, {"ship_city": "Paris"}, {"description": "Ring"}):
        await world.sandbox.crm.ui_edit(sale_id, change)
        assert await look(world) == 1

    shown = await trade.shown(world, order_id)
    found = shown["status"], shown["shipping"]["city"], shown["customer_note"]
    assert found == ("completed", "Paris", "Ring")
    assert await look(world) == 0


async def test_lines_edited_in_the_second_of_our_own_write_are_found(world: World) -> None:
    await poll(world.runtime)
    world.clock.stop()
    order_id = trade.order(world, (goods.product(world, name="Mug"), 1))
    await look(world)
    await look(world)
    sale = trade.sale(world, order_id)
    item = trade.item(trade.lines(sale)[0]["productid"], "3", "10")
    await world.sandbox.crm.ui_edit(sale["id"], {"LineItems": [item]})

    assert await look(world) == 1
    assert trade.kept(world, order_id).lines[0].quantity == 3


async def test_a_variation_is_found_by_the_time_of_its_parent(world: World) -> None:
    await poll(world.runtime)
    shirt = goods.variable(world, "Shirt")
    red = goods.variation(world, shirt, "Red", "L", sku="RED-L")
    await look(world)
    world.later(seconds=300)
    world.sandbox.shop.trade.product_book.update(int(red), {"regular_price": "19.00"})
    assert await look(world) == 1

    [row] = goods.listed(world)[1:]
    assert (row["productname"], float(row["unit_price"])) == ("Shirt – Red, L", 19)


async def test_a_changed_rate_and_a_changed_tax_are_found(world: World) -> None:
    await stocked(world)
    [pair] = await goods.links_of(world, Module.TAXES)
    goods.edit_rate(world, pair.woo_id, rate="21.0000")
    assert await look(world) >= 1
    assert ("VAT 20", "21.000") in goods.taxes(world).values()

    tax = world.sandbox.crm.database.find(pair.vtiger_id)
    assert tax is not None
    tax.values["percentage"] = "22.000"
    await look(world)
    assert (await world.runtime.stores[STORE].get_tax_rate(pair.woo_id)).rate == "22.0000"


async def test_rates_that_nobody_uses_are_not_brought_up(world: World) -> None:
    await poll(world.runtime)
    for number in range(5):
        goods.rate(world, f"Postcode {number}", "3.0000", postcode=f"6900{number}", country="DE")

    assert await look(world) == 0


async def test_what_went_into_the_trash_is_told_once_and_is_back_when_restored(
    world: World,
) -> None:
    mug, order_id = await stocked(world)
    trade.trash(world, order_id)
    world.sandbox.shop.trade.product_book.trash(int(mug))
    assert [await look(world), await look(world)] == [2, 0]
    assert [row.reason for row in await world.log() if row.outcome == "skipped"][-2:] == [
        "delete_ignored",
        "delete_ignored",
    ]

    world.later(seconds=300)
    trade.restore(world, order_id)
    world.sandbox.shop.admin.restore_product(int(mug))
    assert [await look(world), await look(world)] == [2, 0]
    pairs = await goods.links_of(world, Module.SALES_ORDERS)
    assert [pair.woo_deleted_at for pair in pairs] == [None]


async def test_a_quiet_look_costs_these_calls(world: World) -> None:
    """Documentation, "Performance": the calls of a poll."""
    await stocked(world)
    await look(world)

    assert world.traffic.writes == {}
    assert world.traffic.reads == {
        "GET taxes": 1,
        "GET settings": 2,
        "GET customers": 1,
        "GET products": 3,
        "GET orders": 3,
        "vtiger query": 8,
    }


async def test_what_was_deleted_for_good_is_found_by_the_look_at_everything(world: World) -> None:
    """The shop tells of it in no way (contract page WooCommerce §1)."""
    mug, _ = await stocked(world)
    world.sandbox.shop.trade.product_book.delete(int(mug))
    assert await look(world) == 0

    await world.execute("UPDATE full_passes SET passed_at = passed_at - interval '1 day'")
    assert await look(world) == 1
    pairs = await goods.links_of(world, Module.PRODUCTS)
    assert [pair.woo_deleted_at is not None for pair in pairs] == [True]
    assert await look(world) == 0


async def test_what_vanished_from_vtiger_is_found_where_that_does_something(world: World) -> None:
    await world.set_policy(module=Module.PRODUCTS, delete_policy="deactivate")
    mug, _ = await stocked(world)
    world.sandbox.crm.ui_delete(goods.listed(world)[1]["id"])

    assert await look(world) == 1
    assert goods.shelf(world, mug)["status"] == "private"


async def test_a_module_that_cannot_be_looked_at_is_told_and_keeps_no_other(world: World) -> None:
    await stocked(world)
    world.sandbox.shop_faults.fail("GET", "/products", times=3, status=500)
    await world.customer("zoe@shop.example", last_name="M")
    assert await poll(world.runtime) == 1
    assert await _lasting(world) == [("poll_failed", "main", "products")]

    await poll(world.runtime)
    assert await _lasting(world) == []


async def _lasting(world: World) -> list[tuple[str, str, str]]:
    async with world.runtime.sessions() as session:
        wanted = IncidentFilter(lasting=True)
        found = await search_incidents(session, wanted, cursor=None, limit=9)
    return [(row.kind, row.store, row.subject) for row in found.items]

"""A full comparison finds what changed in silence; a dry run tells of it and writes nothing."""

import pytest

from app.domain import Module, Outcome
from app.modules.ports import PlannedAction
from app.runs.models import RunState
from app.sync.runs.comparison import Compared, Plan, compare_store
from app.sync.runs.requests import RunProgress, modules_of
from tests import goods, trade
from tests.running import run
from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio


async def stocked(world: World) -> tuple[str, str]:
    """A taxed product and a guest's order of it, in both systems."""
    goods.rate(world, "VAT 20", "20.0000")
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    order_id = trade.order(world, (mug, 2))
    await world.settle()
    await world.forget_log()
    world.later()
    return mug, order_id


async def run_all(world: World) -> RunProgress:
    done = await run(world)
    await world.settle()
    assert (done.run.state, done.waiting) == (RunState.DONE, 0)
    return done


async def compared(world: World, module: Module) -> list[Compared]:
    """But for what Vtiger has of its own."""
    found = [each async for each in compare_store(world.runtime, STORE, module=module)]
    return [each for each in found if each.woo_id]


async def told(world: World, module: Module, outcome: Outcome) -> list[str | None]:
    return [row.reason for row in await world.log(outcome) if row.module == module]


async def test_the_modules_of_a_run_come_after_what_they_rest_on(market: World) -> None:
    await market.set_policy(module=Module.CONTACTS, enabled=False)

    assert await modules_of(market.runtime, STORE) == ["taxes", "products", "sales_orders"]


async def test_where_all_agrees_a_run_writes_nothing(market: World) -> None:
    await stocked(market)
    market.traffic.reset()
    await run_all(market)

    assert market.traffic.writes == {}
    for module in Module:
        assert all(each.agrees for each in await compared(market, module))


async def test_what_a_run_has_left_out_is_not_told_by_the_next(market: World) -> None:
    """Vtiger's own taxes have no country in the shop, until a setting names one."""
    await run_all(market)
    first = len(await told(market, Module.TAXES, Outcome.SKIPPED))
    await run_all(market)
    assert len(await told(market, Module.TAXES, Outcome.SKIPPED)) == first > 0

    await market.set_policy(module=Module.TAXES, tax_country="FR")
    await run_all(market)
    assert len(await told(market, Module.TAXES, Outcome.CREATED)) == first


async def test_a_first_run_brings_everything(market: World) -> None:
    """As if no webhook had ever been installed."""
    market.sandbox.shop.webhooks.pending.clear()
    goods.rate(market, "VAT 20", "20.0000")
    shirt = goods.variable(market, "Shirt")
    red = goods.variation(market, shirt, "Red", "L", sku="RED-L")
    trade.order(market, (red, 2))
    await market.forget_hints()
    market.sandbox.shop.webhooks.pending.clear()
    await run_all(market)

    assert await trade.off(market) == []
    assert [row["email"] for row in market.contacts()] == ["zoe@shop.example"]


async def test_a_product_that_was_deleted_for_good_is_found_gone(market: World) -> None:
    """Nobody is told; the order's line keeps what Vtiger has of it."""
    mug, order_id = await stocked(market)
    held = trade.lines(trade.sale(market, order_id))[0]["productid"]
    market.sandbox.shop.trade.product_book.delete(int(mug))
    market.sandbox.shop.webhooks.pending.clear()
    await run_all(market)

    assert set(await told(market, Module.PRODUCTS, Outcome.SKIPPED)) == {"delete_ignored"}
    assert trade.lines(trade.sale(market, order_id))[0]["productid"] == held
    assert await told(market, Module.SALES_ORDERS, Outcome.UPDATED) == []


async def test_an_order_that_was_deleted_for_good_is_found_gone(market: World) -> None:
    _, order_id = await stocked(market)
    market.sandbox.shop.trade.order_life.delete(int(order_id))
    market.sandbox.shop.webhooks.pending.clear()
    await run_all(market)

    assert set(await told(market, Module.SALES_ORDERS, Outcome.SKIPPED)) == {"delete_ignored"}


async def test_a_sales_order_that_was_deleted_in_vtiger_is_found_gone(market: World) -> None:
    _, order_id = await stocked(market)
    market.sandbox.crm.ui_delete(trade.sale(market, order_id)["id"])
    await run_all(market)

    assert set(await told(market, Module.SALES_ORDERS, Outcome.SKIPPED)) == {"delete_ignored"}


async def test_a_refund_that_was_taken_back_is_found(market: World) -> None:
    """The time of the order's change stays as it was."""
    _, order_id = await stocked(market)
    trade.refund(market, order_id, "5.00")
    await market.settle()
    assert "5.00 EUR" in trade.sale(market, order_id)["description"]
    order, refunds = trade.kept(market, order_id), market.sandbox.shop.trade.refunds
    [refund] = refunds.of(order)
    refunds.delete(order, refund.body.id)
    market.sandbox.shop.webhooks.pending.clear()
    assert (await run_all(market)).outcomes[Outcome.UPDATED] > 0

    assert "5.00 EUR" not in trade.sale(market, order_id)["description"]


async def test_a_guest_whose_latest_order_nobody_told_of_is_found(market: World) -> None:
    """A customer's account is deleted, and its orders are a guest's from then on, in silence."""
    mug, _ = await stocked(market)
    address = {**trade.ADDRESS, "email": "max@shop.example"}
    customer_id = await market.customer("max@shop.example", last_name="Berg")
    of_account = {"customer_id": int(customer_id), "billing": address}
    first = trade.order(market, (mug, 1), **of_account)
    await market.settle()
    market.later()
    trade.order(market, (mug, 1), **{**of_account, "billing": {**address, "city": "Nice"}})
    await market.settle()
    market.delete_customer(customer_id)
    await market.settle()
    market.later()
    trade.edit(market, first, status="completed")
    await market.settle()
    await run_all(market)

    [contact] = [row for row in market.contacts() if row["email"] == "max@shop.example"]
    assert contact["mailingcity"] == "Nice"


async def test_a_dry_run_shows_what_would_be_written(market: World) -> None:
    _, order_id = await stocked(market)
    market.sandbox.crm.workflows.callbacks.clear()
    twin = goods.listed(market)[1]["id"]
    await market.sandbox.crm.ui_edit(twin, {"unit_price": "12"})
    trade.edit(market, order_id, status="completed")
    market.traffic.reset()
    [product] = await compared(market, Module.PRODUCTS)
    [order] = await compared(market, Module.SALES_ORDERS)

    assert [(each.field, each.act) for each in product.pending] == [
        ("price", PlannedAction.TO_WOOCOMMERCE)
    ]
    assert [(each.field, each.act) for each in order.pending] == [
        ("status", PlannedAction.TO_VTIGER)
    ]
    assert market.traffic.writes == {}


async def test_a_dry_run_before_anything_was_made_writes_nothing(world: World) -> None:
    mug = goods.product(world, name="Mug", sku="MUG")
    trade.order(world, (mug, 1))
    world.traffic.reset()
    for module in (Module.PRODUCTS, Module.SALES_ORDERS):
        assert [each.plan for each in await compared(world, module)] == [Plan.CREATE]

    assert world.traffic.writes == {}
    assert await world.deliveries() == []


async def test_a_total_that_is_off_is_told_to_the_cent(market: World) -> None:
    """Somebody changed the order's money behind Vtiger's back: it recomputes nothing."""
    _, order_id = await stocked(market)
    sale = market.sandbox.crm.database.find(trade.sale(market, order_id)["id"])
    assert sale is not None
    sale.values["hdnGrandTotal"] = "24.01000000"
    [order] = await compared(market, Module.SALES_ORDERS)

    told = {each.field: (each.woo, each.vtiger) for each in order.unexplained}
    assert told["total"] == ("24", "24.01")
    assert told["total_tax"] == ("4", "4.01")


async def test_what_comes_from_vtiger_agrees_too(market: World) -> None:
    """The shop has its own names for products, and no number of Vtiger's as a subject."""
    await stocked(market)
    twin = goods.listed(market)[1]["id"]
    [link] = [each for each in await market.links() if each.module == Module.CONTACTS]
    account = market.sandbox.crm.records("Accounts")[0]["id"]
    line = {"productid": twin, "quantity": "1", "listprice": "10", "tax4": "20", "comment": "blue"}
    await market.sandbox.crm.ui_create(
        "SalesOrder",
        {
            "subject": "By phone",
            "sostatus": "Approved",
            "account_id": account,
            "contact_id": link.vtiger_id,
            "hdnTaxType": "individual",
            "productid": twin,
            "bill_street": "1 Rue",
            "bill_country": "France",
            "ship_street": "1 Rue",
            "currency_id": "21x1",
            "LineItems": [line],
        },
    )
    await market.settle()
    made = [each for each in await compared(market, Module.SALES_ORDERS) if each.label == "#3"]

    assert [each.unexplained for each in made] == [()]

"""Two shops that share one CRM: one contact a person, however many shops know them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from app.domain import Module, Outcome
from app.modules.context import ensure_setup
from app.runs.repository import NewRun
from app.sync.runs.execution import execute
from app.sync.runs.requests import start_run
from sandbox.app import create_sandbox_app, new_sandbox
from sandbox.server import serve
from tests.agreement import find_people
from tests.goods import listed, product
from tests.trade import ADDRESS, item, order, sales, typed
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """A second shop `shop-fr`; the first one's webhooks and the CRM's callbacks are sent."""
    async with AsyncExitStack() as stack:
        second = new_sandbox(cron_interval_s=None)
        served = await stack.enter_async_context(serve(create_sandbox_app(second)))
        other = {"shop-fr": second.describe(served.url)["woocommerce"]}
        world = await stack.enter_async_context(open_world(emptied_database_url, more_stores=other))
        yield world


async def _settle(world: World) -> None:
    """What the second shop would tell is found by polls."""
    await world.settle()
    await world.settle_again()


async def test_a_person_of_one_shop_stays_there(world: World) -> None:
    """A buyer with an account, a guest, and what they bought, whatever touches them in the CRM."""
    await ensure_setup(world.runtime)
    await world.customer("zoe@shop.example", first_name="Zoë", last_name="Müller")
    mug = product(world, name="Mug", sku="MUG")
    order(world, (mug, 1), billing=ADDRESS | {"email": "ana@shop.example"})
    await _settle(world)
    for contact in world.contacts():
        await world.edit_contact(contact["id"], description="touched by a workflow")
    await _settle(world)

    french = world.runtime.stores["shop-fr"]
    assert len(world.contacts()) == 2
    assert (await find_people(french, world.runtime.vtiger)).woo == []
    assert [each async for each in french.each_product()] == []
    reasons = {row.reason for row in await world.log(Outcome.SKIPPED) if row.store == "shop-fr"}
    assert "other_shop" in reasons


async def test_a_run_leaves_what_came_from_another_shop_where_it_is(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="Müller")
    own = await world.contact(lastname="Ruiz", email="ana@crm.example")
    await world.settle()
    asked = NewRun("shop-fr", (Module.CONTACTS,))
    started = await start_run(world.runtime, asked)
    assert await execute(world.runtime, started.id)

    french = (await find_people(world.runtime.stores["shop-fr"], world.runtime.vtiger)).woo
    assert [person.email for person in french] == ["ana@crm.example"]
    assert own in {link.vtiger_id for link in await world.links("main")}


async def test_what_a_former_shop_brought_is_not_made_in_the_one_that_is_left(
    world: World,
) -> None:
    """A shop that was taken out of the settings is still where its records came from."""
    product(world, name="Mug", sku="MUG")
    await world.settle()
    alone = replace(world.runtime, stores={"shop-fr": world.runtime.stores["shop-fr"]})
    started = await start_run(alone, NewRun("shop-fr", (Module.PRODUCTS,)))
    assert await execute(alone, started.id)

    french = alone.stores["shop-fr"]
    assert [each async for each in french.each_product()] == []


async def test_a_person_of_one_shop_comes_to_the_other_if_the_settings_say_so(
    world: World,
) -> None:
    await world.set_policy("shop-fr", from_other_shops=True)
    await world.customer("zoe@shop.example", first_name="Zoë", last_name="Müller")
    await _settle(world)

    assert len(world.contacts()) == 1
    for store in ("main", "shop-fr"):
        people = await find_people(world.runtime.stores[store], world.runtime.vtiger)
        assert people.faults() == []


async def test_customers_of_both_shops_share_a_contact(world: World) -> None:
    await world.runtime.stores["shop-fr"].create_customer(
        {"email": "zoe@shop.example", "last_name": "Müller"}
    )
    await world.customer("zoe@shop.example", last_name="Müller", billing={"city": "Lyon"})
    await _settle(world)

    assert len(world.contacts()) == 1
    assert len(await world.links("main")) == len(await world.links("shop-fr")) == 1
    [french] = (await find_people(world.runtime.stores["shop-fr"], world.runtime.vtiger)).woo
    assert french.values.get("mailing_city") == "Lyon"


async def test_an_edit_in_one_shop_reaches_the_other_and_rests(world: World) -> None:
    await world.set_policy("shop-fr", from_other_shops=True)
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await _settle(world)
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await _settle(world)
    world.traffic.reset()
    await _settle(world)

    [french] = (await find_people(world.runtime.stores["shop-fr"], world.runtime.vtiger)).woo
    assert french.values.get("mailing_city") == "Lyon"
    assert world.traffic.writes == {}


async def test_one_shop_may_only_give(world: World) -> None:
    await world.set_policy("shop-fr", direction="woo_to_vtiger")
    await world.customer("zoe@shop.example", last_name="Müller")
    await _settle(world)

    assert (await find_people(world.runtime.stores["shop-fr"], world.runtime.vtiger)).woo == []


async def test_an_order_of_one_shop_is_no_order_of_the_other(world: World) -> None:
    await ensure_setup(world.runtime)
    mug = product(world, name="Mug", sku="MUG")
    order_id = order(world, (mug, 1))
    await _settle(world)

    assert [row["vtiger_purchaseorder"] for row in sales(world)] == [f"WC-main-{order_id}"]
    assert [each async for each in world.runtime.stores["shop-fr"].each_order()] == []


async def test_an_order_of_vtiger_goes_to_one_shop(world: World) -> None:
    await ensure_setup(world.runtime)
    product(world, name="Mug", sku="MUG")
    await world.settle()
    [mug] = [row["id"] for row in listed(world) if row["productcode"] == "MUG"]
    await typed(world, item(mug, "1", "10"))
    await _settle(world)

    made = [each async for each in world.runtime.stores["main"].each_order()]
    assert [row["vtiger_purchaseorder"] for row in sales(world)] == [f"WC-main-{made[0].id}"]
    assert [each async for each in world.runtime.stores["shop-fr"].each_order()] == []


async def test_a_shop_that_is_down_stops_no_other(world: World) -> None:
    await world.runtime.stores["shop-fr"].create_customer(
        {"email": "ana@shop.example", "last_name": "Ruiz"}
    )
    world.sandbox.shop_faults.fail(times=100_000)
    for number in range(5):
        await world.customer(f"p{number}@shop.example", last_name="P")
        await world.contact(lastname="C", email=f"c{number}@crm.example")
    await world.sandbox.shop.webhooks.flush()
    for _ in range(3):
        await world.step()
    assert world.runtime.gates["woocommerce:main"].known.is_open

    people = await find_people(world.runtime.stores["shop-fr"], world.runtime.vtiger)
    assert {person.email for person in people.woo} >= {f"c{n}@crm.example" for n in range(5)}
    world.sandbox.shop_faults.clear()
    await _settle(world)
    assert (await world.people()).faults() == []

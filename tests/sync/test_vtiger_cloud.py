"""The same sync over Vtiger Cloud's REST API, with and without calls to spare."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from app.domain import Module
from app.modules.context import ensure_setup
from sandbox.vtiger.cloud import Limits
from tests.goods import product, rate, told_of
from tests.trade import order, sale, total
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cloud(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url, cloud=Limits()) as world:
        await ensure_setup(world.runtime)
        await world.settle()
        await world.forget_log()
        yield world


async def test_an_order_with_all_it_names_reaches_the_cloud(cloud: World) -> None:
    rate(cloud, "VAT 20", "20.0000")
    mug = product(cloud, name="Mug", sku="MUG", regular_price="12.50")
    order_id = order(cloud, (mug, 2))
    await cloud.settle()
    assert total(sale(cloud, order_id)) == Decimal("30")
    assert (await told_of(cloud, Module.SALES_ORDERS))[0] == ("vtiger", "created", None)


async def test_an_edit_in_the_cloud_comes_back(cloud: World) -> None:
    customer_id = await cloud.customer("ada@shop.example", last_name="Byron")
    await cloud.settle()
    cloud.later()
    [contact] = cloud.contacts()
    await cloud.edit_contact(contact["id"], lastname="Lovelace")
    await cloud.settle()
    assert (await cloud.get_customer(customer_id))["last_name"] == "Lovelace"


async def test_a_minute_without_calls_loses_nothing(cloud: World) -> None:
    """What the limit refuses waits as rate_limited and goes on in the next minute."""
    assert cloud.sandbox.cloud is not None
    cloud.sandbox.cloud.per_minute = 1
    customer_id = await cloud.customer("ada@shop.example", last_name="Byron")
    await cloud.sandbox.shop.webhooks.flush()
    await cloud.step()
    assert cloud.contacts() == []
    errors = [error or "" for _, error in await cloud.waiting()]
    assert [error for error in errors if "fewer calls" in error or "no more calls" in error]
    cloud.sandbox.cloud.per_minute = None
    cloud.later(61)
    await cloud.settle()
    [contact] = cloud.contacts()
    assert (contact["lastname"], contact["cf_853"]) == ("Byron", customer_id)

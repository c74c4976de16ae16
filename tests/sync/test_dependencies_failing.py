"""A record that cannot be synced, and many that need it: one hint is tried, later and later, and
all go on when it is settled."""

from collections.abc import AsyncIterator, Sequence

import pytest

from app.domain import DeliveryState, Module, Origin
from app.inbox.models import Delivery
from app.modules.context import ensure_setup
from tests import goods, trade
from tests.setting import STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

BROKEN = b'{"success":false,"error":{"code":"INTERNAL_SERVER_ERROR","message":"of a record"}}'
ORDERS = 4
LONG = 600.0


@pytest.fixture
async def market(emptied_database_url: str) -> AsyncIterator[World]:
    """Retries come after minutes, unless a test makes them due, and only orders are told of."""
    slow = {"retry_base_delay": LONG, "retry_max_delay": 4 * LONG}
    async with open_world(emptied_database_url, sync=slow) as opened:
        await ensure_setup(opened.runtime)
        await opened.set_policy(module=Module.CONTACTS, enabled=False)
        opened.sandbox.crm.workflows.callbacks.clear()
        for hook in opened.sandbox.shop.webhooks.all():
            if hook.topic.startswith("product"):
                hook.status = "disabled"
        yield opened


async def ordered(market: World) -> str:
    """Orders of a product that Vtiger does not take; the product's id."""
    mug = goods.product(market, name="Mug", sku="MUG")
    market.sandbox.shop.webhooks.pending.clear()
    market.sandbox.crm_faults.fail(
        "POST", "elementType=Products", status=200, body=BROKEN, times=100
    )
    for _ in range(ORDERS):
        trade.order(market, (mug, 1))
    await market.sandbox.shop.webhooks.flush()
    return mug


async def asked(market: World) -> Sequence[Delivery]:
    """The hints about the product that its orders made."""
    found = [each for each in await market.deliveries() if each.module == Module.PRODUCTS]
    return [each for each in found if each.origin == Origin.DEPENDENCY]


async def waiting(market: World) -> Sequence[Delivery]:
    found = [each for each in await market.deliveries() if each.module == Module.SALES_ORDERS]
    return [each for each in found if each.state == DeliveryState.PENDING]


async def test_a_record_that_keeps_failing_is_hinted_once(market: World) -> None:
    await ordered(market)
    for _ in range(4):
        await market.step()

    assert len(await asked(market)) == 1
    assert {each.waits_for for each in await waiting(market)} == {
        (await asked(market))[0].record_key
    }


async def test_it_is_tried_as_often_as_its_own_delay_says(market: World) -> None:
    """The orders wait as long as it does, and do not try it in between."""
    await ordered(market)
    await market.step()
    tries = market.sandbox.crm_faults.hits
    await market.execute(
        "UPDATE deliveries SET next_attempt_at = now() WHERE module = 'sales_orders'"
    )
    for key in {each.record_key for each in await waiting(market)}:
        await market.drain(key)

    assert market.sandbox.crm_faults.hits == tries
    [hint] = await asked(market)
    orders = await waiting(market)
    assert len({each.record_key for each in orders}) == ORDERS
    assert min(each.next_attempt_at for each in orders) >= hint.next_attempt_at
    assert {each.attempts for each in orders} == {0}


async def test_all_that_waited_goes_on_when_it_is_there(market: World) -> None:
    """Long before its next try."""
    mug = await ordered(market)
    await market.step()
    market.sandbox.crm_faults.clear()
    await market.drain(f"{STORE}:products:woocommerce:{mug}")

    due = await waiting(market)
    assert len({each.record_key for each in due}) == ORDERS
    assert all(each.next_attempt_at <= market.runtime.clock() for each in due)
    await market.settle()
    assert len(trade.sales(market)) == ORDERS
    assert all(len(trade.lines(each)) == 1 for each in trade.sales(market))

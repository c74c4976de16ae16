"""What an order costs: calls to either system, once what it names is known."""

import pytest

from tests.goods import product, rate
from tests.trade import edit, kept, order, sale
from tests.world import World

pytestmark = pytest.mark.anyio

VTIGER = "vtiger "


@pytest.fixture
async def busy(market: World) -> World:
    """A shop with an order already; Vtiger tells nothing by itself, so that no echo counts."""
    market.sandbox.crm.workflows.callbacks.clear()
    rate(market, "VAT 20", "20.0000")
    mug = product(market, name="Mug", sku="MUG", regular_price="10.00")
    order(market, (mug, 1), fee_lines=[{"name": "Wrap", "total": "1.00"}])
    await market.settle()
    market.traffic.reset()
    market.later()
    return market


def of_vtiger(world: World) -> int:
    counted = (world.traffic.reads + world.traffic.writes).items()
    return sum(count for name, count in counted if name.startswith(VTIGER))


def mug_of(world: World) -> str:
    [first] = world.sandbox.shop.trade.orders
    return str(first.lines[0].product_id)


async def test_a_new_order_of_what_is_known_is_a_look_and_a_create(busy: World) -> None:
    """The shop tells of it twice, and is not asked."""
    order_id = order(
        busy, (mug_of(busy), 2), fee_lines=[{"name": "Wrap", "total": "2.00"}], status="pending"
    )
    await busy.settle()

    assert sale(busy, order_id)["sostatus"] == "Created"
    assert busy.traffic.writes == {"vtiger create": 1, "PUT orders": 1}
    assert busy.traffic.reads == {"vtiger query": 1}


async def test_an_old_tale_of_what_is_agreed_costs_nothing(busy: World) -> None:
    """The second of the two that tell of a new order comes when the first was worked on."""
    order(busy, (mug_of(busy), 2), status="pending")
    await busy.settle()
    told = next(each for each in reversed(busy.sent()) if each.topic == "order.created")
    busy.traffic.reset()
    await busy.send(told)
    await busy.settle()

    assert (await busy.told())[-1][1] == "unchanged"
    assert not busy.traffic.reads + busy.traffic.writes


async def test_a_new_account_is_a_look_and_a_create_more(busy: World) -> None:
    address = {"first_name": "Ann", "last_name": "Lee", "email": "zoe@shop.example"}
    order(busy, (mug_of(busy), 2), billing=address, status="pending")
    await busy.settle()

    assert busy.traffic.writes["vtiger create"] == 2


async def test_a_change_is_a_read_and_a_write_and_nothing_of_the_shop(busy: World) -> None:
    [first] = busy.sandbox.shop.trade.orders
    line = {"id": first.lines[0].id, "quantity": 3, "subtotal": "30.00", "total": "30.00"}
    edit(busy, str(first.id), line_items=[line], status="completed")
    await busy.settle()

    assert kept(busy, str(first.id)).status == "completed"
    assert of_vtiger(busy) == 2
    assert busy.traffic.writes == {"vtiger revise": 1}
    assert busy.traffic.reads == {"vtiger retrieve": 1}


async def test_a_save_without_a_change_costs_nothing(busy: World) -> None:
    [first] = busy.sandbox.shop.trade.orders
    edit(busy, str(first.id))
    await busy.settle()

    assert not busy.traffic.reads + busy.traffic.writes

"""What a poll costs in calls, counted: documentation, "Performance"."""

from collections.abc import AsyncIterator

import pytest

from app.domain import Module
from app.modules.context import ensure_setup
from app.sync.polling import poll
from tests import goods, trade
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

PER_CALL = 100
SIZES = [(250, 130), pytest.param(10_000, 2_000, marks=pytest.mark.faults)]


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url, hooks=False) as opened:
        await ensure_setup(opened.runtime)
        yield opened


def calls(records: int) -> int:
    return max(1, -(-records // PER_CALL))


async def grown(world: World, people: int, things: int) -> None:
    """So many customers and contacts, products and orders, all old but one of each, and the first
    look behind us."""
    for number in range(people - 1):
        await world.customer(f"p{number}@shop.example", last_name="P")
        await world.contact(lastname=f"C{number}", email=f"c{number}@crm.example")
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    for number in range(things - 2):
        goods.product(world, name=f"Thing {number}", regular_price="1.00")
        trade.order(world, (mug, 1))
    world.later(seconds=600)
    await world.customer("last@shop.example", last_name="Last")
    await world.contact(lastname="Last", email="lastc@crm.example")
    goods.product(world, name="Last")
    trade.order(world, (mug, 1))
    for _ in range(2):
        goods.forget_books(world)
        assert await poll(world.runtime) == 0


@pytest.mark.parametrize(("people", "things"), SIZES)
async def test_a_quiet_look_and_a_look_at_everything_cost_these_calls(
    world: World, people: int, things: int
) -> None:
    await grown(world, people, things)
    world.traffic.reset()
    goods.forget_books(world)
    await poll(world.runtime)
    quiet = dict(world.traffic.reads)
    assert quiet["GET customers"] == calls(people)
    assert quiet["GET products"] == quiet["GET orders"] == 3
    assert quiet["vtiger query"] == 8

    await world.execute("UPDATE full_passes SET passed_at = passed_at - interval '2 days'")
    world.traffic.reset()
    goods.forget_books(world)
    await poll(world.runtime)
    whole = dict(world.traffic.reads)
    assert whole["GET customers"] == calls(people)
    assert whole["GET products"] == 1 + calls(things)
    assert whole["GET orders"] == 1 + calls(things - 1)
    documented = 7 + calls(people)  # and again what is remembered for a minute, if it takes longer
    assert documented <= whole["vtiger query"] <= documented * 1.1
    assert world.traffic.writes == {}


async def test_reference_data_is_read_only_for_a_record_that_has_to_be_read(world: World) -> None:
    """Rates, taxes and currencies are for reading products; a poll that lists none needs none."""
    await world.sync_only(Module.PRODUCTS)
    mug = goods.product(world, name="Mug", sku="MUG")
    world.later(seconds=300)
    await poll(world.runtime)

    async def reads() -> set[str]:
        goods.forget_books(world)
        world.traffic.reset()
        await poll(world.runtime)
        return set(world.traffic.reads)

    quiet = await reads()
    world.later(seconds=300)
    goods.edit(world, mug, name="Cup")
    busy = await reads()
    assert "GET products" in quiet
    assert busy - quiet == {"GET settings", "GET taxes"}


async def test_a_listed_variation_costs_no_read_of_its_parent(world: World) -> None:
    await world.sync_only(Module.PRODUCTS)
    shirt = goods.variable(world, "Shirt")
    await poll(world.runtime)
    world.later(seconds=600)
    goods.variation(world, shirt, "Red", "S", sku="RS")
    world.traffic.reset()

    assert await poll(world.runtime) == 1
    listed = 4  # the last change, the changed products, the variations, and the trash
    assert world.traffic.reads["GET products"] == listed

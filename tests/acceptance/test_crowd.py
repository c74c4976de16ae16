"""Hundreds edit in both systems at random while hints double, get lost and overtake each other:
in the end both agree, nobody is there twice, and nothing is written any more."""

from random import Random

import pytest

from app.sync.polling import poll
from tests.acceptance.crowd import Crowd
from tests.doorway import Mischief
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


async def _start(world: World, people: int, seed: int) -> Crowd:
    await world.set_policy(delete_policy="propagate")
    await poll(world.runtime)
    crowd = Crowd(world, Random(seed))
    for _ in range(people):
        await crowd.register()
    await world.settle()
    return crowd


async def _live(world: World, crowd: Crowd, edits: int) -> None:
    """Edits happen between drains, and between any two calls of a drain."""
    world.doorway.mischief = Mischief(crowd.random)
    left = edits

    async def interfere() -> None:
        nonlocal left
        if left and crowd.random.random() < 0.1:
            left -= 1
            await crowd.act()

    world.traffic.always = interfere
    while left:
        for _ in range(min(left, crowd.random.randint(1, 8))):
            left -= 1
            await crowd.act()
        await world.sandbox.shop.webhooks.flush()
        await world.doorway.let_in(crowd.random.randint(0, 20))
        await world.step()
    world.traffic.always = None


async def _come_to_rest(world: World) -> None:
    await world.sandbox.shop.webhooks.flush()
    while await world.doorway.let_in(100):
        pass
    world.doorway.mischief = None
    await world.settle()
    world.later(seconds=200)
    await poll(world.runtime)
    await world.settle()


async def _check(world: World) -> None:
    assert (await world.people()).faults() == []
    assert await world.waiting() == []
    world.traffic.reset()
    await world.settle_again()
    assert world.traffic.writes == {}
    assert (await world.people()).faults() == []


async def _play(url: str, *, people: int, edits: int, seed: int) -> None:
    async with open_world(url, sync={"delete_brake_percent": 100}) as world:
        crowd = await _start(world, people, seed)
        await _live(world, crowd, edits)
        await _come_to_rest(world)
        await _check(world)


async def test_a_small_crowd(emptied_database_url: str) -> None:
    await _play(emptied_database_url, people=15, edits=90, seed=1)


@pytest.mark.faults
@pytest.mark.parametrize("seed", [11, 12])
async def test_a_large_crowd(emptied_database_url: str, seed: int) -> None:
    await _play(emptied_database_url, people=500, edits=2000, seed=seed)

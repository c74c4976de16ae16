"""Random edits in both systems and random faults around them; at each quiet moment both agree,
nothing is there twice, no edit is lost, and every hint has exactly one row.

A run is repeated by its seed: `pytest -m faults tests/acceptance/test_model.py -k 31`.
"""

from random import Random

import pytest

from app.domain import utc_now
from app.modules.context import ensure_setup
from app.sync.polling import poll
from tests.acceptance.bazaar import Bazaar
from tests.acceptance.quiet import quiet_faults
from tests.acceptance.weather import Weather
from tests.doorway import Mischief
from tests.setting import CALLBACK_SECRET, SERVICE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

QUIET_EVERY = 250


async def _live(world: World, bazaar: Bazaar, weather: Weather, steps: int) -> None:
    """Steps are acts, faults, arrivals and rounds of work, in any order."""
    world.doorway.mischief = Mischief(bazaar.random)
    for _ in range(steps):
        draw = bazaar.random.random()
        if draw < 0.6:
            await bazaar.act()
        elif draw < 0.75:
            await weather.blow()
        elif draw < 0.85:
            await world.sandbox.shop.webhooks.flush()
            await world.doorway.let_in(bazaar.random.randint(1, 20))
        else:
            await weather.work()


async def _come_to_rest(world: World, weather: Weather) -> None:
    await world.sandbox.shop.webhooks.flush()
    while await world.doorway.let_in(100):
        pass
    world.doorway.mischief = None
    await weather.clear()
    await world.settle()
    world.later(seconds=200)
    await poll(world.runtime)
    await world.settle()


def _hear_by_addon(world: World) -> None:
    """The CRM tells by the add-on instead of callbacks, and polls read its outbox."""
    world.sandbox.crm.workflows.callbacks.clear()
    world.sandbox.crm.install_addon(SERVICE, CALLBACK_SECRET).wall_clock = utc_now


async def _play(url: str, *, steps: int, seed: int, addon: bool = False) -> None:
    async with open_world(url, sync={"delete_brake_percent": 100}) as world:
        world.sandbox.shop.site.wall_clock = utc_now
        if addon:
            _hear_by_addon(world)
        random = Random(seed)
        bazaar, weather = Bazaar(world, random), Weather(world, random)
        await ensure_setup(world.runtime)
        await poll(world.runtime)
        await bazaar.open()
        await world.settle()
        await bazaar.forget()
        for done in range(0, steps, QUIET_EVERY):
            await _live(world, bazaar, weather, min(QUIET_EVERY, steps - done))
            await _come_to_rest(world, weather)
            assert await quiet_faults(world, bazaar) == []
            await bazaar.forget()
        assert weather.deaths or steps <= QUIET_EVERY


@pytest.mark.parametrize("addon", [False, True], ids=["callbacks", "add-on"])
async def test_a_short_life(emptied_database_url: str, *, addon: bool) -> None:
    await _play(emptied_database_url, steps=70, seed=7, addon=addon)


@pytest.mark.faults
@pytest.mark.parametrize("seed", [35])
async def test_a_long_life_with_the_add_on(emptied_database_url: str, seed: int) -> None:
    await _play(emptied_database_url, steps=5000, seed=seed, addon=True)


@pytest.mark.faults
@pytest.mark.parametrize("seed", [31, 32, 33, 34])
async def test_a_long_life(emptied_database_url: str, seed: int) -> None:
    await _play(emptied_database_url, steps=5000, seed=seed)

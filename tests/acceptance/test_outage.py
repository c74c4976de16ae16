"""Both systems out of reach for an hour while people go on editing in them and every webhook is
lost: once they answer again all is brought into agreement, without a person.
"""

from random import Random

import pytest

from app.domain import Module, utc_now
from app.modules.context import ensure_setup
from app.sync.polling import poll
from sandbox.faults import FaultAction, FaultKind
from tests.acceptance.bazaar import Bazaar
from tests.acceptance.quiet import quiet_faults
from tests.goods import links_of
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

POLLS = 12  # every five minutes, as users have it
FOR_EVER = 10**9


async def _found(world: World, bazaar: Bazaar, records: int) -> None:
    """A shop and a CRM with a past, in agreement."""
    await ensure_setup(world.runtime)
    await poll(world.runtime)
    await bazaar.open()
    await _catch_up(world)
    await bazaar.forget()
    for _ in range(records):
        await bazaar.act()
    await _catch_up(world)
    await bazaar.forget()


async def _catch_up(world: World) -> None:
    """Nothing but polls tells of anything."""
    world.later(seconds=130)
    await poll(world.runtime)
    await world.settle()


async def _outage(world: World, bazaar: Bazaar, edits: int) -> None:
    """The service goes on trying all the while."""
    for faults in (world.sandbox.shop_faults, world.sandbox.crm_faults):
        faults.add(FaultAction(FaultKind.DROP), times=FOR_EVER)
    for number in range(POLLS):
        world.later(seconds=3600 / POLLS)
        for _ in range(edits * (number + 1) // POLLS - edits * number // POLLS):
            await bazaar.act()
        await poll(world.runtime)
        await world.step()
    for faults in (world.sandbox.shop_faults, world.sandbox.crm_faults):
        faults.clear()
    await world.age_remotes(seconds=3600)
    await world.age_hints(days=1 / 24)


async def _play(url: str, *, records: int, edits: int, seed: int) -> None:
    async with open_world(url, hooks=False, sync={"delete_brake_percent": 100}) as world:
        world.sandbox.shop.site.wall_clock = utc_now
        bazaar = Bazaar(world, Random(seed))
        await _found(world, bazaar, records)
        pairs = [len(await links_of(world, module)) for module in Module]
        await _outage(world, bazaar, edits)
        assert [len(await links_of(world, module)) for module in Module] == pairs
        assert bazaar.faults(), "nothing was kept apart: this test shows nothing"
        for _ in range(3):  # the breakers close; all is brought over; what was made tells its own
            await _catch_up(world)
        assert await quiet_faults(world, bazaar) == []


async def test_an_hour_in_a_small_town(emptied_database_url: str) -> None:
    await _play(emptied_database_url, records=20, edits=60, seed=3)


@pytest.mark.faults
async def test_an_hour_with_ten_thousand_edits(emptied_database_url: str) -> None:
    """Five thousand on each side, on average."""
    await _play(emptied_database_url, records=1500, edits=10_000, seed=4)

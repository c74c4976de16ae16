"""The small world that scenarios play in."""

from collections.abc import AsyncIterator

import pytest

from app.modules.context import ensure_setup
from tests.world import World, open_world


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url) as opened:
        yield opened


@pytest.fixture
async def market(world: World) -> World:
    """The world, with what orders rest on made in Vtiger and its own traffic forgotten."""
    await ensure_setup(world.runtime)
    await world.settle()
    await world.forget_log()
    world.traffic.reset()
    return world

"""The small world that scenarios play in."""

from collections.abc import AsyncIterator

import pytest

from tests.world import World, open_world


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url) as opened:
        yield opened

"""A database that stands still in the middle of a record's way: nothing is lost, or made twice."""

from contextlib import suppress
from typing import Any

import pytest

from app.db.session import OUTAGES
from tests.acceptance.process import wait_until
from tests.standstill import standing_between
from tests.world import open_world

pytestmark = pytest.mark.anyio


async def test_a_twin_that_was_made_when_the_database_stood_still_is_found_again(
    database_url: str,
) -> None:
    async with (
        standing_between(database_url) as between,
        open_world(between.address) as world,
    ):
        world.runtime.pulse.patience_seconds = 0.3
        customer_id = await world.customer("zoe@shop.example", last_name="Müller")
        await world.sandbox.shop.webhooks.flush()

        def stand_still(_: str, data: Any) -> Any:
            if world.contacts():
                between.begin()
            return data

        world.traffic.spoil = stand_still
        with suppress(*OUTAGES):  # or the lease is lost, quietly
            await world.drain(f"main:contacts:woocommerce:{customer_id}")
        world.traffic.spoil = None
        assert len(world.contacts()) == 1

        async def answers() -> bool:
            return not world.runtime.pulse.is_silent

        between.end()
        await wait_until(database_url, answers, "the database answers")
        await world.strand()
        await world.settle()
        assert len(world.contacts()) == len(await world.links()) == 1
        assert (await world.people()).faults() == []

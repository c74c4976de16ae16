"""Two services on one database drain at once: whoever comes first works, nothing is done twice."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy import select

from app.domain import Outcome
from app.inbox.models import Delivery
from app.runtime import Runtime, open_runtime
from app.sync.pipeline import drain
from tests.acceptance.crowd import Crowd
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

PEOPLE = 12


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url) as opened:
        yield opened


@pytest.fixture
async def other(world: World) -> AsyncIterator[Runtime]:
    async with open_runtime(world.runtime.settings) as runtime:
        yield replace(runtime, clock=world.runtime.clock)


async def _drain_in_both(world: World, other: Runtime) -> None:
    """Each waiting record is drained by both at the same moment."""
    async with world.runtime.sessions() as session:
        keys = sorted(set(await session.scalars(select(Delivery.record_key))))
    runtimes = (world.runtime, other)
    await asyncio.gather(
        *(drain(runtime, key, owner=uuid4().hex) for key in keys for runtime in runtimes)
    )


async def test_people_of_both_systems_are_made_once(world: World, other: Runtime) -> None:
    for number in range(PEOPLE):
        await world.customer(f"p{number}@both.example", last_name="Shop")
        await world.contact(lastname="Crm", email=f"p{number}@both.example")
        await world.customer(f"w{number}@shop.example", last_name="W", billing={"company": "Co"})
    await world.sandbox.shop.webhooks.flush()
    await _drain_in_both(world, other)
    await world.settle()

    assert (await world.people()).faults() == []
    assert world.accounts() == ["Co"]
    created = [row.source_id for row in await world.log(Outcome.CREATED)]
    assert len(created) == len(set(created)) == PEOPLE


async def test_edits_are_carried_over_once_by_either(world: World, other: Runtime) -> None:
    crowd = Crowd(world, Random(7))
    for _ in range(PEOPLE):
        await crowd.register()
    await world.settle()
    for _ in range(3):
        for _ in range(PEOPLE):
            await crowd.act()
        await world.sandbox.shop.webhooks.flush()
        await _drain_in_both(world, other)
    await world.settle()

    assert (await world.people()).doubles() == []
    world.traffic.reset()
    await world.settle_again()
    assert world.traffic.writes == {}

"""`kill -9` at any moment: after a restart and some catching up it is as if nothing had been."""

import asyncio
import contextlib
from datetime import datetime
from pathlib import Path
from random import Random

import psycopg
import pytest
from sqlalchemy import select

from app.domain import DeliveryState
from app.queue import count_workers
from app.synclog.models import EntryDelivery
from tests.acceptance.crowd import Crowd
from tests.acceptance.process import Process, wait_until
from tests.acceptance.town import Town, open_town
from tests.world import World

pytestmark = pytest.mark.anyio

SOON = 5.0
PROMISED_SECONDS = 15.0


async def _live_until_death(town: Town, crowd: Crowd, process: Process, acts: int) -> None:
    """People act while the service works; it dies at one of its calls, or soon after."""
    left, dying = crowd.random.randint(3, 80), asyncio.Event()

    async def count_down() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            dying.set()

    town.world.traffic.always = count_down
    for _ in range(acts):
        await crowd.act()
        await asyncio.sleep(0)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SOON):
            await dying.wait()
    town.world.traffic.always = None
    await process.kill()


async def _check(world: World) -> None:
    """In order, in agreement, at rest: with the service gone nothing is left to be written."""
    assert (await world.people()).faults() == []
    deliveries = await world.deliveries()
    assert {delivery.state for delivery in deliveries} == {DeliveryState.DONE}
    async with world.runtime.sessions() as session:
        found = await session.execute(select(EntryDelivery.delivery_id, EntryDelivery.entry_id))
        tied = {(delivery_id, entry_id) for delivery_id, entry_id in found}
    assert {(each.id, each.sync_log_id) for each in deliveries} <= tied
    world.sandbox.crm.workflows.callbacks.clear()
    world.traffic.reset()
    await world.settle_again()
    assert world.traffic.writes == {}


async def _play(url: str, folder: Path, *, kills: int, people: int, acts: int, seed: int) -> None:
    async with open_town(url, folder) as town:
        world, crowd = town.world, Crowd(town.world, Random(seed))
        await world.set_policy(delete_policy="propagate")
        for _ in range(people):
            await crowd.register()
        for _ in range(kills):
            async with town.service() as process:
                await _live_until_death(town, crowd, process, acts)
            for _ in range(acts // 3):  # nobody hears of these
                await crowd.act()
            await world.sandbox.shop.webhooks.flush()
        async with town.service():
            await wait_until(url, lambda: _heals(world), "webhooks that are active again")
            await town.come_to_rest()
        await _check(world)


async def _heals(world: World) -> bool:
    return {webhook.status for webhook in world.sandbox.shop.webhooks.all()} == {"active"}


async def test_a_service_that_is_killed_a_few_times(
    emptied_database_url: str, tmp_path: Path
) -> None:
    await _play(emptied_database_url, tmp_path, kills=2, people=6, acts=18, seed=5)


@pytest.mark.faults
async def test_a_service_that_is_killed_a_hundred_times(
    emptied_database_url: str, tmp_path: Path
) -> None:
    await _play(emptied_database_url, tmp_path, kills=100, people=300, acts=40, seed=21)


async def test_the_record_of_a_killed_worker_is_taken_up_by_another(
    emptied_database_url: str, tmp_path: Path
) -> None:
    """With the times that users have: the promise is less than fifteen seconds."""
    async with open_town(emptied_database_url, tmp_path, {"sync": {"poll_interval": 3600}}) as town:
        world, url = town.world, emptied_database_url
        async with town.worker() as doomed:
            await wait_until(url, lambda: _living(world, 1), "a worker")
            world.sandbox.crm_faults.hang("GET", "zoe%40shop.example", seconds=120)
            await world.hint_customer(await world.customer("zoe@shop.example", last_name="M"))
            await wait_until(url, lambda: _hangs(world), "a call without an answer")
            async with town.worker():
                await wait_until(url, lambda: _living(world, 2), "a second worker")
                died_at = await _now(url)
                await doomed.kill()
                await wait_until(url, lambda: _is_settled(world), "the outcome")

        [row] = await world.log()
        assert (row.outcome, row.target) == ("created", "vtiger")
        assert (row.occurred_at - died_at).total_seconds() < PROMISED_SECONDS


async def _hangs(world: World) -> bool:
    return world.sandbox.crm_faults.hits == 1


async def _living(world: World, wanted: int) -> bool:
    async with world.runtime.sessions() as session:
        return await count_workers(session, 5) == wanted


async def _is_settled(world: World) -> bool:
    return not await world.waiting() and bool(await world.log())


async def _now(url: str) -> datetime:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("SELECT now()")
        row = await found.fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment

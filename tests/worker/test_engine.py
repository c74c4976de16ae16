"""A worker as it runs: it drains what comes, ends what it has begun, and outlives a database."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.domain import DeliveryState
from app.sync.pipeline import Dispatcher
from app.worker.engine import running_worker
from tests.acceptance.process import wait_until
from tests.refusals import refusing
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

QUICK = {"dispatch_interval": 0.1, "heartbeat": 0.2, "lease_seconds": 1, "stalled_after": 1}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url, worker=QUICK) as opened:
        yield opened


async def _settled(world: World) -> bool:
    deliveries = await world.deliveries()
    return bool(deliveries) and {each.state for each in deliveries} == {DeliveryState.DONE}


async def _is_idle(world: World) -> bool:
    """No job is being written off: the engine would complain of that in a task of its own."""
    async with world.runtime.sessions() as session:
        return not await session.scalar(text("SELECT count(*) FROM procrastinate_jobs"))


async def _one_is_done(world: World, database_url: str) -> None:
    await world.customer("one@shop.example", last_name="One")
    await world.sandbox.shop.webhooks.flush()
    await wait_until(database_url, lambda: _settled(world), "the first outcome")
    await wait_until(database_url, lambda: _is_idle(world), "an engine at rest")


async def test_what_is_accepted_is_drained(world: World, database_url: str) -> None:
    async with running_worker(world.runtime, periodic=False):
        await world.customer("zoe@shop.example", last_name="M")
        await world.sandbox.shop.webhooks.flush()
        await wait_until(database_url, lambda: _settled(world), "the outcome")

    assert len(world.contacts()) == 1


async def test_a_worker_follows_another_of_the_same_process(
    world: World, database_url: str
) -> None:
    """As a command works on after its question was answered, and on one shop after the other."""
    async with running_worker(world.runtime, periodic=False):
        pass
    async with running_worker(world.runtime, periodic=False):
        await _one_is_done(world, database_url)


async def test_a_worker_that_is_told_to_stop_finishes_what_it_does(world: World) -> None:
    in_call, go_on = asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        in_call.set()
        await go_on.wait()

    world.traffic.before["vtiger create"] = waits
    async with running_worker(world.runtime, periodic=False):
        await world.customer("zoe@shop.example", last_name="M")
        await world.sandbox.shop.webhooks.flush()
        await in_call.wait()
        asyncio.get_running_loop().call_soon(go_on.set)

    row = (await world.log())[0]
    assert (row.outcome, row.target, row.attempts) == ("created", "vtiger", 1)
    assert DeliveryState.PROCESSING not in {each.state for each in await world.deliveries()}


async def test_a_worker_goes_on_after_the_database_was_away(
    world: World, database_url: str
) -> None:
    async with running_worker(world.runtime, periodic=False):
        await _one_is_done(world, database_url)
        await world.break_connections()
        await world.customer("two@shop.example", last_name="Two")
        await world.sandbox.shop.webhooks.flush()
        await wait_until(database_url, lambda: _settled(world), "the second outcome")

    assert len(world.contacts()) == 2


@pytest.mark.faults  # ten seconds, in which the job engine hopes to sign the worker off
async def test_a_worker_without_a_database_ends_when_it_is_told_to(
    world: World, database_url: str
) -> None:
    async with running_worker(world.runtime, periodic=False):
        await _one_is_done(world, database_url)
        await world.close_database(closed=True)
    await world.close_database(closed=False)
    assert len(world.contacts()) == 1


async def test_a_record_that_cannot_be_woken_is_told_as_failed_and_stops_no_other(
    world: World,
) -> None:
    bad = await world.customer("bad@shop.example", last_name="Bad")
    good = await world.customer("good@shop.example", last_name="Good")
    await world.sandbox.shop.webhooks.flush()
    key = f"main:contacts:woocommerce:{bad}"
    async with refusing(world.runtime.sessions, "procrastinate_jobs", "lock", key):
        await Dispatcher(world.runtime).run_once()

    [row] = await world.log()
    assert (row.source_id, row.outcome, row.reason) == (bad, "failed", "bug")
    async with world.runtime.sessions() as session:
        woken = await session.scalars(
            text("SELECT record_key FROM wakeups WHERE woken_at IS NOT NULL")
        )
        assert woken.all() == [f"main:contacts:woocommerce:{good}"]

"""`kill -9` at any moment while Vtiger's add-on writes: nothing twice, nothing half made, no lock
left, whether a run was under way or live hints shared calls."""

import asyncio
import contextlib
from collections import Counter
from pathlib import Path
from random import Random

import httpx
import pytest
from sqlalchemy import func, select

from app.domain import DeliveryState, Module
from app.links.models import Intent, Lease
from app.runs.models import DUE_STATES, SyncRun
from tests import trade
from tests.acceptance.process import Process, wait_until
from tests.acceptance.shop_file import shop_of
from tests.acceptance.town import Town, open_town
from tests.setting import TOKEN

pytestmark = pytest.mark.anyio

SOON = 60.0
LONG = 6000
"""Looks, a tenth of a second apart, until a run has ended."""
LIVE_ORDERS = 3
FEWEST_CALLS, MOST_CALLS = 5, 120
"""Until it dies; some thirty go by before a service that starts has written anything."""


async def _has_run(town: Town) -> bool:
    async with town.world.runtime.sessions() as session:
        open_runs = select(SyncRun.id).where(SyncRun.state.in_(DUE_STATES))
        return await session.scalar(open_runs.limit(1)) is not None


async def _ask_for_a_run(town: Town) -> None:
    """Unless one that a death broke off is still to go on."""
    if await _has_run(town):
        return
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=town.url, headers=headers, trust_env=False) as client:
        answer = await client.post("/sync-runs", json={"store": "main", "confirm": True})
    assert answer.status_code == 202, answer.text


async def _run_to_the_end(town: Town) -> None:
    await _ask_for_a_run(town)

    async def rests() -> bool:
        pending = town.world.sandbox.shop.webhooks.pending
        return not (pending or await _has_run(town) or await town.world.waiting())

    await wait_until(town.database_url, rests, "the end of the run", steps=LONG)


async def _live_until_death(town: Town, process: Process, random: Random, round_: int) -> None:
    """People order while a run is under way; it dies at one of the calls, or soon after."""
    left, dying = random.randint(FEWEST_CALLS, MOST_CALLS), asyncio.Event()

    async def count_down() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            dying.set()

    town.world.traffic.always = count_down
    await _ask_for_a_run(town)
    products = [str(product["id"]) for product in town.world.sandbox.shop.trade.products]
    for number in range(LIVE_ORDERS):
        billing = {**trade.ADDRESS, "email": f"live{round_}-{number}@mail.example"}
        lines = [(each, random.randint(1, 4)) for each in random.sample(products, 2)]
        trade.order(town.world, *lines, billing={**billing, "last_name": f"M{round_}-{number}"})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SOON):
            await dying.wait()
    town.world.traffic.always = None
    await process.kill()


async def _check(town: Town) -> None:
    """Each record has one twin, whole; each pair one row that tells of its creation."""
    world, crm = town.world, town.world.sandbox.crm
    assert {delivery.state for delivery in await world.deliveries()} == {DeliveryState.DONE}
    pairs = Counter(link.module for link in await world.links())
    told = Counter(row.module for row in await world.log() if row.outcome == "created")
    assert told == pairs
    emails = Counter(row["email"].casefold() for row in crm.records("Contacts"))
    assert pairs[Module.CONTACTS] == len(emails) == emails.total()
    names = Counter(row["accountname"].casefold() for row in crm.records("Accounts"))
    assert len(names) == names.total()
    skus = Counter(row["productcode"] for row in crm.records("Products"))
    assert len(skus) == skus.total() == pairs[Module.PRODUCTS] + 1
    assert await trade.off(world) == []
    assert pairs[Module.SALES_ORDERS] == len(trade.sales(world))
    for order in world.sandbox.shop.trade.orders:
        assert len(trade.lines(trade.sale(world, str(order.id)))) == len(order.lines)


async def _check_rest(town: Town) -> None:
    """With the service gone: nothing is held, nothing open, and nothing left to be written."""
    world = town.world

    async def is_free() -> bool:
        async with world.runtime.sessions() as session:
            held = select(Lease.key).where(Lease.expires_at > func.clock_timestamp())
            return await session.scalar(held.limit(1)) is None

    await wait_until(town.database_url, is_free, "leases that have run out")
    async with world.runtime.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Intent)) == 0
    world.sandbox.crm.workflows.callbacks.clear()
    world.traffic.reset()
    await world.settle_again()
    assert world.traffic.writes == {}


async def _play(url: str, folder: Path, *, kills: int, size: int, seed: int) -> None:
    data = shop_of(2 * size, size // 2, 3 * size, guests=True)
    async with open_town(url, folder, data=data) as town:
        town.world.sandbox.crm.install_addon()
        random = Random(seed)
        for module in Module:
            await town.world.set_policy(module=module)
        for round_ in range(kills):
            async with town.service() as process:
                await _live_until_death(town, process, random, round_)
        async with town.service():
            await _run_to_the_end(town)
            await _run_to_the_end(town)
        await _check(town)
        await _check_rest(town)


async def test_a_service_that_is_killed_while_the_addon_writes(
    emptied_database_url: str, tmp_path: Path
) -> None:
    await _play(emptied_database_url, tmp_path, kills=2, size=10, seed=14)


@pytest.mark.faults
async def test_a_service_that_is_killed_fifty_times_while_the_addon_writes(
    emptied_database_url: str, tmp_path: Path
) -> None:
    await _play(emptied_database_url, tmp_path, kills=50, size=40, seed=14)

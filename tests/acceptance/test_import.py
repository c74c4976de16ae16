"""A first import of a whole shop: killed in the middle, gone on with, and nothing made twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path

import httpx
import pytest

from app.domain import Module
from sandbox.woocommerce.shopdata import ShopData
from tests.acceptance.process import Process, wait_until
from tests.acceptance.shop_file import shop_of
from tests.acceptance.town import QUICK, Town, open_town
from tests.setting import TOKEN

pytestmark = pytest.mark.anyio

ALLOWED = 1.10
AROUND = 60
"""Calls of three starts of the service: logins, descriptions, settings, polls of an idle shop."""
HOUR = 36_000
SETTINGS = {"sync": {**QUICK["sync"], "poll_interval": HOUR}}
LEFT_BY_THE_DEAD = 700
"""Calls of a page that was in hand: its records are settled one by one, each looked for first."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is to import; every customer buys, so each is an organization too."""

    customers: int
    products: int
    orders: int

    @property
    def records(self) -> int:
        return self.customers + self.products + self.orders

    @property
    def minimum(self) -> int:
        """The calls that docs/performance.md tells of, both systems together."""
        pages = sum(ceil(each / 100) for each in (self.customers, self.products, self.orders))
        creates = self.records + min(self.customers, self.orders)
        accounts = ceil(self.orders / 100) + ceil(self.customers / 100)
        return creates + 2 * pages + 6 + pages + accounts + pages + AROUND


@asynccontextmanager
async def shop(url: str, folder: Path, data: ShopData) -> AsyncIterator[Town]:
    async with open_town(url, folder, SETTINGS, data=data, hooks=False) as town:
        yield town


async def ask(town: Town, method: str, path: str, **body: object) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=town.url, headers=headers, trust_env=False) as client:
        answer = await client.request(method, path, json=body or None)
    assert answer.status_code < 300, answer.text
    found: dict[str, object] = answer.json()
    return found


async def kill_at(town: Town, process: Process, creates: int) -> None:
    """As soon as Vtiger has been asked for so many creates."""
    reached = asyncio.Event()

    async def look() -> None:
        if town.world.traffic.writes["vtiger create"] >= creates:
            reached.set()

    town.world.traffic.always = look
    await reached.wait()
    await process.kill()
    town.world.traffic.always = None


async def has_ended(town: Town, run_id: object) -> bool:
    run = await ask(town, "GET", f"/sync-runs/{run_id}")
    return run["state"] == "done" and run["waiting"] == 0


async def import_all(town: Town, size: Size, *, kills: int) -> dict[str, object]:
    """The run as it ended; the service dies several times on the way."""
    async with town.service() as process:
        run_id = (await ask(town, "POST", "/sync-runs", store="main", confirm=True))["id"]
        await kill_at(town, process, size.records // (kills + 1))
    for part in range(2, kills + 1):
        async with town.service() as process:
            await kill_at(town, process, size.records * part // (kills + 1))
    async with town.service():
        ended = partial(has_ended, town, run_id)
        await wait_until(town.database_url, ended, "the end", steps=HOUR)
        return await ask(town, "GET", f"/sync-runs/{run_id}")


async def check(town: Town, size: Size, ended: dict[str, object]) -> None:
    """Each record has one twin, each pair one row that tells of its creation."""
    crm, links = town.world.sandbox.crm, await town.world.links()
    pairs = Counter(link.module for link in links)
    assert pairs[Module.CONTACTS] == len(crm.records("Contacts")) == size.customers
    assert pairs[Module.SALES_ORDERS] == len(crm.records("SalesOrder")) == size.orders
    assert pairs[Module.PRODUCTS] == len(crm.records("Products")) - 1 == size.products
    names = [row["accountname"].casefold() for row in crm.records("Accounts")]
    assert len(names) == len(set(names))
    told = Counter(row.module for row in await town.world.log() if row.outcome == "created")
    assert told == pairs
    outcomes = ended["outcomes"]
    assert isinstance(outcomes, dict)
    assert outcomes["failed"] == 0


async def play(url: str, folder: Path, size: Size, *, kills: int) -> None:
    async with shop(url, folder, shop_of(size.customers, size.products, size.orders)) as town:
        ended = await import_all(town, size, kills=kills)
        await check(town, size, ended)
        traffic = town.world.traffic
        calls = traffic.reads.total() + traffic.writes.total()
        assert calls <= size.minimum * ALLOWED + kills * LEFT_BY_THE_DEAD
        batches = sum(
            traffic.writes[f"POST {each}"] for each in ("customers", "products", "orders")
        )
        assert batches <= size.records // 100 + 3 + 2 * kills


async def test_a_small_shop_with_a_death_on_the_way(
    emptied_database_url: str, tmp_path: Path
) -> None:
    await play(emptied_database_url, tmp_path, Size(40, 12, 26), kills=1)


@pytest.mark.faults
async def test_a_large_shop_with_deaths_on_the_way(
    emptied_database_url: str, tmp_path: Path
) -> None:
    await play(emptied_database_url, tmp_path, Size(10_000, 5_000, 10_000), kills=3)

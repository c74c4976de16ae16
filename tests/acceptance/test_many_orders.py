"""Orders of people and goods that Vtiger does not know, worked on by four processes at once.

The hints come in random order and twice; every order needs a person, an Account and products
that others need at the same moment.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import orjson
import pytest

from app.domain import utc_now
from app.inbox.repository import count_open
from app.queue import count_workers
from app.vtiger.schemas import fold
from sandbox.woocommerce.delivery import Outbound
from tests.acceptance.process import NeverCame, wait_until
from tests.acceptance.town import Town, open_town
from tests.goods import listed, product, rate, variable, variation
from tests.setting import LONG_WEBHOOK_SECRET, STORE
from tests.trade import ADDRESS, lines, off, order, sales
from tests.world import World

pytestmark = pytest.mark.anyio

WORKERS = 4
AT_ONCE = 16
SETTINGS = {"sync": {"poll_interval": 3600, "retry_base_delay": 0.2}}


def _goods(world: World, count: int) -> list[str]:
    """Simple products, and every fifth a variation."""
    shirt = variable(world, "Shirt")
    return [
        variation(world, shirt, "Red", "S", sku=f"SKU-{n}", regular_price=f"{n}.49")
        if n % 5 == 0
        else product(world, name=f"P{n}", sku=f"SKU-{n}", regular_price=f"{n}.99")
        for n in range(count)
    ]


async def _fill(world: World, chance: Random, orders: int) -> None:
    """A shop that nobody has synced; it tells of nothing while it is filled."""
    webhooks = world.sandbox.shop.webhooks.all()
    for webhook in webhooks:
        webhook.status = "paused"
    rate(world, "VAT 20", "20.0000")
    rate(world, "Eco", "2.5000", priority=2, compound=True)
    goods = _goods(world, 10 + orders // 10)
    some = 5 + orders // 8
    people = [await world.customer(f"c{n}@x.example", last_name=f"C{n}") for n in range(some)]
    for _ in range(orders):
        bought = [(one, chance.randint(1, 5)) for one in chance.sample(goods, chance.randint(1, 4))]
        email = f"{chance.choice('gG')}{chance.randrange(some)}@x.example"
        guest = {**ADDRESS, "last_name": email, "email": email}
        buyer = chance.choice(
            ({"customer_id": int(chance.choice(people)), "billing": ADDRESS}, {"billing": guest})
        )
        order(world, *bought, **buyer)
    for webhook in webhooks:
        webhook.status = "active"


async def _told(world: World, chance: Random) -> list[Outbound]:
    """What the shop would have sent of its orders, each twice, in any order."""
    sent = []
    async for each in world.runtime.stores[STORE].each_order():
        body = orjson.dumps(each.data)
        for number, topic in enumerate(("order.created", "order.updated"), start=1):
            told = Outbound("", number, topic, LONG_WEBHOOK_SECRET, body, "http://shop", utc_now())
            sent += [told, told]
    chance.shuffle(sent)
    return sent


async def _post(town: Town, sent: Sequence[Outbound]) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def post(each: Outbound) -> int:
        async with turns:
            url = f"{town.url}/webhooks/woocommerce/{STORE}"
            answer = await client.post(url, content=each.body, headers=each.headers())
            return answer.status_code

    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        statuses = await asyncio.gather(*map(post, sent))
    assert set(statuses) <= {200, 202}


@asynccontextmanager
async def _four_workers(town: Town) -> AsyncIterator[None]:
    """Four processes, one of them the service itself."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(town.service())
        for _ in range(WORKERS - 1):
            await stack.enter_async_context(town.worker())
        await wait_until(town.database_url, lambda: _living(town.world), "four workers")
        yield


async def _living(world: World) -> bool:
    async with world.runtime.sessions() as session:
        return await count_workers(session, 10) == WORKERS


async def _come_to_rest(town: Town) -> None:
    """As long as it takes, while something is settled each minute."""
    rows = -1
    while (now := len(await town.world.log())) > rows:
        rows = now
        with contextlib.suppress(NeverCame):
            return await wait_until(town.database_url, lambda: _rests(town.world), "rest")
    raise NeverCame(str(await town.world.waiting()))


async def _rests(world: World) -> bool:
    async with world.runtime.sessions() as session:
        counts = await count_open(session)
    return not (counts["pending"] + counts["processing"] or world.sandbox.shop.webhooks.pending)


async def _check(world: World, orders: int) -> None:
    assert len(sales(world)) == orders
    assert await off(world) == []
    assert all(row["contact_id"] and lines(row) for row in sales(world))
    assert _doubled(row["email"].casefold() for row in world.contacts()) == []
    assert _doubled(row["productcode"] for row in listed(world)) == []
    assert _doubled(fold(name) for name in world.accounts()) == []
    assert await _strangers(world) == []
    outcomes = Counter(row.outcome for row in await world.log())
    assert outcomes["failed"] == 0


def _doubled(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


async def _strangers(world: World) -> list[str]:
    """Orders that are somebody else's in Vtiger."""
    emails = {row["id"]: row["email"].casefold() for row in world.contacts()}
    owners = {row["vtiger_purchaseorder"]: emails[row["contact_id"]] for row in sales(world)}
    shop = world.runtime.stores[STORE]
    customers = {one.id: one.text("email") async for one in shop.each_customer(role="customer")}
    return [
        each.id
        async for each in shop.each_order()
        if owners[f"WC-{STORE}-{each.id}"]
        != (customers.get(each.customer_id or "") or each.text("billing", "email")).casefold()
    ]


@pytest.mark.parametrize("orders", [16, pytest.param(1000, marks=pytest.mark.faults)])
async def test_each_order_is_made_once_by_whoever_comes_first(
    emptied_database_url: str, tmp_path: Path, orders: int
) -> None:
    async with open_town(emptied_database_url, tmp_path, SETTINGS) as town:
        chance = Random(orders)
        await _fill(town.world, chance, orders)
        sent = await _told(town.world, chance)
        async with _four_workers(town):
            await _post(town, sent)
            await _come_to_rest(town)
        await _check(town.world, orders)

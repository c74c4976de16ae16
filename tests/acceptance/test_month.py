"""A real shop's month, delivered in order, shuffled and doubled, ends in the same agreement.

The shop is as it was in the end; a full comparison run finds what no delivery told of.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import func, select

from app.domain import DeliveryState, Module, Outcome
from app.modules.context import ensure_setup
from app.sync.runs.comparison import Plan, compare_store
from app.sync.runs.requests import modules_of
from app.synclog.models import EntryDelivery
from tests.acceptance.ledger import open_ledger
from tests.acceptance.month import Sent, month_end, stream
from tests.acceptance.snapshot import snapshot
from tests.conftest import new_database
from tests.goods import currency
from tests.running import run
from tests.setting import SERVICE, STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

AT_ONCE = 200
FEW = 12


@asynccontextmanager
async def _open(url: str, *, every: int = 1) -> AsyncIterator[World]:
    """The shop at the end of its month, and a CRM that has the shop's currencies."""
    async with open_world(url, month_end(every=every)) as world:
        for code in ("USD", "JPY"):
            currency(world, code)
        await ensure_setup(world.runtime)
        yield world


async def _post(world: World, sent: Sequence[Sent]) -> None:
    """The stream comes in portions, each of which is worked on before the next."""
    statuses: Counter[int] = Counter()
    url = f"{SERVICE}/webhooks/woocommerce/{STORE}"
    async with httpx.AsyncClient(transport=world.doorway) as client:
        for start in range(0, len(sent), AT_ONCE):
            for each in sent[start : start + AT_ONCE]:
                answer = await client.post(url, content=each.body, headers=dict(each.headers))
                statuses[answer.status_code] += 1
            await world.step()
    await world.settle()
    assert set(statuses) <= {200, 202}


async def compare_all(world: World) -> None:
    """The full comparison run."""
    await run(world)
    await world.settle()


async def check(world: World) -> None:
    await _check_log(world)
    assert await (await open_ledger(world)).faults() == []
    assert await _differing(world) == []
    world.traffic.reset()
    await compare_all(world)
    assert world.traffic.writes == {}


async def _differing(world: World) -> list[str]:
    """By the mapping, field by field, totals to the cent; what Vtiger had before is its own."""
    return [
        f"{module} {compared.plan} {compared.label}: {compared.skip} {compared.unexplained}"
        for module in await modules_of(world.runtime, STORE)
        async for compared in compare_store(world.runtime, STORE, module=module)
        if not compared.agrees and not (compared.plan is Plan.SKIP and compared.woo_id is None)
    ]


async def _check_log(world: World) -> None:
    """Each delivery ended at one row."""
    deliveries = await world.deliveries()
    assert {delivery.state for delivery in deliveries} == {DeliveryState.DONE}
    rows = {row.id: row for row in await world.log()}
    assert {delivery.sync_log_id for delivery in deliveries} <= set(rows)
    async with world.runtime.sessions() as session:
        tied = await session.scalar(select(func.count(EntryDelivery.delivery_id.distinct())))
    assert tied == len(deliveries)
    assert Outcome.FAILED not in {row.outcome for row in rows.values()}


async def test_a_few_of_its_orders_shuffled_and_doubled(emptied_database_url: str) -> None:
    async with _open(emptied_database_url, every=FEW) as world:
        await _post(world, stream(seed=4, doubled=True, every=FEW))
        await compare_all(world)
        await check(world)


async def test_customers_shuffled_and_doubled(emptied_database_url: str) -> None:
    """What tells of contacts alone."""
    sent = [each for each in stream(seed=4, doubled=True) if each.resource == "customer"]
    async with open_world(emptied_database_url, month_end()) as world:
        await world.sync_only(Module.CONTACTS)
        await _post(world, sent)

        assert (await world.people()).faults() == []
        assert len(world.contacts()) == len(month_end().customers)


@pytest.fixture(scope="module")
def other_database_url(admin_url: str, template: str) -> Iterator[str]:
    with new_database(admin_url, template) as url:
        yield url


@pytest.fixture(scope="module")
async def in_order(other_database_url: str) -> dict[str, object]:
    """What Vtiger holds when everything came once, and in order."""
    async with _open(other_database_url) as world:
        await _post(world, stream())
        await compare_all(world)
        await check(world)
        return snapshot(world)


@pytest.mark.faults
@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_any_order_ends_as_the_real_one(
    emptied_database_url: str, in_order: dict[str, object], seed: int, doubled: bool
) -> None:
    async with _open(emptied_database_url) as world:
        await _post(world, stream(seed=seed, doubled=doubled))
        await compare_all(world)
        await check(world)
        found = snapshot(world)

    for part, held in in_order.items():
        assert found[part] == held, part

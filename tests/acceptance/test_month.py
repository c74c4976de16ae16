"""A real shop's month, delivered in order, shuffled and doubled, ends as the same contacts.

The other modules are switched off, and say so.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random

import httpx
import pytest
from sqlalchemy import func, select

from app.inbox.models import DeliveryState
from app.records import Module, Outcome
from app.synclog.models import EntryDelivery
from tests.acceptance.month import Sent, month_deliveries, month_end
from tests.setting import SERVICE, STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

AT_ONCE = 200


async def _post(world: World, stream: Sequence[Sent]) -> Counter[int]:
    """The stream comes in portions, each of which is worked on before the next."""
    for module in set(Module) - {Module.CONTACTS}:
        await world.set_policy(module=module, enabled=False)
    statuses: Counter[int] = Counter()
    url = f"{SERVICE}/webhooks/woocommerce/{STORE}"
    async with httpx.AsyncClient(transport=world.doorway) as client:
        for start in range(0, len(stream), AT_ONCE):
            for sent in stream[start : start + AT_ONCE]:
                headers = dict(sent.headers)
                answer = await client.post(url, content=sent.body, headers=headers)
                statuses[answer.status_code] += 1
            await world.step()
    await world.settle()
    return statuses


async def _check(world: World, statuses: Counter[int]) -> None:
    assert set(statuses) == {200, 202}
    await _check_contacts(world)
    await _check_log(world)


async def _check_contacts(world: World) -> None:
    people = await world.people()
    assert people.faults() == []
    assert len(people.vtiger) == len(month_end().customers)


async def _check_log(world: World) -> None:
    deliveries = await world.deliveries()
    assert {delivery.state for delivery in deliveries} == {DeliveryState.DONE}
    rows = {row.id: row for row in await world.log()}
    assert {delivery.sync_log_id for delivery in deliveries} == set(rows)
    async with world.runtime.sessions() as session:
        tied = await session.scalar(select(func.count()).select_from(EntryDelivery))
    assert tied == len(deliveries)
    others = {(row.module is None, row.reason) for row in rows.values() if row.module != "contacts"}
    assert others <= {(True, "filtered"), (False, "module_off")}
    created = [row for row in rows.values() if row.outcome == Outcome.CREATED]
    assert len(created) == len(month_end().customers)


def _stream(*, seed: int | None, doubled: bool) -> list[Sent]:
    stream = [sent for sent in month_deliveries() for _ in range(2 if doubled else 1)]
    if seed is not None:
        Random(seed).shuffle(stream)
    return stream


async def test_in_order(emptied_database_url: str) -> None:
    async with open_world(emptied_database_url, month_end()) as world:
        await _check(world, await _post(world, _stream(seed=None, doubled=False)))


@pytest.mark.faults
@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_in_any_order(emptied_database_url: str, seed: int, doubled: bool) -> None:
    async with open_world(emptied_database_url, month_end()) as world:
        await _check(world, await _post(world, _stream(seed=seed, doubled=doubled)))


async def test_customers_shuffled_and_doubled(emptied_database_url: str) -> None:
    """What tells of contacts alone."""
    stream = [sent for sent in _stream(seed=4, doubled=True) if _tells_of_customer(sent)]
    async with open_world(emptied_database_url, month_end()) as world:
        await _check(world, await _post(world, stream))


def _tells_of_customer(sent: Sent) -> bool:
    return dict(sent.headers).get("X-WC-Webhook-Resource") == "customer"

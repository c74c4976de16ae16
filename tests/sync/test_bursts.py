"""Many hints at once: those of one record end in one write, and none waits for another record."""

from collections.abc import AsyncIterator, Sequence
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.domain import Event, Module, Origin, Record, System
from app.inbox.repository import NewDelivery
from tests.setting import STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

AT_ONCE = 500
LOOSE = "SELECT count(*) FROM deliveries WHERE state <> 'done' OR sync_log_id IS NULL"
TWICE = """
SELECT count(*) FROM (
    SELECT delivery_id FROM sync_log_deliveries JOIN sync_log ON sync_log.id = entry_id
    WHERE target = 'vtiger' GROUP BY delivery_id HAVING count(*) > 1
) AS twice
"""
ATTEMPTS = "SELECT coalesce(sum(attempts), 0) FROM deliveries"


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url) as opened:
        yield opened


async def crowded(world: World, number: int) -> list[str]:
    """So many customers, all in agreement with their contacts."""
    ids = [await world.customer(f"p{n}@shop.example", last_name=f"P{n}") for n in range(number)]
    await world.settle()
    await world.forget_hints()
    await world.forget_log()
    world.later()
    world.traffic.reset()
    return ids


async def hint(world: World, customer_ids: Sequence[str]) -> None:
    hints = [
        NewDelivery(
            Record(STORE, System.WOOCOMMERCE, Module.CONTACTS, customer_id),
            Origin.WEBHOOK,
            Event.UPDATED,
            uuid4().hex,
        )
        for customer_id in customer_ids
    ]
    for start in range(0, len(hints), AT_ONCE):
        await world.runtime.acceptor.accept(hints[start : start + AT_ONCE])


async def count(world: World, statement: str) -> int:
    async with world.runtime.sessions() as session:
        return int(await session.scalar(text(statement)) or 0)


async def assert_told_once(world: World) -> None:
    """Each hint ended, and one row for Vtiger tells how."""
    assert await count(world, LOOSE) == 0
    assert await count(world, TWICE) == 0


async def test_a_burst_for_one_record_ends_in_one_write(world: World) -> None:
    [customer_id] = await crowded(world, 1)
    for number in range(30):
        world.edit_customer(customer_id, billing={"city": f"City {number}"})
        await world.sandbox.shop.webhooks.flush()
    await world.settle()

    assert world.traffic.writes["vtiger revise"] == 1
    assert world.contacts()[0]["mailingcity"] == "City 29"
    await assert_told_once(world)


async def test_a_record_that_is_told_again_while_it_is_written_is_looked_at_again(
    world: World,
) -> None:
    [customer_id] = await crowded(world, 1)

    async def edits() -> None:
        world.edit_customer(customer_id, billing={"city": "Second"})
        await world.sandbox.shop.webhooks.flush()

    world.traffic.before["vtiger revise"] = edits
    world.edit_customer(customer_id, billing={"city": "First"})
    await world.settle()

    assert world.contacts()[0]["mailingcity"] == "Second"
    await assert_told_once(world)


async def test_a_record_that_waits_holds_up_no_other(world: World) -> None:
    """Its write fails again and again; hints of others that came later end meanwhile."""
    first, *others = await crowded(world, 4)
    contact = next(row for row in world.contacts() if row["lastname"] == "P0")
    world.sandbox.crm_faults.fail("POST", contact["id"], times=100, status=500)
    for customer_id in (first, *others):
        world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    for _ in range(2):
        await world.step()

    waiting = {hint.record_id for hint in await world.deliveries() if hint.state != "done"}
    assert waiting == {first}
    assert sum(row["mailingcity"] == "Lyon" for row in world.contacts()) == 3
    world.sandbox.crm_faults.clear()
    await world.settle()
    await assert_told_once(world)


@pytest.mark.parametrize(
    ("hot", "all_hints", "records"),
    [(40, 200, 10), pytest.param(2000, 10_000, 100, marks=pytest.mark.faults)],
)
async def test_one_record_with_a_fifth_of_all_hints(
    world: World, hot: int, all_hints: int, records: int
) -> None:
    """It costs one write, and no more reads than the others."""
    first, *others = await crowded(world, records)
    for customer_id in (first, *others):
        world.edit_customer(customer_id, billing={"city": "Lyon"})
    told = [first] * hot + [others[n % len(others)] for n in range(all_hints - hot)]
    Random(1).shuffle(told)
    await hint(world, told)
    await world.settle()

    assert world.traffic.writes["vtiger revise"] == records
    assert world.traffic.reads["GET customers"] <= 3 * records
    assert {row["mailingcity"] for row in world.contacts()} == {"Lyon"}
    await assert_told_once(world)


@pytest.mark.parametrize(
    ("hints", "records"), [(200, 10), pytest.param(10_000, 200, marks=pytest.mark.faults)]
)
async def test_a_burst_after_an_outage(world: World, hints: int, records: int) -> None:
    """Nothing was tried while the CRM was down, and each record costs one write when it is back."""
    ids = await crowded(world, records)
    world.sandbox.crm_faults.fail(times=1_000_000)
    for customer_id in ids:
        world.edit_customer(customer_id, billing={"city": "Lyon"})
    await hint(world, ids[:3])
    await world.step()
    await hint(world, [ids[n % records] for n in range(hints)])
    for _ in range(3):
        assert await world.step() == 0
    assert await count(world, ATTEMPTS) <= 3
    assert world.traffic.writes == {}

    world.sandbox.crm_faults.clear()
    await world.settle()
    assert world.traffic.writes["vtiger revise"] == records
    assert {row["mailingcity"] for row in world.contacts()} == {"Lyon"}
    await assert_told_once(world)

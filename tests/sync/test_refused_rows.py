"""A row that the database refuses fails for its own record; all others go on."""

import pytest

from app.domain import DeliveryState, Module, Outcome
from app.runs.models import RunState
from app.sync.polling import poll
from tests.refusals import refusing
from tests.running import run
from tests.world import World

pytestmark = pytest.mark.anyio


async def customers(world: World, count: int) -> list[str]:
    ids = [
        await world.customer(f"c{each}@shop.example", last_name=f"C{each}") for each in range(count)
    ]
    world.sandbox.shop.webhooks.pending.clear()
    return ids


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("deliveries", "record_id", "{id}"),
        ("intents", "record_key", "main:contacts:woocommerce:{id}"),
        ("links", "woo_id", "{id}"),
        ("sync_log", "label", "C1 <c1@shop.example>"),
    ],
)
async def test_in_a_run(world: World, table: str, column: str, value: str) -> None:
    first, bad, last = await customers(world, 3)
    async with refusing(world.runtime.sessions, table, column, value.format(id=bad)):
        done = await run(world, Module.CONTACTS)

    assert done.run.state == RunState.DONE
    assert {link.woo_id for link in await world.links()} >= {first, last}
    assert {row.source_id for row in await world.log(Outcome.CREATED)} == {first, last}
    failed = await world.log(Outcome.FAILED)
    assert bad in {row.source_id for row in failed}
    assert {(row.reason, row.run_id) for row in failed} == {("bug", done.run.id)}
    of_run = [each for each in await world.deliveries() if each.run_id is not None]
    assert all(each.settled_at for each in of_run)


async def test_in_a_run_where_not_even_the_failure_can_be_told(world: World) -> None:
    first, bad, last = await customers(world, 3)
    async with refusing(world.runtime.sessions, "sync_log", "source_id", bad):
        await run(world, Module.CONTACTS)

    assert {row.source_id for row in await world.log()} == {first, last}
    [dead] = [each for each in await world.deliveries() if each.state == DeliveryState.DEAD]
    assert (dead.record_id, dead.last_reason) == (bad, "bug")


async def test_a_webhook_whose_end_cannot_be_told_is_tried_no_more(world: World) -> None:
    bad = await world.customer("bad@shop.example", last_name="Bad")
    good = await world.customer("good@shop.example", last_name="Good")
    async with refusing(world.runtime.sessions, "sync_log", "source_id", bad):
        await world.settle()

    assert {row.source_id for row in await world.log(Outcome.CREATED)} == {good}
    states = {each.record_id: each.state for each in await world.deliveries()}
    assert (states[bad], states[good]) == (DeliveryState.DEAD, DeliveryState.DONE)


async def test_a_lease_that_the_database_refuses_fails_its_record(world: World) -> None:
    """Before any hint is claimed: left alone, it would be woken again at once, for ever."""
    bad = await world.customer("bad@shop.example", last_name="Bad")
    key = f"main:contacts:woocommerce:{bad}"
    async with refusing(world.runtime.sessions, "leases", "key", key):
        await world.settle()

    [row] = await world.log()
    assert (row.source_id, row.outcome, row.reason) == (bad, "failed", "bug")


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("deliveries", "record_id", "{id}"), ("sightings", "record_key", "{key}")],
)
async def test_a_poll_brings_up_the_others(
    world: World, table: str, column: str, value: str
) -> None:
    await poll(world.runtime)
    world.later(seconds=300)
    first, bad, last = await customers(world, 3)
    key = f"main:contacts:woocommerce:{bad}"
    async with refusing(world.runtime.sessions, table, column, value.format(id=bad, key=key)):
        await poll(world.runtime)
        await world.settle()

    assert {row.source_id for row in await world.log(Outcome.CREATED)} >= {first, last}

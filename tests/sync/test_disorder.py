"""Hints in the wrong order, twice, at once, about our own writes; and clocks that are wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from app.domain import DeliveryState, Outcome, utc_now
from app.inbox.models import Wakeup
from app.runtime import Runtime
from app.sync.pipeline import Dispatcher, drain
from tests.world import World

pytestmark = pytest.mark.anyio

MOST_ROUNDS = 40


async def test_a_deletion_that_comes_before_the_creation_leaves_nothing(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    created = world.sent()
    await world.forget_hints()
    world.delete_customer(customer_id)
    await world.sandbox.shop.webhooks.flush()
    await world.settle()
    for outbound in created:
        assert await world.send(outbound) == 202
        await world.settle()

    assert world.contacts() == []
    assert {each[1:] for each in await world.told()} == {("skipped", "not_found")}


async def test_a_deletion_told_before_a_record_was_made_does_not_hold_it_up(world: World) -> None:
    """The hint is late or wrong: the record is there."""
    await world.set_policy(delete_policy="propagate")
    world.sandbox.shop.webhooks.emit("customer.deleted", 2)
    await world.settle()
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    assert customer_id == "2"
    world.sandbox.shop.webhooks.emit("customer.deleted", 2)
    await world.settle()

    assert [row["lastname"] for row in world.contacts()] == ["Müller"]
    assert (await world.people()).faults() == []


async def test_the_same_delivery_many_times_at_once_is_one_contact(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    [first, *_] = world.sent()
    await world.forget_hints()
    statuses = await asyncio.gather(*(world.send(first) for _ in range(20)))
    waiting = await world.deliveries()
    await world.settle()

    assert sorted(statuses) == [200] * 19 + [202]
    assert [each.duplicates for each in waiting] == [19]
    assert len(world.contacts()) == 1
    assert [row.outcome for row in await world.log(Outcome.CREATED)] == ["created"]


async def test_the_same_delivery_while_it_is_worked_on_is_one_contact(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    [first, *_] = world.sent()

    async def again() -> None:
        await world.send(first)

    world.traffic.before["vtiger create"] = again
    await world.settle()

    assert len(world.contacts()) == 1
    assert len(await world.log(Outcome.CREATED)) == 1


async def test_echoes_end(world: World) -> None:
    """Both systems tell of each of our writes; each edit is one write, and then it is quiet."""
    customer_id = await world.customer("zoe@shop.example", last_name="M", billing={"city": "A"})
    await world.settle()
    [link] = await world.links()
    for number in range(4):
        world.later()
        world.traffic.reset()
        world.edit_customer(customer_id, billing={"city": f"Shop {number}"})
        await world.edit_contact(link.vtiger_id, phone=f"{number}")
        await world.settle()
        assert sum(world.traffic.writes.values()) == 2, number
    world.traffic.reset()
    await world.settle_again()

    assert world.traffic.writes == {}


async def test_a_stale_delivery_undoes_nothing(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="M", billing={"city": "Old"})
    await world.settle()
    stale = world.sent()[-1]
    for city in ("Newer", "Newest"):
        world.later()
        world.edit_customer(customer_id, billing={"city": city})
        await world.settle()
    for _ in range(2):
        await world.send(stale)
        await world.settle()

    assert [row["mailingcity"] for row in world.contacts()] == ["Newest"]
    assert (await world.get_customer(customer_id))["billing"]["city"] == "Newest"


def running(ahead: timedelta) -> Callable[[], datetime]:
    return lambda: utc_now() + ahead


@pytest.mark.parametrize("jump", [timedelta(days=30), timedelta(days=-30)])
async def test_a_clock_that_jumps_gives_nothing_up_and_loses_nothing(
    world: World, jump: timedelta
) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="M", billing={"city": "A"})
    await world.settle()
    world.later()
    world.edit_customer(customer_id, billing={"city": "B"})
    await world.sandbox.shop.webhooks.flush()
    world.runtime = replace(world.runtime, clock=running(jump))
    world.sandbox.crm_faults.fail(times=1000)
    for _ in range(3):
        await world.step()
    assert {each.state for each in await world.deliveries()} == {"done", "pending"}
    world.sandbox.crm_faults.clear()
    await world.settle()

    assert [row["mailingcity"] for row in world.contacts()] == ["B"]
    states = {each.state for each in await world.deliveries()}
    assert states == {DeliveryState.DONE}


async def test_workers_whose_clocks_differ_by_hours_agree(world: World) -> None:
    """What matters goes by the database's clock, or by the remote's own stamps."""
    await world.set_policy(delete_policy="propagate")
    workers = [replace(world.runtime, clock=running(timedelta(hours=hours))) for hours in (-3, 3)]
    ids = [
        await world.customer(f"p{number}@shop.example", last_name="P", billing={"city": "A"})
        for number in range(8)
    ]
    await _together(world, workers)
    world.later()
    for number, customer_id in enumerate(ids):
        world.edit_customer(customer_id, billing={"city": f"City {number}"})
    for link in await world.links():
        await world.edit_contact(link.vtiger_id, phone="5")
    await _together(world, workers)
    assert (await world.people()).faults() == []
    assert {row["phone"] for row in world.contacts()} == {"5"}
    assert len(world.contacts()) == len(ids)

    for customer_id in ids:
        world.delete_customer(customer_id)
    await _together(world, workers)
    held = [link for link in await world.links() if link.delete_held_at is not None]
    assert (len(world.contacts()), len(held)) == (3, 3), "one brake for both"


async def _together(world: World, workers: list[Runtime]) -> None:
    """Both workers go for each record at once, until all is quiet."""
    for _ in range(MOST_ROUNDS):
        sent = await world.sandbox.shop.webhooks.flush()
        await world.execute("UPDATE deliveries SET next_attempt_at = now() WHERE state = 'pending'")
        await Dispatcher(world.runtime).run_once()
        async with world.runtime.sessions() as session:
            woken = select(Wakeup.record_key).where(Wakeup.woken_at.is_not(None))
            keys = (await session.scalars(woken)).all()
        drains = [drain(worker, key, owner=uuid4().hex) for key in keys for worker in workers]
        await asyncio.gather(*drains)
        if not keys and not sent:
            return
    raise AssertionError(f"never quiet: {await world.waiting()}")

"""What a person does to a pair while a worker has it in hand is not undone at the worker's end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.domain import DeliveryState, Module, Record, StaleState, System
from app.links.leases import hold
from app.privacy import Forgotten, forget
from app.sync.deletion import confirm_deletions
from tests.setting import STORE
from tests.sync.test_forgetting import traces
from tests.world import World

pytestmark = pytest.mark.anyio

EMAIL = "zoe@shop.example"
A_MOMENT = 0.3


async def registered(world: World) -> str:
    customer_id = await world.customer(EMAIL, last_name="Müller", billing={"phone": "555-0142"})
    await world.settle()
    world.later()
    return customer_id


def amid(world: World, call: str, act: Callable[[], Awaitable[object]]) -> list[asyncio.Task[None]]:
    """The act is begun while this call is under way, which goes on in any case."""
    begun: list[asyncio.Task[None]] = []

    async def run() -> None:
        await act()

    async def begin() -> None:
        begun.append(asyncio.create_task(run()))
        await asyncio.wait(begun, timeout=A_MOMENT)

    world.traffic.before[call] = begin
    return begun


async def test_who_is_forgotten_during_a_drain_stays_forgotten(world: World) -> None:
    customer_id = await registered(world)
    done: list[Forgotten] = []

    async def act() -> None:
        done.append(await forget(world.runtime.sessions, EMAIL))

    begun = amid(world, "vtiger revise", act)
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    await asyncio.gather(*begun)

    assert world.contacts()[0]["mailingcity"] == "Lyon"
    [link] = await world.links()
    assert link.forgotten_at is not None
    assert link.base == {}
    assert await traces(world, (EMAIL, "Müller", "555-0142", "Lyon")) == set()
    assert (done[0].links, done[0].waiting) == (1, 1), "Vtiger has told of our write by then"


async def test_a_hint_of_the_person_that_is_not_settled_is_told(world: World) -> None:
    customer_id = await registered(world)
    await world.hint_customer(customer_id)

    await world.execute("UPDATE deliveries SET state = 'processing' WHERE state = 'pending'")

    assert (await forget(world.runtime.sessions, EMAIL)).waiting == 1


async def test_a_person_in_other_hands_for_long_is_not_half_forgotten(world: World) -> None:
    customer_id = await registered(world)
    key = Record(STORE, System.WOOCOMMERCE, Module.CONTACTS, customer_id).key
    before = await traces(world, (EMAIL,))
    async with hold(world.runtime.sessions, [key], owner="another worker", seconds=60):
        with pytest.raises(StaleState, match="nothing was erased"):
            await forget(world.runtime.sessions, EMAIL, wait_seconds=0)

    assert await traces(world, (EMAIL,)) == before


async def test_what_is_confirmed_during_a_drain_stays_confirmed(world: World) -> None:
    await world.set_policy(delete_policy="propagate")
    ids = [await world.customer(f"p{n}@shop.example", last_name=f"P{n}") for n in range(6)]
    await world.settle()
    for customer_id in ids:
        world.delete_customer(customer_id)
    await world.settle()
    [held] = [link for link in await world.links() if link.delete_held_at]

    async def confirm() -> None:
        assert await confirm_deletions(world.runtime, STORE, Module.CONTACTS) == 1

    begun = amid(world, "GET customers", confirm)
    await world.hint_customer(held.woo_id)
    await world.step()
    await asyncio.gather(*begun)
    await world.settle()

    assert world.contacts() == []
    assert [link.delete_held_at for link in await world.links()] == [None] * 6


async def test_a_pair_that_was_changed_in_the_middle_is_read_anew(world: World) -> None:
    """By whoever goes without its lease."""
    customer_id = await registered(world)

    async def change() -> None:
        await world.execute(
            "UPDATE links SET base = '{}', forgotten_at = now(), version = version + 1"
        )

    world.traffic.before["vtiger revise"] = change
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    [link] = await world.links()
    assert link.forgotten_at is not None, "not written over"
    assert {row.outcome for row in await world.log()} == {"created", "unchanged"}
    await world.settle()

    assert {each.state for each in await world.deliveries()} == {DeliveryState.DONE}
    assert world.contacts()[0]["mailingcity"] == "Lyon"
    assert (await world.people()).faults() == []

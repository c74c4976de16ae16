"""What a drain costs the database, and drains that share a transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from app.db.session import transaction
from app.domain import DeliveryState, Direction, LeaseLost, Module, Outcome, System
from app.drains import Opened, WriteDown
from app.inbox.models import Wakeup
from app.inbox.repository import record_of
from app.links.models import Lease, Link
from app.sync.pipeline import Dispatcher
from app.sync.work import Result, build_entry
from tests.goods import product, rate
from tests.statements import Statements, counted
from tests.trade import edit, order
from tests.world import World

pytestmark = pytest.mark.anyio

TIMED = (" remotes ", "remote_turns", "INSERT INTO leases (", "SELECT leases.key")
"""What depends on how long a drain takes: the permits of its calls, and renewals of its lease."""


async def shop(world: World) -> tuple[str, str]:
    """A product and a customer that are known in both systems, after an order; their ids."""
    rate(world, "VAT 20", "20.0000")
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    customer = await world.customer("zoe@shop.example", last_name="Müller")
    order(world, (mug, 1), customer_id=int(customer))
    world.sandbox.crm.workflows.callbacks.clear()
    await world.settle()
    await world.forget_log()
    world.later()
    return mug, customer


async def count_drain(world: World, module: Module) -> Statements:
    """What the drain of the one record of the module sends that is hinted now."""
    await world.sandbox.shop.webhooks.flush()
    await Dispatcher(world.runtime).run_once()
    async with world.runtime.sessions() as session:
        woken = await session.scalars(select(Wakeup.record_key).where(Wakeup.woken_at.is_not(None)))
    [key] = [each for each in woken if f":{module}:" in each]
    with counted() as statements:
        await world.drain(key)
    return statements


async def test_an_order_that_changed_costs_three_transactions(market: World) -> None:
    mug, customer = await shop(market)
    order_id = order(market, (mug, 1), customer_id=int(customer))
    await market.settle()
    await market.forget_log()
    market.later()
    edit(market, order_id, status="completed")

    statements = await count_drain(market, Module.SALES_ORDERS)

    assert await market.told() == [(System.VTIGER, Outcome.UPDATED, None)]
    sent, commits = statements.without(*TIMED)
    assert sent <= 14, statements.sent
    assert commits <= 3, statements.commits


async def test_a_new_order_of_a_known_customer_costs_four_transactions(market: World) -> None:
    mug, customer = await shop(market)
    order(market, (mug, 1), customer_id=int(customer))

    statements = await count_drain(market, Module.SALES_ORDERS)

    assert await market.told() == [(System.VTIGER, Outcome.CREATED, None)]
    sent, commits = statements.without(*TIMED)
    assert sent <= 18, statements.sent
    assert commits <= 4, statements.commits


async def test_a_hint_that_changes_nothing_costs_two_transactions(market: World) -> None:
    customer_id = await market.customer("zoe@shop.example", last_name="Müller")
    await market.settle()
    await market.hint_customer(customer_id)
    await market.settle()  # now the settings have been read since the setup records were written
    await market.forget_log()
    await market.hint_customer(customer_id)

    statements = await count_drain(market, Module.CONTACTS)

    assert [outcome for _, outcome, _ in await market.told()] == [Outcome.UNCHANGED]
    sent, commits = statements.without(*TIMED)
    assert sent <= 11, statements.sent
    assert commits <= 2, statements.commits


async def test_settings_are_read_once_and_again_after_a_change(world: World) -> None:
    """The change comes from another process: only the database tells of it."""
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    for city, direction in (("Lyon", Direction.BOTH), ("Nice", Direction.VTIGER_TO_WOO)):
        await world.set_policy(direction=direction)
        world.later()
        world.edit_customer(customer_id, billing={"city": city})
        await world.forget_log()
        await world.settle()
        world.later()
        world.edit_customer(customer_id, billing={"city": f"{city} 2"})
        with counted() as statements:
            await world.settle()
        assert not [each for each in statements.sent if "FROM sync_settings" in each]

    assert world.contacts()[0]["mailingcity"] == "Lyon 2"


@asynccontextmanager
async def opened(world: World, *emails: str) -> AsyncIterator[list[Opened]]:
    """Drains of new customers, opened in one transaction. Each has two deliveries."""
    for email in emails:
        await world.customer(email, last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    keys = sorted({each.record_key for each in await world.deliveries()})
    async with AsyncExitStack() as stack:
        opening = [world.runtime.drains.open(key, uuid4().hex) for key in keys]
        with counted() as statements:
            found = await asyncio.gather(*map(stack.enter_async_context, opening))
        assert statements.without()[1] == 1
        yield list(found)


def end_of(drain: Opened, link: Link | None = None) -> WriteDown:
    record = record_of(drain.deliveries[-1])
    result = Result(System.VTIGER, Outcome.UNCHANGED, record.id)
    return WriteDown(
        drain.lease,
        link,
        entries=lambda saved: [build_entry(record, drain.deliveries, result, saved, 0.0)],
        deliveries=[each.id for each in drain.deliveries],
        settled_as=DeliveryState.DONE,
    )


async def states(world: World) -> list[str]:
    return sorted(each.state for each in await world.deliveries())


async def test_drains_that_end_together_share_a_transaction(world: World) -> None:
    async with opened(world, "a@shop.example", "b@shop.example", "c@shop.example") as drains:
        with counted() as statements:
            ends = [world.runtime.drains.write(end_of(each)) for each in drains]
            written = await asyncio.gather(*ends)

    assert statements.without()[1] == 1
    assert set(await states(world)) == {DeliveryState.DONE}
    assert [row.id for row in await world.log()] == [each.entries[0][0] for each in written]
    async with world.runtime.sessions() as session:
        assert (await session.scalars(select(Lease.key))).all() == []


async def test_a_drain_that_lost_its_lease_stops_no_other(world: World) -> None:
    async with opened(world, "a@shop.example", "b@shop.example") as (first, second):
        async with transaction(world.runtime.sessions) as session:
            stolen = text("UPDATE leases SET owner = 'thief' WHERE owner = :owner")
            await session.execute(stolen, {"owner": first.lease.owner})
        ends = [world.runtime.drains.write(end_of(each)) for each in (first, second)]
        lost, _ = await asyncio.gather(*ends, return_exceptions=True)

    assert isinstance(lost, LeaseLost)
    assert await states(world) == [DeliveryState.DONE] * 2 + [DeliveryState.PROCESSING] * 2
    assert len(await world.log()) == 1


async def test_a_drain_that_the_database_refuses_stops_no_other(world: World) -> None:
    taken = Link(store="main", module=Module.CONTACTS, woo_id="900", vtiger_id="12x900", base={})
    async with transaction(world.runtime.sessions) as session:
        session.add(taken)
    twin = Link(store="main", module=Module.CONTACTS, woo_id="901", vtiger_id="12x900", base={})
    async with opened(world, "a@shop.example", "b@shop.example") as (first, second):
        ends = [end_of(first, twin), end_of(second)]
        refused, _ = await asyncio.gather(
            *map(world.runtime.drains.write, ends), return_exceptions=True
        )

    assert isinstance(refused, Exception)
    assert await states(world) == [DeliveryState.DONE] * 2 + [DeliveryState.PROCESSING] * 2
    assert len(await world.log()) == 1

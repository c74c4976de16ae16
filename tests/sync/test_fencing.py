"""A worker that slept through its lease writes nothing down, whatever it had in hand, and whoever
works beside one that fails stops with it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from app.db.session import OUTAGES, Base, Session, Sessions, transaction
from app.domain import (
    DeliveryState,
    Direction,
    Event,
    LeaseLost,
    Module,
    Origin,
    Record,
    StaleState,
    System,
)
from app.inbox.repository import NewDelivery, record_of
from app.links.leases import PairLease, hold
from app.links.models import Intent, Link, OutboxMark, SetupRecord, Watermark
from app.links.repository import open_intent
from app.modules.context import Context, policy_of, prepare
from app.modules.registry import SPECS
from app.privacy import forget
from app.runs.models import Consent, RunDifference, RunState
from app.sync.deletion import confirm_deletions
from app.sync.polling import poll, save_mark
from app.sync.runs.execution import execute
from app.sync.runs.requests import get_progress
from app.sync.runs.settling import RunExecutor
from app.sync.sweep import Sweep
from app.synclog.models import Entry
from app.vtiger.addon import new_key
from tests import goods
from tests.running import begin
from tests.setting import STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

CONTACTS = Module.CONTACTS
REFUSED = b'{"success":false,"error":{"code":"MANDATORY_FIELDS_MISSING","message":"no name"}}'
RUN = "run:main"
RECORDS = "main:contacts:%"
EMAIL = "zoe@shop.example"


def take_over(world: World, keys: str = "%") -> Callable[[], Awaitable[None]]:
    """Another worker has these leases by now: their holder was silent for too long."""

    async def steal() -> None:
        await world.execute(
            "UPDATE leases SET owner = 'another worker',"
            " expires_at = now() + interval '1 hour' WHERE key LIKE :keys",
            keys=keys,
        )

    return steal


def before(world: World, call: str, act: Callable[[], Awaitable[object]], *, nth: int = 2) -> None:
    """The act happens before the nth call of this name."""

    async def earlier() -> None:
        before(world, call, act, nth=nth - 1)

    world.traffic.before[call] = act if nth == 1 else earlier


def before_each(world: World, call: str, act: Callable[[], Awaitable[object]]) -> None:
    """The act happens before every call of this name, so that none of several at once is carried
    out while the act for another is still in progress."""

    async def again() -> None:
        before_each(world, call, act)
        await act()

    world.traffic.before[call] = again


async def count(world: World, table: type[Base]) -> int:
    async with world.runtime.sessions() as session:
        return int(await session.scalar(select(func.count()).select_from(table)) or 0)


async def states(world: World) -> list[str]:
    return [each.state for each in await world.deliveries()]


async def pair(world: World) -> Link:
    """A customer whose pair is in agreement, and whose edit waits to be synced."""
    world.sandbox.crm.workflows.callbacks.clear()
    customer_id = await world.customer(EMAIL, last_name="M")
    await world.settle()
    world.later()
    await world.forget_log()
    await world.forget_hints()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    world.traffic.reset()
    [link] = await world.links()
    return link


async def new_customer(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    await world.customer(EMAIL, last_name="M")
    await world.sandbox.shop.webhooks.flush()
    world.traffic.reset()


async def test_a_hint_is_not_settled_after_the_lease(world: World) -> None:
    before = await pair(world)
    world.traffic.before["vtiger revise"] = take_over(world)
    await world.step()

    [link] = await world.links()
    assert (link.base, link.version) == (before.base, before.version + 1)
    assert link.attempted is not None, "whoever has the pair now finds what was being written"
    assert (await count(world, Entry), await states(world)) == (0, [DeliveryState.PROCESSING])


async def test_no_step_is_kept_after_the_lease(world: World) -> None:
    before = await pair(world)
    world.traffic.before["vtiger retrieve"] = take_over(world)
    await world.step()

    [link] = await world.links()
    assert (link.attempted, link.version) == (None, before.version)
    assert world.traffic.writes == {}
    assert await states(world) == [DeliveryState.PROCESSING]


async def test_no_pair_is_kept_after_the_lease(world: World) -> None:
    await new_customer(world)
    world.traffic.before["vtiger create"] = take_over(world)
    await world.step()

    assert await world.links() == []
    assert await count(world, Intent) == 1
    assert set(await states(world)) == {DeliveryState.PROCESSING}


async def test_no_create_is_begun_after_the_lease(world: World) -> None:
    await new_customer(world)
    world.traffic.before["vtiger query"] = take_over(world)
    await world.step()

    assert world.traffic.reads["vtiger query"] >= 1
    assert world.traffic.writes == {}
    assert await count(world, Intent) == 0


async def test_a_hint_is_not_given_back_after_the_lease(world: World) -> None:
    await pair(world)
    world.sandbox.crm_faults.fail("POST", "operation=revise")
    world.traffic.before["vtiger revise"] = take_over(world)
    await world.step()

    [hint] = await world.deliveries()
    assert (hint.state, hint.last_error) == (DeliveryState.PROCESSING, None)


async def test_a_failed_create_takes_no_intent_away_after_the_lease(world: World) -> None:
    """The one that is there may be the other worker's."""
    await new_customer(world)
    world.sandbox.crm_faults.fail("POST", "operation=create", status=200, body=REFUSED)
    world.traffic.before["vtiger create"] = take_over(world)
    await world.step()

    assert await count(world, Intent) == 1


async def test_a_refused_create_takes_no_intent_away_after_the_lease(world: World) -> None:
    """A product in the shop's trash keeps its SKU."""
    world.sandbox.shop.trade.product_book.trash(int(goods.product(world, name="Mug", sku="P")))
    world.sandbox.shop.webhooks.pending.clear()
    await world.sandbox.crm.ui_create(
        "Products", {"productname": "P", "productcode": "P", "unit_price": "5", "discontinued": "1"}
    )
    world.traffic.before["POST products"] = take_over(world)
    await world.step()

    assert world.traffic.writes["POST products"] == 1
    assert await count(world, Intent) == 1


async def test_an_intent_whose_key_is_unknown_stays_open_after_the_lease(world: World) -> None:
    """The other worker may be about to send it; the twin that was found is somebody else's."""
    world.sandbox.crm.install_addon()
    await world.runtime.vtiger.user_id()
    await new_customer(world)
    [hint, *_] = await world.deliveries()
    async with transaction(world.runtime.sessions) as session:
        await open_intent(session, record_of(hint), "", token=new_key())
    await world.contact(lastname="M", email=EMAIL)
    world.traffic.before["vtiger woosync_save"] = take_over(world)
    await world.step()

    assert world.traffic.writes["vtiger woosync_save"] == 1
    assert await count(world, Intent) == 1


async def test_nothing_is_buried_after_the_lease(world: World) -> None:
    """A record that is not there."""
    await new_customer(world)
    await world.forget_hints()
    assert await world.call_back({"record_id": "CON999"}) == 202
    world.traffic.before["vtiger query"] = take_over(world)
    await world.step()

    assert (await count(world, Entry), await states(world)) == (0, [DeliveryState.PROCESSING])


async def test_a_pair_is_not_parted_after_the_lease(world: World) -> None:
    """An order asks for the contact, which a person deleted; the shop's orders are the last that
    is read before the pair is parted."""
    await pair(world)
    [link] = await world.links()
    world.sandbox.crm.ui_delete(link.vtiger_id)
    record = Record(STORE, System.WOOCOMMERCE, CONTACTS, link.woo_id)
    hint = NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, uuid4().hex)
    await world.runtime.acceptor.accept([hint])
    world.traffic.before["GET orders"] = take_over(world)
    await world.step()

    assert world.traffic.reads["GET orders"] == 1
    assert [each.vtiger_id for each in await world.links()] == [link.vtiger_id]
    assert world.traffic.writes == {}


# Many records of a run at once


async def register(world: World, number: int) -> None:
    for each in range(number):
        await world.customer(f"c{each}@shop.example", last_name=f"C{each}")
    world.sandbox.shop.webhooks.pending.clear()
    world.sandbox.crm.workflows.callbacks.clear()


async def bring(world: World, system: System = System.WOOCOMMERCE) -> None:
    """A run's look at all contacts of a system, and what it does with those that are new."""
    runtime, started = world.runtime, await begin(world, CONTACTS)
    policy = await policy_of(runtime, STORE, CONTACTS)
    async with hold(runtime.sessions, [RUN], owner=uuid4().hex, seconds=60) as lease:
        listing = SPECS[CONTACTS].open_listing(Context(runtime, STORE, policy, lease))
        sweep = Sweep(runtime, STORE, listing, is_run=True)
        async for page in listing.each(system, None):
            await RunExecutor(runtime, started).settle(await sweep.find_changes(page), policy)


async def test_no_new_pairs_are_kept_after_the_lease(world: World) -> None:
    await register(world, 2)
    before_each(world, "vtiger create", take_over(world, RECORDS))
    await bring(world)

    assert await world.links() == []
    assert (await count(world, Intent), await count(world, Entry)) == (2, 0)
    assert await states(world) == [DeliveryState.PROCESSING] * 2


async def test_no_hints_are_taken_in_hand_after_the_lease(world: World) -> None:
    """They are left to the single way, where each waits for its record."""
    await register(world, 2)
    world.traffic.before["vtiger query"] = take_over(world, RECORDS)
    await bring(world)

    assert world.traffic.writes == {}
    assert [hint.attempts for hint in await world.deliveries()] == [0, 0]


async def test_no_further_creates_are_begun_after_the_lease(emptied_database_url: str) -> None:
    """Four at a time: the lease is lost with the first ones."""
    async with open_world(emptied_database_url, worker={"concurrency": 1}) as world:
        await register(world, 6)
        world.traffic.before["vtiger create"] = take_over(world, RECORDS)
        await bring(world)

        assert world.traffic.writes["vtiger create"] == 4
        assert await count(world, Intent) == 4


async def test_no_creates_are_told_after_the_lease(world: World) -> None:
    await register(world, 2)
    world.traffic.before["POST customers"] = take_over(world, RECORDS)
    await bring(world)

    assert (await count(world, Entry), len(await world.links())) == (0, 2)
    assert [link.woo_written_at for link in await world.links()] == [None, None]
    assert await states(world) == [DeliveryState.PROCESSING] * 2


async def test_what_is_left_to_the_single_way_is_not_given_back_after_the_lease(
    world: World,
) -> None:
    """The customer registers in the shop in the moment before we would."""
    world.sandbox.crm.workflows.callbacks.clear()
    await world.contact(lastname="C", email=EMAIL)

    async def register_and_steal() -> None:
        await world.customer(EMAIL, last_name="C")
        await take_over(world, RECORDS)()

    world.traffic.before["POST customers"] = register_and_steal
    await bring(world, System.VTIGER)

    assert await count(world, Intent) == 1
    [hint] = [each for each in await world.deliveries() if each.run_id is not None]
    assert (hint.state, hint.attempts) == (DeliveryState.PROCESSING, 1)


async def test_siblings_stop_when_the_database_is_gone(emptied_database_url: str) -> None:
    """Two at a time: once the lease is given back, none of the others is begun."""
    async with open_world(emptied_database_url, worker={"concurrency": 2}) as world:
        await register(world, 12)
        others = asyncio.all_tasks()
        started = begin(world, CONTACTS)
        run_id = (await started).id

        async def blip() -> None:
            await world.close_database(closed=True)

        world.traffic.before["vtiger create"] = blip
        with pytest.raises(OUTAGES):
            await execute(world.runtime, run_id)
        begun = world.traffic.writes["vtiger create"]
        await world.close_database(closed=False)
        left = {task for task in asyncio.all_tasks() - others if "_make_alone" in repr(task)}
        await asyncio.gather(*left, return_exceptions=True)

        assert left == set()
        assert begun == world.traffic.writes["vtiger create"] < 12


# Periodic work and runs


async def test_a_run_is_not_moved_on_after_the_lease(world: World) -> None:
    started = await begin(world, CONTACTS)
    world.traffic.before["GET customers"] = take_over(world)
    assert not await execute(world.runtime, started.id)

    run = (await get_progress(world.runtime, started.id)).run
    assert (run.state, run.cursor) == (RunState.RUNNING, {})


async def test_a_run_does_not_ask_after_the_lease(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    await world.set_policy(create_in_shop="all")
    await world.contact(lastname="Ruiz", email="ruiz@crm.example")
    started = await begin(world, CONTACTS, consent=Consent.NEEDED)
    world.traffic.before["GET customers"] = take_over(world)
    assert not await execute(world.runtime, started.id)

    run = (await get_progress(world.runtime, started.id)).run
    assert (run.state, run.expected) == (RunState.RUNNING, None)


async def test_what_was_looked_at_is_not_counted_after_the_lease(world: World) -> None:
    await register(world, 1)
    started = await begin(world, CONTACTS, direction=Direction.WOO_TO_VTIGER)
    world.traffic.before["vtiger create"] = take_over(world, RUN)
    assert not await execute(world.runtime, started.id)

    assert (await get_progress(world.runtime, started.id)).run.done == 0


async def test_a_run_does_not_end_after_the_lease(world: World) -> None:
    """It has nothing to look at: it counts twice, lists, and then only its end is left to be
    written down."""
    started = await begin(world, CONTACTS, direction=Direction.VTIGER_TO_WOO)
    before(world, "vtiger query", take_over(world), nth=3)
    assert not await execute(world.runtime, started.id)

    run = (await get_progress(world.runtime, started.id)).run
    assert (run.state, run.cursor["step"]) == (RunState.RUNNING, 0)


async def test_a_run_is_not_put_off_after_the_lease(world: World) -> None:
    started = await begin(world, CONTACTS, direction=Direction.VTIGER_TO_WOO)

    async def steal_and_fail() -> None:
        await take_over(world)()
        world.sandbox.crm_faults.fail("GET", "operation=query", times=9)

    before(world, "vtiger query", steal_and_fail)
    assert not await execute(world.runtime, started.id)

    assert (await get_progress(world.runtime, started.id)).run.state == RunState.RUNNING


async def test_no_differences_are_reported_after_the_lease(world: World) -> None:
    await register(world, 1)
    started = await begin(world, CONTACTS, dry_run=True)
    before(world, "GET customers", take_over(world))
    assert not await execute(world.runtime, started.id)

    assert await count(world, RunDifference) == 0


async def test_a_poll_reaches_no_mark_after_the_lease(world: World) -> None:
    await world.sync_only(CONTACTS)
    world.traffic.before["GET customers"] = take_over(world)
    await poll(world.runtime)

    async with world.runtime.sessions() as session:
        assert await session.get(Watermark, "main:contacts:woocommerce") is None


async def test_an_outbox_is_not_read_on_after_the_lease(world: World) -> None:
    await world.sync_only(CONTACTS)
    world.sandbox.crm.workflows.callbacks.clear()
    world.sandbox.crm.install_addon()
    await poll(world.runtime)
    await world.contact(lastname="New", email="new@crm.example")
    world.later(300)
    [before] = await marks(world)
    world.traffic.before["vtiger woosync_changes"] = take_over(world)
    await poll(world.runtime)

    assert [mark.sequence for mark in await marks(world)] == [before.sequence]


async def marks(world: World) -> Sequence[OutboxMark]:
    async with world.runtime.sessions() as session:
        return (await session.scalars(select(OutboxMark))).all()


async def test_what_was_made_for_orders_is_not_kept_after_the_lease(world: World) -> None:
    world.traffic.before["vtiger create"] = take_over(world)
    await prepare(world.runtime)

    assert await count(world, SetupRecord) == 0


# Commands


@dataclass(slots=True)
class Interrupted:
    """Sessions, of which the one with this number is opened only after something happened."""

    sessions: Sessions
    at: int
    act: Callable[[], Awaitable[object]]
    opened: int = field(default=0)

    def __call__(self) -> object:
        return self._open()

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Session]:
        self.opened += 1
        if self.opened == self.at:
            await self.act()
        async with self.sessions() as session:
            yield session


@pytest.mark.parametrize("at", [2, 4])
async def test_nobody_is_forgotten_after_the_lease(world: World, at: int) -> None:
    await pair(world)
    act = take_over(world)
    sessions = Interrupted(world.runtime.sessions, at, act)
    with pytest.raises(StaleState):
        await forget(cast(Sessions, sessions), EMAIL, wait_seconds=0)

    [link] = await world.links()
    assert link.forgotten_at is None


async def test_no_deletion_is_confirmed_after_the_lease(world: World) -> None:
    await pair(world)
    await world.execute("UPDATE links SET delete_held_at = now()")
    sessions = Interrupted(world.runtime.sessions, 3, take_over(world))
    runtime = replace(world.runtime, sessions=cast(Sessions, sessions))
    confirming = asyncio.create_task(confirm_deletions(runtime, STORE, CONTACTS))
    await asyncio.wait({confirming}, timeout=0.5)
    assert not confirming.done(), "it waits for the pair"
    confirming.cancel()
    await asyncio.wait({confirming})

    [link] = await world.links()
    assert (link.delete_held_at is not None, link.delete_confirmed_at) == (True, None)


async def test_no_mark_of_an_outbox_is_kept_after_the_lease(world: World) -> None:
    lease = PairLease(world.runtime.sessions, "slept", 60)
    await lease.extend(["upkeep:poll"])
    await world.execute(
        "INSERT INTO outbox_marks (key, installation, sequence, looked_at)"
        " VALUES ('k', 'theirs', 7, now())"
    )
    await take_over(world)()
    with pytest.raises(LeaseLost):
        await save_mark(world.runtime, CONTACTS, None, "k", lease=lease)

    assert await count(world, OutboxMark) == 1

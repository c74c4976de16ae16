"""What a worker does beside draining: webhooks healed, old rows dropped, polls by turns."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.db.session import transaction
from app.domain import Module, utc_now
from app.inbox.models import Delivery
from app.links.conflicts import Report, note
from app.links.leases import PairLease, hold
from app.links.models import Link
from app.links.repository import save_link
from app.modules.context import prepare, setup_ids
from app.sync.polling import poll
from app.sync.webhook_watch import watch_webhooks
from app.synclog.models import COMPACTED, Entry, Total
from app.synclog.totals import summary
from app.worker.upkeep import compact, prune
from tests.disputes import conflicts
from tests.setting import SERVICE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url, public_url=SERVICE) as opened:
        yield opened


def _active(world: World) -> Counter[str]:
    hooks = world.sandbox.shop.webhooks.all()
    return Counter(hook.topic for hook in hooks if hook.status == "active")


async def test_a_webhook_that_the_shop_gave_up_is_replaced(world: World) -> None:
    topics = _active(world)
    world.sandbox.shop.webhooks.all()[1].status = "disabled"
    await watch_webhooks(world.runtime)

    assert _active(world) == topics
    await world.customer("zoe@shop.example", last_name="M")
    await world.settle()
    assert len(world.contacts()) == 1


async def test_healthy_webhooks_are_left_alone(world: World) -> None:
    await watch_webhooks(world.runtime)

    assert world.traffic.writes == {}


async def test_where_no_webhook_was_installed_none_is(world: World) -> None:
    for hook in world.sandbox.shop.webhooks.all():
        world.sandbox.shop.webhooks.remove(hook)
    await watch_webhooks(world.runtime)

    assert world.traffic.writes == {}


async def test_workers_that_heal_at_once_install_nothing_twice(world: World) -> None:
    topics = _active(world)
    for hook in world.sandbox.shop.webhooks.all():
        hook.status = "disabled"
    await asyncio.gather(*(watch_webhooks(world.runtime) for _ in range(3)))

    assert _active(world) == topics


async def test_a_shop_that_is_down_is_watched_later(world: World) -> None:
    world.sandbox.shop_faults.fail(times=100)
    await watch_webhooks(world.runtime)

    world.sandbox.shop_faults.clear()
    await watch_webhooks(world.runtime)
    assert set(_active(world).values()) == {1}


AGED = (
    "UPDATE deliveries SET settled_at = now() - interval '91 days',"
    " received_at = now() - interval '91 days'"
)


async def test_what_is_older_than_the_settings_keep_is_dropped(world: World) -> None:
    for name in ("old", "new"):
        await world.customer(f"{name}@shop.example", last_name=name)
        await world.settle()
        if name == "old":
            await world.execute(AGED)
            await world.execute("UPDATE sync_log SET occurred_at = now() - interval '731 days'")
    await prune(world.runtime)

    async with world.runtime.sessions() as session:
        rows = await session.scalar(select(func.count()).select_from(Entry))
        hints = await session.scalar(select(func.count()).select_from(Delivery))
    assert rows is not None
    assert hints is not None
    assert 0 < rows <= 3
    assert 0 < hints <= 4


async def test_nothing_is_dropped_where_the_settings_keep_all(
    emptied_database_url: str,
) -> None:
    keep = {"deliveries_days": 0, "sync_log_days": 0}
    async with open_world(emptied_database_url, retention=keep) as world:
        await world.customer("old@shop.example", last_name="Old")
        await world.settle()
        before = len(await world.log())
        await world.execute("UPDATE sync_log SET occurred_at = now() - interval '9999 days'")
        await prune(world.runtime)

        assert len(await world.log()) == before


async def test_totals_of_past_hours_are_compacted(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="M")
    await world.settle()
    await world.execute("UPDATE sync_totals SET hour_at = hour_at - interval '3 hours'")
    async with world.runtime.sessions() as session:
        before = await summary(session)
    await compact(world.runtime)

    async with world.runtime.sessions() as session:
        assert set(await session.scalars(select(Total.shard))) == {COMPACTED}
        assert await summary(session) == before


async def test_what_orders_rest_on_is_made_and_tried_again_with_the_next_round(
    world: World,
) -> None:
    world.sandbox.crm_faults.fail("POST", "elementType=Services", times=1)
    await prepare(world.runtime)
    assert await setup_ids(world.runtime) == {}

    await prepare(world.runtime)
    assert set(await setup_ids(world.runtime)) == {"placeholder", "fee_service"}
    assert len(world.sandbox.crm.records("Products")) == 1


async def test_workers_that_set_vtiger_up_at_once_make_nothing_twice(world: World) -> None:
    await asyncio.gather(*(prepare(world.runtime) for _ in range(4)))

    assert len(world.sandbox.crm.records("Services")) == 1


async def test_where_orders_are_off_nothing_is_made_for_them(world: World) -> None:
    await world.set_policy(module=Module.SALES_ORDERS, enabled=False)
    await prepare(world.runtime)

    assert world.traffic.writes == {}


async def test_what_came_with_a_hint_is_dropped_before_the_hint(world: World) -> None:
    """Old bodies go, of dead letters too; numbers and the totals of the two tables stay."""
    for name in ("old", "new"):
        await world.customer(f"{name}@shop.example", last_name=name)
        await world.settle()
        if name == "old":
            await world.execute(AGED.replace("91 days", "31 days"))
            first = "id = (SELECT min(id) FROM deliveries)"
            await world.execute(f"UPDATE deliveries SET state = 'dead' WHERE {first}")  # noqa: S608
    async with world.runtime.sessions() as session:
        totals = await summary(session)
    before = len(await world.deliveries())
    await prune(world.runtime)

    hints = await world.deliveries()
    assert len(hints) == before
    old = [each for each in hints if each.received_at < utc_now() - timedelta(days=30)]
    assert {each.body for each in old} == {None}
    assert any(each.body for each in hints)
    async with world.runtime.sessions() as session:
        assert await summary(session) == totals


async def test_settled_conflicts_are_dropped_and_open_ones_wait(world: World) -> None:
    for number in (1, 2):
        ids = {"woo_id": str(number), "vtiger_id": f"12x{number}"}
        link = Link(store="main", module=Module.CONTACTS, base={}, **ids)
        async with transaction(world.runtime.sessions) as session:
            kept = await save_link(session, link)
            await note(session, kept, Report(open={"phone": ("1", "2")}))
            if number == 1:
                await note(session, kept, Report())
    await world.execute(
        "UPDATE conflicts SET applied_at = now() - interval '731 days'"
        " WHERE id = (SELECT min(id) FROM conflicts)"
    )
    await prune(world.runtime)

    assert [row.state for row in await conflicts(world)] == ["open"]


async def test_a_poll_that_died_is_made_up_for_as_soon_as_its_lease_ends(world: World) -> None:
    """Killed in the middle and started again before anybody can tell that it is dead."""
    await poll(world.runtime)
    world.sandbox.shop.webhooks.pending.clear()
    await world.customer("lost@shop.example", last_name="Lost")
    world.sandbox.shop.webhooks.pending.clear()
    await PairLease(world.runtime.sessions, "killed", 0.5).extend(["upkeep:poll"])

    assert await poll(world.runtime) == 1


async def test_a_poll_of_a_living_worker_is_left_to_it(world: World) -> None:
    async with hold(world.runtime.sessions, ["upkeep:poll"], owner="living", seconds=3):
        world.traffic.reset()
        assert await poll(world.runtime) == 0
        assert world.traffic.reads == {}


async def test_setup_and_watch_that_died_are_made_up_for_too(world: World) -> None:
    for hook in world.sandbox.shop.webhooks.all():
        hook.status = "disabled"
    for key in ("upkeep:setup", "upkeep:webhooks:main"):
        await PairLease(world.runtime.sessions, "killed", 0.5).extend([key])
    await prepare(world.runtime)

    assert set(await setup_ids(world.runtime)) == {"placeholder", "fee_service"}
    assert await watch_webhooks(world.runtime) == ["main"]

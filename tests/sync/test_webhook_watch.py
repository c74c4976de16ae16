"""Webhooks that a shop gave up, or somebody turned away, are replaced and told; nothing that
happened meanwhile is lost."""

from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest

from app.domain import Module
from app.remotes.incidents import IncidentFilter, search_incidents
from app.remotes.models import IncidentRow
from app.sync.polling import poll
from app.sync.webhook_watch import ShopWebhooks, open_webhooks, watch_webhooks
from app.woocommerce.webhook_delivery import TOPICS
from sandbox.woocommerce.webhooks import Webhook
from tests import goods
from tests.setting import SERVICE, STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

OURS = f"{SERVICE}/webhooks/woocommerce/{STORE}"
THEIRS = "https://other.example/hook"


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """Webhooks that were seen well."""
    async with open_world(emptied_database_url, public_url=SERVICE) as opened:
        assert await watch_webhooks(opened.runtime) == []
        yield opened


def hooks_of(world: World) -> ShopWebhooks:
    runtime = world.runtime
    return open_webhooks(runtime.settings, runtime.sessions, runtime.stores[STORE], STORE)


def active(world: World) -> Counter[str]:
    hooks = world.sandbox.shop.webhooks.all()
    return Counter(h.topic for h in hooks if (h.status, h.delivery_url) == ("active", OURS))


async def incidents(world: World) -> list[IncidentRow]:
    async with world.runtime.sessions() as session:
        found = await search_incidents(session, IncidentFilter(), cursor=None, limit=99)
    return found.items


def pause(hook: Webhook) -> None:
    hook.status = "paused"


def disable(hook: Webhook) -> None:
    hook.status = "disabled"


def turn_away(hook: Webhook) -> None:
    hook.delivery_url = f"{THEIRS}?token=secret"


@pytest.mark.parametrize(
    ("damage", "told"),
    [(pause, "paused"), (disable, "disabled"), (turn_away, f"delivers to {THEIRS}")],
)
async def test_a_webhook_that_does_not_tell_is_replaced(
    world: World, damage: Callable[[Webhook], None], told: str
) -> None:
    hook = world.sandbox.shop.webhooks.all()[1]
    damage(hook)
    assert await watch_webhooks(world.runtime) == [STORE]

    assert active(world) == Counter(TOPICS)
    assert world.sandbox.shop.webhooks.find(hook.id) is None
    [incident] = await incidents(world)
    assert (incident.kind, incident.store, incident.subject) == (
        "webhook_broken",
        STORE,
        hook.topic,
    )
    assert incident.message == f"Webhook {hook.topic} of the shop: {told}."
    assert incident.mended.startswith("It was replaced by a new one. All were last seen active at ")
    assert await watch_webhooks(world.runtime) == []


async def test_a_webhook_that_was_given_another_topic_is_replaced_by_the_right_one(
    world: World,
) -> None:
    hook = world.sandbox.shop.webhooks.all()[1]
    topic, hook.topic = hook.topic, "coupon.created"
    await watch_webhooks(world.runtime)

    assert active(world) == Counter(TOPICS)
    assert {(row.subject, row.mended.partition(".")[0]) for row in await incidents(world)} == {
        (topic, "It was installed again"),
        ("coupon.created", "It was removed"),
    }


async def test_when_all_are_gone_all_come_back(world: World) -> None:
    for hook in world.sandbox.shop.webhooks.all():
        world.sandbox.shop.webhooks.remove(hook)
    await watch_webhooks(world.runtime)

    assert active(world) == Counter(TOPICS)
    assert len(await incidents(world)) == len(TOPICS)


async def test_what_was_removed_on_purpose_stays_away(world: World) -> None:
    turn_away(world.sandbox.shop.webhooks.all()[0])
    await hooks_of(world).remove()
    assert world.sandbox.shop.webhooks.all() == []
    assert await watch_webhooks(world.runtime) == []

    assert world.sandbox.shop.webhooks.all() == []
    await hooks_of(world).install()
    assert active(world) == Counter(TOPICS)


async def test_webhooks_of_others_are_left_alone(world: World) -> None:
    theirs = world.sandbox.shop.webhooks.add(
        name="x",
        status="disabled",
        topic="order.updated",
        delivery_url=THEIRS,
        secret="s",
        owner=world.key,
    )
    disable(world.sandbox.shop.webhooks.all()[0])
    await watch_webhooks(world.runtime)

    assert world.sandbox.shop.webhooks.find(theirs.id) is theirs
    assert (theirs.status, active(world)) == ("disabled", Counter(TOPICS))


async def test_one_that_cannot_be_mended_stays_an_incident_until_it_is(world: World) -> None:
    disable(world.sandbox.shop.webhooks.all()[0])
    world.sandbox.shop_faults.fail("POST", "/webhooks", status=403, body=b'{"code":"no"}')
    await watch_webhooks(world.runtime)
    [incident] = await incidents(world)
    assert incident.ended_at is None
    assert "It could not be repaired" in incident.message

    await watch_webhooks(world.runtime)
    assert [row.mended != "" for row in await incidents(world)] == [True]
    assert active(world) == Counter(TOPICS)


async def test_one_that_was_mended_by_hand_ends_the_incident(world: World) -> None:
    hook = world.sandbox.shop.webhooks.all()[0]
    disable(hook)
    world.sandbox.shop_faults.fail("POST", "/webhooks", status=403, body=b'{"code":"no"}')
    await watch_webhooks(world.runtime)
    hook.status = "active"
    await watch_webhooks(world.runtime)

    assert [row.mended for row in await incidents(world)] == ["It is active."]


async def test_what_happened_while_webhooks_were_broken_is_found_by_the_next_poll(
    world: World,
) -> None:
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    cup = goods.product(world, name="Cup", sku="CUP", regular_price="5.00")
    await world.settle()
    await poll(world.runtime)
    await world.settle()
    for hook in world.sandbox.shop.webhooks.all():
        disable(hook)
    world.later(seconds=600)
    goods.edit(world, mug, regular_price="11.00")
    world.sandbox.shop.trade.product_book.delete(int(cup))
    customer_id = await world.customer("zoe@shop.example", last_name="M")
    await world.settle()
    assert world.contacts() == []

    assert await watch_webhooks(world.runtime) == [STORE]
    await poll(world.runtime)
    await world.settle()
    assert [contact["lastname"] for contact in world.contacts()] == ["M"]
    assert customer_id in {delivery.record_id for delivery in await world.deliveries()}
    prices = {row["productname"]: float(row["unit_price"]) for row in goods.listed(world)}
    assert prices["Mug"] == 11
    pairs = await goods.links_of(world, Module.PRODUCTS)
    assert {pair.woo_id for pair in pairs if pair.woo_deleted_at is not None} == {cup}

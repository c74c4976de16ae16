"""The brake: too many deletions at once wait for a person, who confirms or restores."""

import httpx
import pytest

from app.domain import Module
from app.sync.deletion import confirm_deletions
from tests.goods import product
from tests.setting import SERVICE, STORE, TOKEN
from tests.world import World

pytestmark = pytest.mark.anyio


async def wave(world: World, number: int = 12) -> list[str]:
    """So many synced customers are deleted at once; their ids."""
    await world.set_policy(delete_policy="propagate")
    ids = [await world.customer(f"p{n}@shop.example", last_name=f"P{n}") for n in range(number)]
    await world.settle()
    for customer_id in ids:
        world.delete_customer(customer_id)
    await world.settle()
    return ids


async def held(world: World) -> int:
    return sum(link.delete_held_at is not None for link in await world.links())


async def test_a_wave_of_deletions_stops_and_says_how_to_go_on(world: World) -> None:
    await wave(world)

    told = await world.told()
    assert told.count(("vtiger", "deleted", None)) == 5
    assert told.count(("vtiger", "skipped", "delete_brake")) == 7
    assert (len(world.contacts()), await held(world)) == (7, 7)
    rows = [row for row in await world.log() if row.reason == "delete_brake"]
    assert "under Conflicts" in rows[0].message
    assert all(row.label.startswith("P") for row in rows), "deleted people keep their names here"


async def test_a_person_confirms_and_all_goes_on(world: World) -> None:
    await wave(world)
    url = f"{SERVICE}/settings/{STORE}/contacts/confirm-deletions"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=world.doorway, headers=headers) as client:
        answer = await client.post(url)
        assert (answer.status_code, answer.json()) == (202, {"confirmed": 7})
        waiting = (await client.get(f"{SERVICE}/links?held=true")).json()["items"]
    await world.settle()

    assert waiting == []
    assert world.contacts() == []
    assert (await world.told()).count(("vtiger", "deleted", None)) == 12


async def test_a_replay_without_a_word_is_held_again(world: World) -> None:
    ids = await wave(world)
    for customer_id in ids:
        await world.hint_customer(customer_id)
    await world.settle()

    assert (len(world.contacts()), await held(world)) == (7, 7)


async def test_an_hour_later_a_replay_goes_on_within_the_brake(world: World) -> None:
    ids = await wave(world)
    await world.execute("UPDATE links SET deleted_by_us_at = now() - interval '61 minutes'")
    for customer_id in ids:
        await world.hint_customer(customer_id)
    await world.settle()

    assert (len(world.contacts()), await held(world)) == (2, 2)


async def test_what_was_confirmed_does_not_use_the_brake_up(world: World) -> None:
    await wave(world)
    await world.execute("UPDATE links SET deleted_by_us_at = now() - interval '61 minutes'")
    assert await confirm_deletions(world.runtime, STORE, Module.CONTACTS) == 7
    await world.settle()
    customer_id = await world.customer("one@shop.example", last_name="One")
    await world.settle()
    world.delete_customer(customer_id)
    await world.settle()

    assert world.contacts() == []


async def test_a_restored_record_is_held_no_more(market: World) -> None:
    await market.set_policy(module=Module.SALES_ORDERS, delete_policy="propagate")
    await market.set_policy(module=Module.PRODUCTS, delete_policy="propagate")
    mugs = [product(market, name=f"Mug {n}", sku=f"MUG-{n}") for n in range(8)]
    await market.settle()
    shop = market.sandbox.shop
    for mug in mugs:
        shop.trade.product_book.trash(int(mug))
    await market.settle()
    assert await held(market) == 3

    market.later()
    for mug in mugs:
        shop.admin.restore_product(int(mug))
    await market.settle()
    assert await held(market) == 0
    assert await confirm_deletions(market.runtime, STORE, Module.PRODUCTS) == 0


async def test_another_policy_lets_go_of_what_was_held(world: World) -> None:
    ids = await wave(world)
    await world.set_policy(delete_policy="ignore")
    for customer_id in ids:
        await world.hint_customer(customer_id)
    await world.settle()

    assert (len(world.contacts()), await held(world)) == (7, 0)

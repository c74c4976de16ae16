"""A remote that is down: what needs it waits and burns nothing, the rest goes on, and it ends by
itself."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import httpx
import pytest

from app.domain import DeliveryState, Outcome
from app.remotes.gate import RemoteLimits
from app.remotes.incidents import IncidentFilter, search_incidents
from app.sync.polling import poll
from tests.setting import SERVICE, STORE, TOKEN
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

ENOUGH = RemoteLimits().failures
BROKEN = b'{"success":false,"error":{"code":"INTERNAL_SERVER_ERROR","message":"of a record"}}'
numbers = count()


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url) as opened:
        yield opened


async def people(world: World, number: int) -> None:
    for _ in range(number):
        await world.customer(f"p{next(numbers)}@shop.example", last_name="P")
    await world.sandbox.shop.webhooks.flush()


async def crm_is_down(world: World) -> None:
    """As far as calls tell: nobody calls it any more."""
    world.sandbox.crm_faults.fail(times=100_000)
    await people(world, 3)
    await world.step()
    world.traffic.reset()


async def ask(world: World, path: str) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=world.doorway, headers=headers) as client:
        return (await client.get(f"{SERVICE}{path}")).json()


async def lasting(world: World) -> list[str]:
    async with world.runtime.sessions() as session:
        wanted = IncidentFilter(lasting=True)
        found = await search_incidents(session, wanted, cursor=None, limit=9)
    return [row.kind for row in found.items]


async def test_while_it_is_down_it_gets_one_probe_at_a_time_and_nothing_else(world: World) -> None:
    await crm_is_down(world)
    await people(world, 10)
    for _ in range(4):
        assert await world.step() == 0
    await poll(world.runtime)

    assert world.traffic.writes == {}
    assert sum(calls for name, calls in world.traffic.reads.items() if "vtiger" in name) == 4
    assert sum(delivery.attempts for delivery in await world.deliveries()) <= 1


async def test_when_it_is_back_all_ends_at_once_and_nothing_is_made_twice(world: World) -> None:
    await crm_is_down(world)
    await people(world, 10)
    assert await lasting(world) == ["remote_down"]
    world.sandbox.crm_faults.clear()
    await world.settle()

    assert len(world.contacts()) == 13
    assert {delivery.state for delivery in await world.deliveries()} == {DeliveryState.DONE}
    assert (await world.people()).faults() == []
    assert await lasting(world) == []


async def test_what_was_put_off_for_hours_goes_on_with_the_probe_that_is_answered(
    world: World,
) -> None:
    await crm_is_down(world)
    await world.execute(
        "UPDATE deliveries SET next_attempt_at = now() + interval '1 hour',"
        " last_reason = 'remote_unavailable'"
    )
    world.sandbox.crm_faults.clear()
    await world.probe()

    for delivery in await world.deliveries():
        assert delivery.next_attempt_at <= world.runtime.clock()


async def test_a_hint_that_gets_too_old_meanwhile_is_a_dead_letter(world: World) -> None:
    await crm_is_down(world)
    await world.age_hints(days=4)
    await world.step()

    assert {delivery.state for delivery in await world.deliveries()} == {DeliveryState.DEAD}
    rows = await world.log()
    assert {row.reason for row in rows} == {"attempts_exhausted"}
    assert "calls in a row failed" in rows[0].message


async def test_deliveries_tell_for_what_they_wait_and_health_tells_what_is_down(
    world: World,
) -> None:
    await crm_is_down(world)
    item = (await ask(world, "/deliveries?limit=1"))["items"][0]
    assert (item["state"], item["held"]["remote"]) == ("pending", "vtiger")
    assert item["held"]["reason"] == "remote_unavailable"
    assert item["held"]["since"] < item["held"]["until"] <= item["next_attempt_at"]
    assert "HTTP 503" in item["held"]["message"]
    assert (await ask(world, f"/deliveries/{item['id']}"))["held"] == item["held"]

    ready = await ask(world, "/health/ready")
    assert ready["remotes"]["vtiger"].startswith("down since 20")
    assert ready["remotes"][f"woocommerce:{STORE}"] == "ok"
    [incident] = (await ask(world, "/incidents?lasting=true"))["items"]
    assert (incident["kind"], incident["system"]) == ("remote_down", "vtiger")

    world.sandbox.crm_faults.clear()
    await world.settle()
    async with asyncio.timeout(30):  # it is answered from memory for a second
        while (await ask(world, "/health/ready"))["remotes"]["vtiger"] != "ok":
            pass
    assert (await ask(world, "/deliveries?limit=1"))["items"][0]["held"] is None


async def test_one_record_that_the_crm_fails_at_holds_up_no_other(world: World) -> None:
    """A value that PHP trips over gives an empty 500, each time."""
    world.sandbox.crm_faults.fail("POST", "broken%40shop", times=1000, status=500)
    await world.customer("broken@shop.example", last_name="P")
    await world.sandbox.shop.webhooks.flush()
    for _ in range(2 * ENOUGH):
        await world.step()
    await people(world, 3)
    await world.step()

    assert len(world.contacts()) == 3
    assert await lasting(world) == []


async def test_what_vtiger_tells_of_records_is_no_outage(world: World) -> None:
    world.sandbox.crm_faults.fail(
        "POST", "operation=create", times=2 * ENOUGH, status=200, body=BROKEN
    )
    await people(world, 2 * ENOUGH)
    await world.step()

    assert await lasting(world) == []
    await world.settle()
    assert len(world.contacts()) == 2 * ENOUGH


async def test_a_shop_that_asks_for_fewer_calls_is_left_alone_for_as_long(world: World) -> None:
    await people(world, 1)
    await world.settle()
    world.sandbox.shop_faults.fail(times=1, status=429, headers={"Retry-After": "60"})
    assert await poll(world.runtime) == 0
    world.traffic.reset()
    await people(world, 5)
    await poll(world.runtime)

    assert [name for name in world.traffic.reads if "vtiger" not in name] == []
    item = (await ask(world, "/deliveries?limit=1"))["items"][0]
    assert (item["held"]["remote"], item["held"]["reason"]) == (
        f"woocommerce:{STORE}",
        "rate_limited",
    )
    assert await lasting(world) == []
    await world.settle()
    assert len(world.contacts()) == 6


async def test_refused_credentials_are_an_incident_until_they_are_accepted(world: World) -> None:
    body = b'{"code":"woocommerce_rest_cannot_view","message":"No.","data":{"status":401}}'
    world.sandbox.shop_faults.fail(times=100, status=401, body=body)
    await poll(world.runtime)
    assert await lasting(world) == ["auth_rejected"]
    assert (
        "refuses the credentials"
        in (await ask(world, "/health/ready"))["remotes"][f"woocommerce:{STORE}"]
    )

    world.sandbox.shop_faults.clear()
    await poll(world.runtime)
    assert await lasting(world) == []


async def test_a_session_that_ends_in_the_middle_is_no_outage(world: World) -> None:
    async def expires() -> None:
        world.sandbox.crm.expire_sessions()

    for name in ("vtiger query", "vtiger create"):
        world.traffic.before[name] = expires
        await people(world, 1)
        await world.settle()

    assert len(world.contacts()) == 2
    created = await world.log(Outcome.CREATED)
    assert [(row.target, row.attempts) for row in created] == [("vtiger", 1)] * 2
    assert await lasting(world) == []

"""Every way in which a remote can fail for a while: hints wait, burn little, end right after it is
back, and nothing is made twice."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from app.config.settings import Settings
from app.domain import DeliveryState, Outcome, System
from app.remotes.gate import remote_key
from app.runtime import Runtime, Shapes, open_store, open_vtiger
from sandbox.faults import Faults
from tests.setting import STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

QUICK = {"read_timeout": 0.3, "total_timeout": 0.5}
MANY = 100_000
EACH = 3
HTML = b"<!doctype html><title>Maintenance</title>"
CUT_JSON = b'{"success":true,"result":[{"id":"12x1","lastn'
Break = Callable[[Faults], None]


def _status(status: int, **more: Any) -> Break:
    return lambda faults: faults.fail(times=MANY, status=status, **more)


WAYS: dict[str, Break] = {
    "503": _status(503),
    "half open": lambda faults: faults.hang(times=MANY, seconds=2),
    "429": _status(429, headers={"Retry-After": "30"}),
    "html with 200": _status(200, body=HTML, headers={"Content-Type": "text/html"}),
    "empty 500": _status(500),
    "502 in HTML": _status(502, body=HTML, headers={"Content-Type": "text/html"}),
    "503 with a time": _status(503, headers={"Retry-After": "30"}),
    "dropped": lambda faults: faults.drop(times=MANY),
    "truncated JSON": _status(200, body=CUT_JSON),
    "broken off": lambda faults: faults.cut(times=MANY),
    "slow drip": lambda faults: faults.drip(times=MANY, seconds=5),
    "redirect": _status(302, headers={"Location": "https://elsewhere.example/login"}),
}
SHORT = ("503", "html with 200")
CASES = [
    pytest.param(
        system, way, id=f"{system}-{way}", marks=() if way in SHORT else pytest.mark.faults
    )
    for system in System
    for way in WAYS
]


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """Logged in, so that a failing login is not all there is."""
    async with open_world(emptied_database_url, http=QUICK) as opened:
        await opened.runtime.vtiger.list_types()
        yield opened


async def people(world: World, name: str) -> None:
    """Some register in the shop, some are typed into the CRM."""
    for number in range(EACH):
        await world.customer(f"{name}{number}@shop.example", last_name="W")
        await world.contact(lastname="V", email=f"{name}{number}@crm.example")
    await world.sandbox.shop.webhooks.flush()


async def assert_waiting(world: World) -> None:
    """Nobody gave up, and what was not tried burnt nothing."""
    hints = await world.deliveries()
    waiting = [hint for hint in hints if hint.state != DeliveryState.DONE]
    assert waiting
    assert {hint.state for hint in waiting} == {DeliveryState.PENDING}
    assert max(hint.attempts for hint in waiting) <= 3
    assert await world.log(Outcome.FAILED) == []


async def assert_all_ended(world: World, expected: int) -> None:
    await world.settle()
    assert {hint.state for hint in await world.deliveries()} == {DeliveryState.DONE}
    assert (await world.people()).faults() == []
    assert len(world.contacts()) == expected
    created = [(row.target, row.source_id) for row in await world.log(Outcome.CREATED)]
    assert len(created) == len(set(created)) == expected
    assert not world.runtime.gates[remote_key(System.VTIGER, "")].known.is_open


@pytest.mark.parametrize(("system", "way"), CASES)
async def test_a_remote_that_fails_for_a_while(world: World, system: System, way: str) -> None:
    of_shop = system is System.WOOCOMMERCE
    faults = world.sandbox.shop_faults if of_shop else world.sandbox.crm_faults
    WAYS[way](faults)
    await people(world, "a")
    for _ in range(3):
        await world.step()
    await assert_waiting(world)

    faults.clear()
    await assert_all_ended(world, 2 * EACH)


def _elsewhere(settings: Settings, system: System, url: str) -> Settings:
    if system is System.VTIGER:
        assert settings.vtiger is not None
        return settings.model_copy(
            update={"vtiger": settings.vtiger.model_copy(update={"url": url})}
        )
    store = settings.stores[STORE].model_copy(update={"url": url})
    return settings.model_copy(update={"stores": {STORE: store}})


async def _turned(stack: AsyncExitStack, runtime: Runtime, system: System, url: str) -> Runtime:
    """The runtime whose client of one system looks for it at another address."""
    settings = _elsewhere(runtime.settings, system, url)
    if system is System.VTIGER:
        crm = await stack.enter_async_context(open_vtiger(settings, runtime.gates))
        return replace(runtime, vtiger=crm, shapes=Shapes(crm, runtime.clock))
    shop = await stack.enter_async_context(open_store(settings, STORE, runtime.gates))
    return replace(runtime, stores={STORE: shop})


def _address(world: World, system: System) -> str:
    settings = world.runtime.settings
    assert settings.vtiger is not None
    return settings.vtiger.url if system is System.VTIGER else settings.stores[STORE].url


@pytest.mark.parametrize("system", list(System))
@pytest.mark.parametrize("trouble", ["TLS", "name"])
async def test_a_remote_whose_certificate_or_name_fails_for_a_while(
    world: World, system: System, trouble: str
) -> None:
    """What answers there speaks no TLS; a name under .invalid is never found (RFC 6761)."""
    right = world.runtime
    url = _address(world, system).replace("http://", "https://")
    url = url if trouble == "TLS" else "https://remote.invalid"
    async with AsyncExitStack() as stack:
        world.runtime = await _turned(stack, right, system, url)
        await people(world, "a")
        for _ in range(3):
            await world.step()
        await assert_waiting(world)
        assert any(gate.known.is_open for gate in right.gates.values())

        world.runtime = right
        await assert_all_ended(world, 2 * EACH)

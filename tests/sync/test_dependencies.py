"""What a record rests on while another worker has it in hand."""

import asyncio

import pytest

from app.domain import Module, Record, System
from app.links.leases import hold
from tests.goods import listed, product, rate, told_of
from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio


def _rate_key(rate_id: str) -> str:
    return Record(STORE, System.WOOCOMMERCE, Module.TAXES, rate_id).key


async def test_a_product_that_was_created_is_told_so_though_its_tax_is_not_there_yet(
    world: World,
) -> None:
    key = _rate_key(rate(world, "VAT 20", "20.0000"))
    async with hold(world.runtime.sessions, [key], owner="another worker", seconds=30):
        await world.sandbox.crm.ui_create("Products", {"productname": "Tour", "unit_price": "35"})
        await world.step()
    await world.settle()

    assert (await told_of(world, Module.PRODUCTS))[0] == ("woocommerce", "created", None)
    [found] = listed(world)
    assert found["tax4"] == "20.000"


async def test_what_another_worker_has_in_hand_for_a_moment_is_waited_for(world: World) -> None:
    key = _rate_key(rate(world, "VAT 20", "20.0000"))
    product(world, name="Mug", sku="MUG-1")
    await world.sandbox.shop.webhooks.flush()
    async with hold(world.runtime.sessions, [key], owner="another worker", seconds=30):
        step = asyncio.create_task(world.step())
        done, _ = await asyncio.wait({step}, timeout=0.5)
        assert not done
    await step

    [found] = listed(world)
    assert found["tax4"] == "20.000"

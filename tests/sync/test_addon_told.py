"""What the add-on tells reaches the shop: the sandbox signs, the service believes and syncs."""

from collections.abc import AsyncIterator

import pytest

from app.domain import Outcome
from sandbox.vtiger.addon import Addon
from tests.setting import CALLBACK_SECRET, SERVICE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """Neither system tells anything but by the add-on."""
    async with open_world(emptied_database_url, hooks=False) as opened:
        yield opened


@pytest.fixture
def addon(world: World) -> Addon:
    return world.sandbox.crm.install_addon(SERVICE, CALLBACK_SECRET)


async def test_a_new_contact_becomes_a_customer(world: World, addon: Addon) -> None:
    await world.contact(lastname="New", email="new@crm.example")
    await world.settle()
    assert [row.target for row in await world.log(Outcome.CREATED)] == ["woocommerce"]
    assert (await world.people()).faults() == []
    assert all(row.sent for row in addon.rows)


async def test_our_own_writes_come_back_and_change_nothing(world: World, addon: Addon) -> None:
    await world.hint_customer(await world.customer("new@shop.example", last_name="New"))
    await world.settle()
    assert {row.module for row in addon.rows} >= {"Contacts"}
    assert [row.outcome for row in await world.log()] == [Outcome.CREATED, Outcome.UNCHANGED]


@pytest.mark.parametrize("told", ["by the next request", "by the cron task"])
async def test_a_deletion_is_carried_over(world: World, addon: Addon, told: str) -> None:
    await world.set_policy(delete_policy="propagate")
    contact_id = await world.contact(lastname="New", email="new@crm.example")
    await world.settle()
    world.sandbox.crm.ui_delete(contact_id)
    await (addon.cron() if told == "by the cron task" else addon.after_response())
    await world.settle()
    assert [row.target for row in await world.log(Outcome.DELETED)] == ["woocommerce"]


async def test_what_a_dead_service_missed_is_told_later_and_once(
    world: World, addon: Addon
) -> None:
    addon.secret = "not the service's"
    await world.contact(lastname="New", email="new@crm.example")
    assert "401" in addon.last_error
    addon.secret = CALLBACK_SECRET
    await addon.cron()
    await addon.cron()
    assert len(await world.deliveries()) == 1
    assert addon.last_success_at is not None

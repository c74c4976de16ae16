"""Polls go by the add-on's outbox where they can, and lose nothing where they cannot."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from app.domain import Module, Outcome, System
from app.inbox.models import Delivery
from app.links.repository import find_watermark, search_poll_times
from app.sync.polling import poll
from sandbox.vtiger.addon import Addon
from tests.setting import CALLBACK_SECRET, SERVICE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

OPERATION = "vtiger woosync_changes"
QUERY = "vtiger query"


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """Neither system tells anything by itself; contacts alone are synced."""
    async with open_world(emptied_database_url, hooks=False) as opened:
        await opened.sync_only(Module.CONTACTS)
        yield opened


@pytest.fixture
async def addon(world: World) -> Addon:
    """The add-on was there before the first look."""
    addon = world.sandbox.crm.install_addon()
    await look(world)
    return addon


async def look(world: World) -> int:
    """A poll, some seconds after what happened before it."""
    world.later(5)
    found = await poll(world.runtime)
    world.later(5)
    return found


async def settled_look(world: World) -> int:
    """A poll so late that what was young at the last one is young no more."""
    world.later(300)
    return await look(world)


async def pair(world: World, email: str = "new@crm.example") -> str:
    """A contact that is in agreement with its customer."""
    contact_id = await world.contact(lastname="New", email=email)
    await look(world)
    await world.settle()
    await settled_look(world)
    return contact_id


async def hinted(world: World) -> Sequence[Delivery]:
    """Polls alone make hints here."""
    return [each for each in await world.deliveries() if each.system == System.VTIGER]


async def test_new_contacts_are_found_by_the_outbox_once(world: World, addon: Addon) -> None:
    contact_id = await world.contact(lastname="New", email="new@crm.example")
    world.traffic.reset()
    assert [await look(world), await look(world)] == [1, 0]
    assert [each.record_id for each in await hinted(world)] == [contact_id]
    assert world.traffic.reads[OPERATION] == 2
    assert [row.ws_id for row in addon.rows] == [contact_id]


@pytest.mark.usefixtures("addon")
async def test_a_quiet_outbox_costs_one_call_a_poll(world: World) -> None:
    await pair(world)
    world.traffic.reset()
    assert await settled_look(world) == 0
    vtiger = {name: count for name, count in world.traffic.reads.items() if "vtiger" in name}
    assert vtiger == {OPERATION: 1}


async def test_edits_and_imports_are_found(world: World, addon: Addon) -> None:
    contact_id = await pair(world)
    await world.edit_contact(contact_id, phone="1")
    imported = world.sandbox.crm.ui_import("Contacts", {"lastname": "I", "email": "i@x.example"})
    await addon.cron()
    before = len(await hinted(world))
    assert await look(world) == 2
    assert {each.record_id for each in (await hinted(world))[before:]} == {contact_id, imported}


@pytest.mark.usefixtures("addon")
async def test_deletions_come_without_a_look_at_everything(world: World) -> None:
    await world.set_policy(delete_policy="propagate")
    contact_id = await pair(world)
    world.sandbox.crm.ui_delete(contact_id)
    world.traffic.reset()
    assert await look(world) == 1
    assert QUERY not in world.traffic.reads
    await world.settle()
    assert [row.target for row in await world.log(Outcome.DELETED)] == ["woocommerce"]
    assert await settled_look(world) == 0


@pytest.mark.usefixtures("addon")
async def test_a_deletion_that_was_taken_back_is_no_deletion(world: World) -> None:
    await world.set_policy(delete_policy="propagate")
    contact_id = await pair(world)
    world.sandbox.crm.ui_delete(contact_id)
    world.sandbox.crm.ui_restore(contact_id)
    await look(world)
    await world.settle()
    assert await world.log(Outcome.DELETED) == []


@pytest.mark.usefixtures("addon")
async def test_deletions_of_records_without_a_pair_are_nobodys_business(world: World) -> None:
    nameless = await world.contact(lastname="Nomail")
    world.sandbox.crm.ui_delete(nameless)
    assert await look(world) == 0


@pytest.mark.usefixtures("addon")
async def test_a_renamed_company_is_found_by_its_contacts(world: World) -> None:
    """The contact's own time stays as it was, so no query by time would show it."""
    account_id = await world.sandbox.crm.ui_create("Accounts", {"accountname": "Old & Co"})
    contact_id = await world.contact(lastname="N", email="n@x.example", account_id=account_id)
    await look(world)
    await world.settle()
    await settled_look(world)
    await world.sandbox.crm.ui_edit(account_id, {"accountname": "New & Co"})
    assert await look(world) == 1
    assert (await hinted(world))[-1].record_id == contact_id


async def test_an_absent_add_on_is_not_asked_for_at_each_poll(world: World) -> None:
    await look(world)
    world.traffic.reset()
    await look(world)
    assert OPERATION not in world.traffic.reads
    assert world.traffic.reads[QUERY] > 0


async def test_an_add_on_that_makes_itself_heard_is_asked_for_at_the_next_poll(
    world: World,
) -> None:
    await look(world)
    addon = world.sandbox.crm.install_addon(SERVICE, CALLBACK_SECRET)
    await world.contact(lastname="New", email="new@crm.example")
    await addon.cron()  # a save waits for a moment only
    assert addon.last_success_at is not None
    world.traffic.reset()
    await look(world)
    assert world.traffic.reads[OPERATION] == 1


@pytest.mark.usefixtures("addon")
async def test_another_installation_begins_with_a_look_at_all(world: World) -> None:
    """The add-on was removed and installed anew: its numbers begin again."""
    await pair(world)
    world.sandbox.crm.uninstall_addon()
    missed = await world.contact(lastname="Missed", email="missed@x.example")
    world.sandbox.crm.install_addon()
    world.traffic.reset()
    assert await look(world) == 1
    assert (await hinted(world))[-1].record_id == missed
    assert world.traffic.reads[QUERY] > 0
    world.traffic.reset()
    await look(world)
    assert QUERY not in world.traffic.reads


async def test_rows_that_were_dropped_unread_are_made_up_for(world: World, addon: Addon) -> None:
    await pair(world)
    ids = [await world.contact(lastname=name, email=f"{name}@x.example") for name in "abc"]
    addon.rows = addon.rows[-1:]
    before = len(await hinted(world))
    assert await look(world) == 3
    assert {each.record_id for each in (await hinted(world))[before:]} == set(ids)


async def test_a_module_that_the_add_on_leaves_out_is_queried(world: World, addon: Addon) -> None:
    addon.modules = ("Products",)
    contact_id = await world.contact(lastname="New", email="new@crm.example")
    world.traffic.reset()
    assert await look(world) == 1
    assert (await hinted(world))[-1].record_id == contact_id
    assert world.traffic.reads[QUERY] > 0


@pytest.mark.usefixtures("addon")
async def test_an_add_on_that_fails_is_done_without(world: World) -> None:
    contact_id = await world.contact(lastname="New", email="new@crm.example")
    world.sandbox.crm_faults.fail("GET", "woosync_changes", times=9, status=500)
    assert await look(world) == 1
    assert (await hinted(world))[-1].record_id == contact_id


@pytest.mark.usefixtures("addon")
async def test_an_api_user_who_is_no_admin_is_served_by_queries(world: World) -> None:
    world.sandbox.crm.users.get(world.sandbox.credentials.username).is_admin = False
    contact_id = await world.contact(lastname="New", email="new@crm.example")
    assert await look(world) == 1
    assert (await hinted(world))[-1].record_id == contact_id


async def test_what_was_there_before_the_add_on_is_not_brought_over(world: World) -> None:
    await world.contact(lastname="Old", email="old@crm.example")
    world.sandbox.crm.install_addon()
    assert [await look(world) for _ in range(3)] == [0, 0, 0]


@pytest.mark.usefixtures("addon")
async def test_looks_by_the_outbox_move_the_time_that_was_reached(world: World) -> None:
    """So that a look without need not begin where the last such look ended."""
    key = "main:contacts:vtiger"
    async with world.runtime.sessions() as session:
        before = await find_watermark(session, key)
    await pair(world)
    now = world.clock()
    await settled_look(world)
    async with world.runtime.sessions() as session:
        after = await find_watermark(session, key)
    assert before is not None
    assert after is not None
    assert before < after < now


@pytest.mark.usefixtures("addon")
async def test_looks_that_find_nothing_are_looks_all_the_same(world: World) -> None:
    """A quiet shop's polls do their work: nobody is to be called for them."""
    await settled_look(world)
    await world.execute("UPDATE watermarks SET looked_at = now() - interval '2 hours'")
    await poll(world.runtime)
    async with world.runtime.sessions() as session:
        looks = await search_poll_times(session)
        now = await session.scalar(select(func.now()))
    assert now is not None
    ages = [now - looks[f"main:contacts:{system}"] for system in System]
    assert max(ages) < timedelta(hours=1)


async def test_young_rows_are_read_again(world: World, addon: Addon) -> None:
    """A number is given out before its row can be seen: what seems a gap may fill."""
    await world.contact(lastname="First")
    hidden = await world.contact(lastname="A", email="a@x.example")
    shown = await world.contact(lastname="B", email="b@x.example")
    late = addon.rows.pop(1)
    await look(world)
    assert hidden not in {each.record_id for each in await hinted(world)}
    addon.rows.insert(1, late)
    await look(world)
    assert {each.record_id for each in await hinted(world)} >= {shown, hidden}

"""A manual run hints what differs and counts its own; a dry run tells of it and writes nothing."""

from datetime import timedelta

import pytest

from app.domain import InvalidInput, Module, Outcome, System, utc_now
from app.links.leases import hold
from app.modules.ports import PlannedAction
from app.sync.runs.comparison import Compared, Plan, compare_store
from app.sync.runs.execution import execute
from app.synclog.totals import summary_of_run
from tests.running import begin, run
from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio

CONTACTS = Module.CONTACTS


async def _compare(world: World) -> dict[str, Compared]:
    """By e-mail or name; every record is to be told once."""
    found = [each async for each in compare_store(world.runtime, STORE, module=CONTACTS)]
    told = {each.label.partition("<")[2].rstrip(">") or each.label: each for each in found}
    assert len(told) == len(found)
    return told


async def _pair(world: World, email: str = "zoe@shop.example", **fields: object) -> None:
    await world.customer(email, last_name="Müller", **fields)
    await world.settle()


async def _quietly_edit(world: World, **fields: str) -> None:
    """Nobody is told: the CRM has no callbacks."""
    world.sandbox.crm.workflows.callbacks.clear()
    await world.edit_contact(world.contacts()[0]["id"], **fields)


async def test_a_run_syncs_what_nobody_told_of(world: World) -> None:
    await _pair(world)
    await _quietly_edit(world, phone="+1 555")
    done = await run(world, CONTACTS)
    async with world.runtime.sessions() as session:
        counts = await summary_of_run(session, done.run.id)

    assert (done.run.state, done.waiting, done.outcomes[Outcome.UPDATED]) == ("done", 0, 1)
    assert counts[System.WOOCOMMERCE][CONTACTS][Outcome.UPDATED] == 1
    assert counts[System.VTIGER][CONTACTS][Outcome.CREATED] == 0
    assert (await _compare(world))["zoe@shop.example"].plan is Plan.AGREE


async def test_two_runs_count_their_own(world: World) -> None:
    """What cannot have a pair as it is is told once."""
    world.sandbox.crm.workflows.callbacks.clear()
    runs = []
    for name in ("Nobody", "Nemo", "Niemand"):
        await world.contact(lastname=name)
        runs.append(await run(world, CONTACTS))

    assert runs[0].run.id < runs[1].run.id < runs[2].run.id
    assert [each.outcomes[Outcome.SKIPPED] for each in runs] == [1, 1, 1]


async def test_a_run_since_a_moment_leaves_the_rest_alone(world: World) -> None:
    await _pair(world)
    await _quietly_edit(world, phone="+1 555")
    done = await run(world, CONTACTS, since=utc_now() + timedelta(days=1))

    assert set(done.outcomes.values()) == {0}


async def test_a_run_since_a_moment_takes_what_changed_after_it(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    await world.contact(lastname="New", email="new@crm.example")
    world.sandbox.shop.customers.create({"email": "new@shop.example"})
    done = await run(world, CONTACTS, since=utc_now() - timedelta(days=1))

    assert done.outcomes[Outcome.CREATED] == 2


async def test_a_module_that_is_off_is_not_run(world: World) -> None:
    await world.set_policy(enabled=False)
    with pytest.raises(InvalidInput, match="contacts of store main is switched off"):
        await begin(world, CONTACTS)


async def test_one_run_of_a_store_at_a_time(world: World) -> None:
    started = await begin(world, CONTACTS)
    async with hold(world.runtime.sessions, [f"run:{STORE}"], owner="another", seconds=60):
        assert not await execute(world.runtime, started.id)
        with pytest.raises(InvalidInput, match="in progress"):
            await _compare(world)


async def test_a_dry_run_shows_each_field_and_which_way_it_would_go(world: World) -> None:
    await _pair(world, billing={"city": "Lyon"})
    await _quietly_edit(world, phone="+1 555")
    world.edit_customer((await world.links())[0].woo_id, billing={"city": "Paris"})
    found = (await _compare(world))["zoe@shop.example"]

    assert found.plan is Plan.UPDATE
    assert [(each.field, each.woo, each.vtiger, each.act) for each in found.pending] == [
        ("phone", "", "+1 555", PlannedAction.TO_WOOCOMMERCE),
        ("mailing_city", "Paris", "Lyon", PlannedAction.TO_VTIGER),
    ]


async def test_a_dry_run_shows_conflicts(world: World) -> None:
    await _pair(world)
    await _quietly_edit(world, phone="1")
    world.edit_customer((await world.links())[0].woo_id, billing={"phone": "2"})
    found = (await _compare(world))["zoe@shop.example"]

    assert [(each.field, each.act) for each in found.fields] == [("phone", PlannedAction.CONFLICT)]


async def test_a_dry_run_writes_and_hints_nothing(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    await world.contact(lastname="Berg", email="max@crm.example")
    world.traffic.reset()
    await _compare(world)

    assert await world.deliveries() == []
    assert await world.links() == []
    assert not world.traffic.writes


async def test_records_without_a_pair_would_be_made_found_or_left_out(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    await world.customer("only@shop.example")
    await world.customer("both@shop.example")
    await world.contact(lastname="Both", email="BOTH@shop.example")
    await world.contact(lastname="Only", email="only@crm.example")
    await world.contact(lastname="Nomail")
    await world.customer("twice@shop.example")
    for name in ("One", "Two"):
        await world.contact(lastname=name, email="twice@shop.example")
    found = [each async for each in compare_store(world.runtime, STORE, module=CONTACTS)]
    told = {
        (each.plan, each.woo_id is not None, each.vtiger_id is not None): each for each in found
    }

    assert told[Plan.CREATE, True, False].label.endswith("<only@shop.example>")
    assert told[Plan.CREATE, False, True].label.endswith("<only@crm.example>")
    assert told[Plan.PAIR, True, True].label.endswith("<both@shop.example>")
    reasons = sorted(each.skip.reason for each in found if each.skip)
    assert reasons == ["ambiguous_match"] * 3 + ["missing_required_field"]


async def test_a_twin_that_is_paired_already_is_left_alone(world: World) -> None:
    await _pair(world)
    world.sandbox.crm.workflows.callbacks.clear()
    await world.contact(lastname="Vogel", email="zoe@shop.example")
    found = [each async for each in compare_store(world.runtime, STORE, module=CONTACTS)]

    assert [each.skip.reason for each in found if each.skip] == ["ambiguous_match"]


async def test_a_pair_whose_contact_is_gone_is_told(world: World) -> None:
    await _pair(world)
    world.sandbox.crm.ui_delete(world.contacts()[0]["id"])
    [found] = (await _compare(world)).values()

    assert found.skip is not None
    assert (found.skip.reason, "is gone from Vtiger" in found.skip.message) == ("not_found", True)


async def test_what_only_one_direction_allows_is_not_promised(world: World) -> None:
    await world.set_policy(direction="vtiger_to_woo")
    world.sandbox.shop.customers.create({"email": "zoe@shop.example"})
    [found] = (await _compare(world)).values()

    assert found.skip is not None
    assert found.skip.reason == "direction_off"


async def test_what_the_crm_cannot_hold_is_no_difference_to_mend(world: World) -> None:
    await _pair(world, first_name="Zoë 🌻", billing={"address_1": "very long street " * 20})
    found = (await _compare(world))["zoe@shop.example"]

    assert found.plan is Plan.AGREE
    assert {each.act for each in found.fields} == {PlannedAction.KEPT}


async def test_a_difference_that_a_direction_holds_is_told_as_such(world: World) -> None:
    """An edit of the target alone, where only the other way is open."""
    await _pair(world)
    await world.set_policy(direction="woo_to_vtiger")
    await _quietly_edit(world, phone="+1 555")
    found = (await _compare(world))["zoe@shop.example"]

    assert found.skip is not None
    assert (found.plan, found.skip.reason) == (Plan.SKIP, "direction_off")
    assert [(each.field, each.act) for each in found.fields] == [("phone", PlannedAction.DIFFERS)]


async def test_hints_of_a_run_carry_its_number_to_the_log(world: World) -> None:
    await world.contact(lastname="Nobody")
    await world.settle()
    await world.forget_log()
    done = await run(world, CONTACTS)

    assert [row.run_id for row in await world.log()] == [done.run.id]

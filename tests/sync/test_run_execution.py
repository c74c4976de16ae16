"""A run is carried out by one worker at a time, and by another where that one died."""

import asyncio
from dataclasses import replace

import pytest

from app.domain import Direction, Module, Outcome
from app.runs.models import RunState
from app.runtime import Runtime
from app.sync.runs.execution import execute, execute_due
from app.sync.runs.requests import cancel_run, differences, get_progress, schedule_due_runs
from tests.running import begin, run
from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio

CONTACTS = Module.CONTACTS


async def people(world: World, count: int) -> None:
    for each in range(count):
        await world.customer(f"c{each}@shop.example", last_name=f"C{each}")
    world.sandbox.shop.webhooks.pending.clear()


async def die_after(world: World, name: str, calls: int, *, run_id: int) -> None:
    """The worker is gone in the middle of a call: nothing of it cleans up."""
    task = asyncio.create_task(execute(world.runtime, run_id))

    async def count() -> None:
        if world.traffic.writes[name] >= calls:
            task.cancel()

    world.traffic.always = count
    with pytest.raises(asyncio.CancelledError):
        await task
    world.traffic.always = None


async def test_a_run_goes_on_where_it_broke_off(world: World) -> None:
    await people(world, 12)
    started = await begin(world, CONTACTS)
    await die_after(world, "vtiger create", 5, run_id=started.id)
    broken = await get_progress(world.runtime, started.id)
    assert await execute_due(world.runtime) == 1
    await world.settle()
    done = await get_progress(world.runtime, started.id)

    assert broken.run.state == RunState.RUNNING
    assert (done.run.state, done.waiting, done.run.attempts) == (RunState.DONE, 0, 2)
    assert done.outcomes[Outcome.CREATED] == 12
    assert sorted(row["email"] for row in world.contacts()) == sorted(
        f"c{each}@shop.example" for each in range(12)
    )


async def test_what_was_looked_at_is_counted_and_the_rest_estimated(world: World) -> None:
    await people(world, 12)
    started = await begin(world, CONTACTS)
    await die_after(world, "vtiger create", 12, run_id=started.id)
    half = await get_progress(world.runtime, started.id)
    done = await run(world, CONTACTS)

    assert (half.run.done, half.run.total) == (0, 24), "and what it makes is looked at as well"
    assert done.run.done == done.run.total >= 12
    assert done.eta_seconds is None


async def test_an_import_is_not_told_as_done_before_its_end(world: World) -> None:
    """What the first half makes is what the second half looks at."""
    await people(world, 12)
    started = await begin(world, CONTACTS)
    shares, left = [], []

    async def watch() -> None:
        found = await get_progress(world.runtime, started.id)
        if found.run.total:
            shares.append(found.run.done / found.run.total)
            left.append(found.eta_seconds)

    world.traffic.always = watch
    await execute(world.runtime, started.id)
    world.traffic.always = None
    done = await get_progress(world.runtime, started.id)

    assert max(shares) == 0.5
    assert shares == sorted(shares)
    assert 0 not in left
    assert done.run.done == done.run.total == 24


async def test_a_cancelled_run_stops_before_its_next_page(world: World) -> None:
    await people(world, 3)
    started = await begin(world)

    async def cancel() -> None:
        await cancel_run(world.runtime, started.id)

    world.traffic.before["vtiger create"] = cancel
    await execute(world.runtime, started.id)
    await world.settle()
    done = await get_progress(world.runtime, started.id)

    assert done.run.state == RunState.CANCELLED
    assert len(world.contacts()) == 3
    assert not await execute(world.runtime, started.id)


async def test_a_run_waits_out_an_outage(world: World) -> None:
    await people(world, 3)
    world.sandbox.shop_faults.fail("GET", "/customers", times=9)
    started = await begin(world, CONTACTS)
    await execute(world.runtime, started.id)
    waiting = await get_progress(world.runtime, started.id)
    world.sandbox.shop_faults.clear()
    await world.execute("UPDATE sync_runs SET next_attempt_at = now() + interval '1 hour'")
    idle = await execute_due(world.runtime)
    await world.execute("UPDATE sync_runs SET next_attempt_at = now()")
    await execute_due(world.runtime)
    done = await get_progress(world.runtime, started.id)

    assert (waiting.run.state, waiting.run.last_reason) == (RunState.QUEUED, "remote_unavailable")
    assert (idle, done.run.state, done.run.last_error) == (0, RunState.DONE, None)
    assert done.outcomes[Outcome.CREATED] == 3


async def test_a_dry_run_reports_and_one_command_repairs(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    world.sandbox.crm.workflows.callbacks.clear()
    await world.edit_contact(world.contacts()[0]["id"], phone="+1 555")
    await world.contact(lastname="Berg", email="max@crm.example")
    world.traffic.reset()
    report = await run(world, CONTACTS, dry_run=True)
    writes = dict(world.traffic.writes)
    found = (await differences(world.runtime, report.run.id)).items
    mended = await run(world, repair_of=report.run.id)
    again = await run(world, CONTACTS, dry_run=True)

    assert writes == {}
    assert sorted((each.plan, each.fields) for each in found) == [
        ("create", []),
        ("update", [PHONE]),
    ]
    assert mended.outcomes[Outcome.UPDATED] == mended.outcomes[Outcome.CREATED] == 1
    assert again.run.difference_count == 0


PHONE = {"field": "phone", "woocommerce": "", "vtiger": "+1 555", "act": "to_woocommerce"}


async def test_a_direction_narrows_what_the_settings_allow(world: World) -> None:
    await people(world, 1)
    world.sandbox.crm.workflows.callbacks.clear()
    await world.contact(lastname="Berg", email="max@crm.example")
    world.traffic.reset()
    done = await run(world, CONTACTS, direction=Direction.WOO_TO_VTIGER)

    assert done.outcomes[Outcome.CREATED] == 1
    assert [name for name in world.traffic.writes if not name.startswith("vtiger")] == []


async def test_a_direction_never_widens_what_the_settings_allow(world: World) -> None:
    await world.set_policy(direction="vtiger_to_woo")
    await people(world, 1)
    done = await run(world, CONTACTS, direction=Direction.WOO_TO_VTIGER)

    assert done.outcomes[Outcome.CREATED] == 0
    assert world.contacts() == []


def comparing(world: World, *, hours: float, repairs: bool = False) -> Runtime:
    """The runtime with another setting of its store."""
    chosen = {"compare_hours": hours, "compare_repairs": repairs}
    store = world.runtime.settings.stores[STORE].model_copy(update=chosen)
    settings = world.runtime.settings.model_copy(update={"stores": {STORE: store}})
    return replace(world.runtime, settings=settings)


async def test_comparisons_come_by_themselves_only_where_that_is_set(world: World) -> None:
    assert await schedule_due_runs(comparing(world, hours=0)) == []


async def test_a_scheduled_comparison_never_starts_twice(world: World) -> None:
    runtime = comparing(world, hours=24)
    asked = await asyncio.gather(*(schedule_due_runs(runtime) for _ in range(8)))
    [only] = [each for some in asked for each in some]
    await execute_due(runtime)

    assert (only.dry_run, only.scheduled, only.started_by) == (True, True, "schedule")
    assert await schedule_due_runs(runtime) == []


async def test_the_next_scheduled_comparison_waits_for_the_last_one(world: World) -> None:
    runtime = comparing(world, hours=24, repairs=True)
    [first] = await schedule_due_runs(runtime)
    await world.execute("UPDATE sync_runs SET created_at = now() - interval '25 hours'")
    early = await schedule_due_runs(runtime)
    await execute(runtime, first.id)
    [second] = await schedule_due_runs(runtime)

    assert (early, first.dry_run) == ([], False)
    assert second.id > first.id

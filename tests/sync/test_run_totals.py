"""The totals of a comparison add up, also where another worker went on with it."""

import pytest

from app.db.session import transaction
from app.domain import Module
from app.runs.models import RunState
from app.runs.repository import add_counts, enter_step
from app.sync.runs.comparison import Plan, Totals, add_up, read_totals
from app.sync.runs.execution import execute
from app.sync.runs.requests import get_progress
from tests.running import begin
from tests.world import World

pytestmark = pytest.mark.anyio

CONTACTS, PRODUCTS = Module.CONTACTS, Module.PRODUCTS


async def test_what_was_compared_agrees_or_was_found(world: World) -> None:
    for name in ("ada", "zoe"):
        await world.customer(f"{name}@shop.example", last_name=name)
    await world.settle()
    world.sandbox.crm.workflows.callbacks.clear()
    await world.edit_contact(world.contacts()[0]["id"], phone="+1 555")
    await world.contact(lastname="New", email="new@crm.example")
    await world.contact(lastname="Nobody")
    started = await begin(world, CONTACTS, PRODUCTS, dry_run=True)
    async with transaction(world.runtime.sessions) as session:
        steps = [["contacts", "compare"], ["products", "compare"]]
        cursor = {"steps": steps, "counts": [4, 0]}
        where = {"step": 0, "done": 0, "agreed": 0}
        await enter_step(session, started.id, cursor | where, total=4, agreed_in={"contacts": 0})
        await add_counts(session, started.id, done=2, agreed=1, agreed_in={"contacts": 1})
    await execute(world.runtime, started.id)
    run = (await get_progress(world.runtime, started.id)).run
    [contacts, products] = await read_totals(world.runtime, run)

    nothing = dict.fromkeys(Plan, 0)
    assert run.state == RunState.DONE
    assert contacts == Totals(CONTACTS, 1, nothing | {Plan.UPDATE: 1, Plan.CREATE: 1, Plan.SKIP: 1})
    assert products == Totals(PRODUCTS, 0, nothing)
    assert add_up([contacts, products]).compared == contacts.compared == run.done == 4
    assert run.difference_count == 3

"""New records of a run are made together, and none is made twice, whatever breaks."""

import asyncio
from collections.abc import Callable

import orjson
import pytest

from app.domain import Module, Outcome
from app.links.leases import hold
from app.modules.contacts.mapping import woo_foreign_id
from app.runs.models import RunState
from app.sync.pipeline import drain
from app.sync.runs.execution import execute
from app.sync.runs.requests import get_progress
from app.woocommerce.schemas import WooCustomer
from app.worker.engine import running_worker
from sandbox.app import Sandbox
from tests import goods, trade
from tests.running import begin, run
from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio

CONTACTS, PRODUCTS = Module.CONTACTS, Module.PRODUCTS
REFUSAL = orjson.dumps({"code": "rest_invalid_json", "message": "x", "data": {"status": 400}})


async def type_in(world: World, count: int) -> None:
    """Contacts are typed into the CRM, and nobody is told."""
    world.sandbox.crm.workflows.callbacks.clear()
    for each in range(count):
        await world.contact(lastname=f"C{each}", email=f"c{each}@crm.example")


async def register(world: World, count: int) -> None:
    for each in range(count):
        await world.customer(f"c{each}@shop.example", last_name=f"C{each}")
    world.sandbox.shop.webhooks.pending.clear()


async def customers(world: World) -> list[WooCustomer]:
    return [one async for one in world.runtime.stores[STORE].each_customer(role="customer")]


async def settled(world: World) -> None:
    """The shop's webhooks and all retries have been seen to, and everything agrees."""
    await world.settle()
    await world.strand()
    await world.settle()
    assert (await world.people()).faults() == []
    assert await world.waiting() == []


async def test_customers_are_made_a_hundred_a_call(world: World) -> None:
    await type_in(world, 101)
    world.traffic.reset()
    done = await run(world, CONTACTS)

    assert done.outcomes[Outcome.CREATED] == 101
    assert world.traffic.writes["POST customers"] == 2


async def test_customers_learn_the_ids_of_their_contacts_a_hundred_a_call(world: World) -> None:
    await register(world, 101)
    world.traffic.reset()
    done = await run(world, CONTACTS)

    assert done.outcomes[Outcome.CREATED] == 101
    assert dict(world.traffic.writes) == {"vtiger create": 101, "POST customers": 2}


async def test_one_that_a_shop_refuses_does_not_hold_up_the_others(world: World) -> None:
    """A product in the shop's trash keeps its SKU, and is not found by it."""
    world.sandbox.crm.workflows.callbacks.clear()
    world.sandbox.shop.trade.product_book.trash(int(goods.product(world, name="Mug", sku="P1")))
    world.sandbox.shop.webhooks.pending.clear()
    for each in range(3):
        fields = {"productname": f"P{each}", "productcode": f"P{each}", "unit_price": "5"}
        await world.sandbox.crm.ui_create("Products", fields | {"discontinued": "1"})
    done = await run(world, PRODUCTS)

    assert (done.outcomes[Outcome.CREATED], done.waiting) == (2, 0)
    [row] = await world.log(Outcome.SKIPPED)
    assert (row.reason, "trash" in row.message) == ("ambiguous_match", True)


def _drop(sandbox: Sandbox) -> None:
    sandbox.shop_faults.drop("POST", "/customers/batch", after_write=True)


def _silence(sandbox: Sandbox) -> None:
    sandbox.shop_faults.hang("POST", "/customers/batch", seconds=0.5, after_write=True)


def _fail_empty(sandbox: Sandbox) -> None:
    sandbox.shop_faults.fail("POST", "/customers/batch", status=500, after_write=True)


@pytest.mark.parametrize("break_off", [_drop, _silence, _fail_empty])
async def test_a_batch_that_was_done_but_never_answered_makes_none_twice(
    world: World, break_off: Callable[[Sandbox], None]
) -> None:
    await type_in(world, 12)
    break_off(world.sandbox)
    done = await run(world, CONTACTS)
    await settled(world)

    assert done.run.state in (RunState.QUEUED, RunState.DONE)
    emails = sorted(one.email for one in await customers(world))
    assert emails == sorted(f"c{each}@crm.example" for each in range(12))
    assert len(await world.links()) == 12
    assert len(await world.log(Outcome.CREATED)) == 12


async def test_a_batch_that_is_refused_whole_is_sent_one_by_one(world: World) -> None:
    await type_in(world, 3)
    headers = {"content-type": "application/json"}
    world.sandbox.shop_faults.fail(
        "POST", "/customers/batch", status=400, headers=headers, body=REFUSAL
    )
    done = await run(world, CONTACTS)

    assert done.outcomes[Outcome.CREATED] == 3
    await settled(world)


async def test_contacts_whose_creates_were_not_answered_are_found_again(world: World) -> None:
    await register(world, 8)
    world.sandbox.crm_faults.drop("POST", "operation=create", after_write=True, times=3)
    await run(world, CONTACTS)
    await settled(world)

    assert len(world.contacts()) == 8
    assert len(await world.log(Outcome.CREATED)) == 8


async def test_an_id_that_a_shop_does_not_take_is_noted_and_left_later(world: World) -> None:
    await register(world, 2)
    world.sandbox.shop_faults.fail("POST", "/customers/batch", status=503)
    done = await run(world, CONTACTS)

    assert done.outcomes[Outcome.CREATED] == 2
    rows = await world.log(Outcome.CREATED)
    assert [[note["field"] for note in row.notes] for row in rows] == [["id"]] * 2
    await world.settle()
    ids = {contact["id"] for contact in world.contacts()}
    assert {woo_foreign_id(one) for one in await customers(world)} == ids


async def test_a_twin_that_is_there_is_taken_and_two_of_one_kind_are_told(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    await register(world, 3)
    await world.contact(lastname="C0", email="C0@shop.example")
    for name in ("One", "Two"):
        await world.contact(lastname=name, email="twice@crm.example")
    done = await run(world, CONTACTS)

    assert len(world.contacts()) == 5
    assert len(await world.links()) == 3
    assert done.outcomes[Outcome.CREATED] == 2
    reasons = [row.reason for row in await world.log(Outcome.SKIPPED)]
    assert reasons == ["ambiguous_match"] * 2


async def test_a_company_of_many_is_made_once(world: World) -> None:
    for each in range(5):
        await world.customer(f"c{each}@shop.example", billing={"company": "Müller & Söhne"})
    world.sandbox.shop.webhooks.pending.clear()
    world.traffic.reset()
    await run(world, CONTACTS)

    assert world.accounts() == ["Müller & Söhne"]
    assert world.traffic.writes["vtiger create"] == 6


async def test_a_record_that_another_worker_has_is_left_to_it(world: World) -> None:
    await register(world, 3)
    [first, *_] = await customers(world)
    key = f"main:contacts:woocommerce:{first.id}"
    async with hold(world.runtime.sessions, [key], owner="another", seconds=60):
        started = await begin(world, CONTACTS)
        others_made = after_writes(world, "vtiger create", 2)
        carrying = asyncio.create_task(execute(world.runtime, started.id))
        await others_made.wait()
    await carrying
    done = await get_progress(world.runtime, started.id)

    assert (done.outcomes[Outcome.CREATED], done.waiting) == (3, 0)


def after_writes(world: World, name: str, count: int) -> asyncio.Event:
    """Set when so many calls of a kind have come."""
    reached = asyncio.Event()

    async def look() -> None:
        if world.traffic.writes[name] >= count:
            reached.set()

    world.traffic.always = look
    return reached


async def test_live_hints_go_before_what_is_left_of_a_run(world: World) -> None:
    """Somebody edits a pair while the run is at its first records."""
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    await register(world, 60)
    pair = (await world.links())[0]

    async def edit() -> None:
        world.later()
        world.edit_customer(pair.woo_id, billing={"phone": "+33 7"})
        await world.sandbox.shop.webhooks.flush()

    made_before: list[int] = []

    async def note() -> None:
        made_before.append(world.traffic.writes["vtiger create"])

    world.traffic.reset()
    world.traffic.before |= {"vtiger create": edit, "vtiger revise": note}
    async with running_worker(world.runtime, periodic=False):
        await run(world, CONTACTS)

    assert world.traffic.writes["vtiger create"] == 60
    assert made_before[0] < 50


async def test_products_of_the_crm_are_made_a_hundred_a_call(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    for each in range(5):
        fields = {
            "productname": f"P{each}",
            "productcode": f"P,{each}" if each == 4 else f"P{each}",
        }
        await world.sandbox.crm.ui_create("Products", {**fields, "unit_price": "5"})
    world.traffic.reset()
    done = await run(world, PRODUCTS)

    assert done.outcomes[Outcome.CREATED] == 5
    assert world.traffic.writes["POST products"] == 2  # a SKU with a comma goes alone
    await world.settle()
    assert (await run(world, PRODUCTS, dry_run=True)).run.difference_count == 0


async def test_an_order_of_the_crm_is_made_by_a_batch(market: World) -> None:
    mug = goods.product(market, name="Mug", sku="MUG")
    await market.settle()
    market.sandbox.crm.workflows.callbacks.clear()
    [twin] = [row["id"] for row in goods.listed(market) if row["productcode"] == "MUG"]
    await trade.typed(market, trade.item(twin, "2", "10"))
    market.traffic.reset()
    done = await run(market, Module.SALES_ORDERS)

    assert done.outcomes[Outcome.CREATED] == 1
    assert market.traffic.writes["POST orders"] == 1
    assert goods.meta(market, mug, "_vtiger_id") == twin


async def test_a_backlog_is_brought_by_the_run_and_not_one_by_one_before_it(world: World) -> None:
    """The add-on has collected what was typed while the service was away."""
    for each in range(17):
        await world.contact(lastname=f"C{each}", email=f"c{each}@crm.example")
    waiting = await world.deliveries()
    world.traffic.reset()
    started = await begin(world, CONTACTS)
    left: list[str] = []

    async def workers_come() -> None:
        """Jobs that were given out before the run began."""
        if not left:
            left.extend(key for key, error in await world.waiting() if error)
            for key in left:
                await drain(world.runtime, key, owner="another")

    world.traffic.always = workers_come
    await execute(world.runtime, started.id)
    world.traffic.always = None

    assert len(left) == len(waiting) == 17
    assert world.traffic.writes["POST customers"] == 1
    rows = await world.log(Outcome.CREATED)
    told = {delivery for row in rows for delivery in await world.deliveries_of(row)}
    assert (len(rows), {delivery.id for delivery in waiting} < told) == (17, True)
    await settled(world)


async def test_what_a_run_does_not_bring_of_a_backlog_is_tried_when_it_has_gone_past(
    world: World,
) -> None:
    for each in range(17):
        await world.contact(lastname=f"C{each}")
    started = await begin(world, CONTACTS)
    seen = set()

    async def watch() -> None:
        seen.update({error for _, error in await world.waiting()})

    world.traffic.always = watch
    await execute(world.runtime, started.id)
    world.traffic.always = None
    assert f"Run {started.id} is about to sync this record, together with many others." in seen
    assert {error for _, error in await world.waiting()} <= {None}
    await world.settle()

    assert {row.reason for row in await world.log()} == {"missing_required_field"}


async def test_a_few_hints_do_not_wait_for_a_run(world: World) -> None:
    await world.contact(lastname="C", email="c@crm.example")
    started = await begin(world, CONTACTS)
    seen = set()

    async def watch() -> None:
        seen.update({error for _, error in await world.waiting()})

    world.traffic.always = watch
    await execute(world.runtime, started.id)

    assert seen <= {None}

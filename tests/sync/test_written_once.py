"""Creates that carry the key of their intent: none is made twice, whatever breaks, and none waits.

Without the add-on the same breaks are in test_faults.py, test_lost_answers.py and
test_runs_in_bulk.py.
"""

from collections.abc import AsyncIterator

import pytest

from app.db.session import transaction
from app.domain import Event, Module, Origin, Outcome, Record, System
from app.inbox.repository import NewDelivery
from app.links.repository import find_intent, open_intent
from app.modules.context import ensure_setup
from app.vtiger import addon as batches
from app.vtiger.addon import new_key
from sandbox.vtiger.addon import Addon, SaveMishap
from tests import goods, trade
from tests.running import run
from tests.setting import STORE
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

CONTACTS, ORDERS = Module.CONTACTS, Module.SALES_ORDERS
FOUND = "Recovered a write whose response was lost."


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PAUSES", (0.0, 0.0))


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    """The CRM has the add-on. Whoever looks for what a lost call made would look in an hour."""
    patient = {"ambiguous_wait_seconds": 3600}
    async with open_world(emptied_database_url, sync=patient) as opened:
        opened.sandbox.crm.install_addon()
        await opened.runtime.vtiger.user_id()
        await ensure_setup(opened.runtime)
        await opened.settle()
        await opened.forget_log()
        opened.traffic.reset()
        yield opened


def addon(world: World) -> Addon:
    assert world.sandbox.crm.addon is not None
    return world.sandbox.crm.addon


def lose_answers(world: World, times: int) -> None:
    world.sandbox.crm_faults.drop("POST", "operation=woosync_save", times=times, after_write=True)


async def created(world: World, module: Module = CONTACTS) -> list[tuple[str, str]]:
    """What the log tells as made in Vtiger: of which record, and how."""
    rows = [row for row in await world.log(Outcome.CREATED) if row.module == module]
    return [(row.source_id, row.message) for row in rows if row.target == System.VTIGER]


def person(customer_id: str) -> Record:
    return Record(STORE, System.WOOCOMMERCE, CONTACTS, customer_id)


async def test_a_lost_answer_is_no_matter(world: World) -> None:
    lose_answers(world, 2)
    customer_id = await world.customer("zoe@shop.example", last_name="Zoë")
    await world.settle()

    assert [row["lastname"] for row in world.contacts()] == ["Zoë"]
    assert await created(world) == [(customer_id, "")]
    assert world.traffic.writes["vtiger woosync_save"] == 3
    assert world.traffic.writes["vtiger create"] == 0


async def test_what_no_answer_told_of_is_found_by_its_key(world: World) -> None:
    """At once, and although nothing else would tell whose contact it is."""
    world.sandbox.crm.workflows.callbacks.clear()
    lose_answers(world, 3)
    customer_id = await world.customer("zoe@shop.example", last_name="Zoë")
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    [contact] = world.contacts()
    await world.edit_contact(contact["id"], email="other@crm.example")
    await world.settle()

    assert [row["id"] for row in world.contacts()] == [contact["id"]]
    assert [source for source, _ in await created(world)] == [customer_id]
    [link] = await world.links()
    assert (link.woo_id, link.vtiger_id, link.made_in) == (customer_id, contact["id"], "vtiger")


async def test_a_process_that_died_before_it_heard_leaves_nothing_open(world: World) -> None:
    """It had written down its intent, and the call was carried out."""
    customer_id = await world.customer("zoe@shop.example", last_name="Zoë")
    world.sandbox.shop.webhooks.pending.clear()
    key = new_key()
    async with transaction(world.runtime.sessions) as session:
        await open_intent(session, person(customer_id), "", token=key)
    await world.runtime.vtiger.create("Contacts", {"lastname": "Zoë"}, key=key)
    await world.hint_customer(customer_id)
    await world.settle()

    [contact] = world.contacts()
    assert contact["email"] == "zoe@shop.example"
    assert [source for source, _ in await created(world)] == [customer_id]


async def test_a_call_that_died_before_it_was_sent_is_made_with_its_key(world: World) -> None:
    """What may still be under way over there is waited for over there."""
    customer_id = await world.customer("zoe@shop.example", last_name="Zoë")
    world.sandbox.shop.webhooks.pending.clear()
    key = new_key()
    async with transaction(world.runtime.sessions) as session:
        await open_intent(session, person(customer_id), "", token=key)
    await world.hint_customer(customer_id)
    await world.settle()

    [contact] = world.contacts()
    assert addon(world).keys[key] == contact["id"]
    assert await created(world) == [(customer_id, "")]
    async with world.runtime.sessions() as session:
        assert await find_intent(session, person(customer_id)) is None


async def test_somebody_elses_twin_is_not_taken_for_ours(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="Zoë")
    world.sandbox.shop.webhooks.pending.clear()
    async with transaction(world.runtime.sessions) as session:
        await open_intent(session, person(customer_id), "", token=new_key())
    world.sandbox.crm.workflows.callbacks.clear()
    contact_id = await world.contact(lastname="Zoë", email="zoe@shop.example")
    await world.hint_customer(customer_id)
    await world.settle()

    assert [row["id"] for row in world.contacts()] == [contact_id]
    assert await created(world) == []
    [link] = await world.links()
    assert (link.vtiger_id, link.made_in) == (contact_id, None)


async def test_an_intent_without_a_key_goes_the_old_way(world: World) -> None:
    """The add-on came after the call, which was carried out without one."""
    customer_id = await world.customer("zoe@shop.example", last_name="Zoë")
    world.sandbox.shop.webhooks.pending.clear()
    async with transaction(world.runtime.sessions) as session:
        await open_intent(session, person(customer_id), "")
    await world.hint_customer(customer_id)
    await world.step()
    assert world.contacts() == [], "it may still show itself"

    world.sandbox.crm.workflows.callbacks.clear()
    await world.contact(lastname="Zoë", email="zoe@shop.example")
    await world.settle()
    assert len(world.contacts()) == 1
    assert await created(world) == [(customer_id, FOUND)]


async def test_a_call_that_was_carried_out_and_undone_by_a_person_is_made_anew(
    world: World,
) -> None:
    lose_answers(world, 3)
    customer_id = await world.customer("zoe@shop.example", last_name="Zoë")
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    [contact] = world.contacts()
    world.sandbox.crm.workflows.callbacks.clear()
    world.sandbox.crm.ui_delete(contact["id"])
    await world.settle()

    assert [row["id"] for row in world.contacts()] != [contact["id"]]
    assert len(world.contacts()) == 1
    assert await created(world) == [(customer_id, "")]


async def test_an_order_whose_answer_was_lost_is_there_once_and_whole(world: World) -> None:
    goods.rate(world, "VAT 20", "20.0000")
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    await world.settle()
    lose_answers(world, 4)
    order_id = trade.order(world, (mug, 2))
    await world.settle()

    assert trade.total(trade.sale(world, order_id)) == 24
    assert len(trade.sales(world)) == 1
    assert [source for source, _ in await created(world, ORDERS)] == [order_id]
    assert await trade.off(world) == []


async def register(world: World, count: int) -> None:
    for each in range(count):
        await world.customer(f"c{each:02}@shop.example", last_name=f"C{each:02}")
    world.sandbox.shop.webhooks.pending.clear()


def made_once(world: World, count: int) -> bool:
    names = sorted(row["lastname"] for row in world.contacts())
    return names == [f"C{each:02}" for each in range(count)]


async def test_a_run_writes_twenty_a_call(world: World) -> None:
    await register(world, 61)
    world.traffic.reset()
    done = await run(world, CONTACTS)

    assert done.outcomes[Outcome.CREATED] == 61
    assert made_once(world, 61)
    assert world.traffic.writes["vtiger woosync_save"] <= 6
    assert world.traffic.writes["vtiger create"] == 0


async def test_a_bad_record_of_a_run_hurts_no_other(world: World) -> None:
    """One fails once, and PHP dies of another one in three calls."""
    await register(world, 12)
    addon(world).fail_save(SaveMishap.FAILS, text='"C03"')
    addon(world).fail_save(SaveMishap.DIES, text='"C07"', times=3)
    await run(world, CONTACTS)
    await world.settle()
    assert made_once(world, 12)
    assert len(await created(world)) == 12


async def test_an_add_on_that_vanishes_in_the_middle_of_a_run_leaves_nothing_twice(
    world: World,
) -> None:
    await register(world, 30)
    calls = 0

    async def vanish() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            world.sandbox.crm.uninstall_addon()

    world.traffic.always = vanish
    await run(world, CONTACTS)
    await world.age_intents(seconds=3600)
    await world.settle()

    assert world.sandbox.crm.addon is None
    assert made_once(world, 30)
    assert len(await created(world)) == 30


async def test_answers_lost_in_a_run_leave_nothing_twice(world: World) -> None:
    await register(world, 30)
    lose_answers(world, 6)
    await run(world, CONTACTS)
    await world.settle()

    assert made_once(world, 30)
    assert len(await created(world)) == 30


async def test_changes_of_a_run_fill_calls_too(world: World) -> None:
    await register(world, 20)
    await run(world, CONTACTS)
    for customer in [one async for one in world.runtime.stores[STORE].each_customer()]:
        world.edit_customer(customer.id, last_name=f"{customer.data['last_name']}!")
    world.sandbox.shop.webhooks.pending.clear()
    world.traffic.reset()
    done = await run(world, CONTACTS)

    assert done.outcomes[Outcome.UPDATED] == 20
    assert {row["lastname"] for row in world.contacts()} == {f"C{n:02}!" for n in range(20)}
    assert world.traffic.writes["vtiger woosync_save"] <= 10


async def test_whole_orders_are_read_a_hundred_a_call(world: World) -> None:
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    orders = [trade.order(world, (mug, 1)) for _ in range(7)]
    await world.settle()
    world.traffic.reset()
    await run(world, ORDERS, dry_run=True)

    assert len(trade.sales(world)) == len(orders)
    assert world.traffic.reads["vtiger woosync_read"] == 1
    assert world.traffic.reads["vtiger retrieve"] == 0


async def test_live_hints_that_wait_together_share_calls(world: World) -> None:
    await register(world, 8)
    people = [user async for user in world.runtime.stores[STORE].each_customer(role="customer")]
    hints = [
        NewDelivery(person(user.id), Origin.MANUAL, Event.CHANGED, new_key()) for user in people
    ]
    await world.runtime.acceptor.accept(hints)
    world.traffic.reset()
    await world.settle()

    assert made_once(world, 8)
    assert world.traffic.writes["vtiger woosync_save"] <= 8


async def test_orders_of_a_run_fill_calls_too(world: World) -> None:
    """Calls a record: forty orders of known customers and products, looked for and written."""
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    await world.settle()
    orders = [trade.order(world, (mug, 1)) for _ in range(40)]
    world.sandbox.shop.webhooks.pending.clear()
    world.traffic.reset()
    done = await run(world, ORDERS)

    assert done.outcomes[Outcome.CREATED] == len(orders) + 1, "and the guest's contact"
    assert len(trade.sales(world)) == len(orders)
    assert await trade.off(world) == []
    assert world.traffic.writes["vtiger woosync_save"] <= 20, "eight where nothing else goes on"
    assert world.traffic.writes["vtiger create"] == world.traffic.writes["vtiger revise"] == 0


async def test_guests_whose_orders_a_run_brings_fill_calls_too(world: World) -> None:
    """Each guest's contact is made before the order that needs it, together with others."""
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    await world.settle()
    for number in range(40):
        address = {**trade.ADDRESS, "email": f"guest{number}@shop.example"}
        trade.order(world, (mug, 1), billing=address)
    trade.order(world, (mug, 1), billing=address)
    world.sandbox.shop.webhooks.pending.clear()
    world.traffic.reset()
    done = await run(world, ORDERS)

    assert {each: n for each, n in done.outcomes.items() if n} == {Outcome.CREATED: 41 + 40}
    assert len(trade.sales(world)) == 41
    assert len(world.contacts()) == 40
    assert await trade.off(world) == []
    assert world.traffic.writes["vtiger woosync_save"] <= 10, "two for the guests, three for orders"


async def test_guests_of_a_run_cost_the_shop_no_call_each(world: World) -> None:
    """The order that is at hand tells who they are, the latest of two; one has an account."""
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    await world.customer("zoe@shop.example", last_name="Zoë")
    for number in range(20):
        address = {**trade.ADDRESS, "email": f"guest{number}@shop.example"}
        trade.order(world, (mug, 1), billing=address)
    trade.order(world, (mug, 1), billing={**address, "city": "Lille"})
    own = trade.order(world, (mug, 1), billing={**trade.ADDRESS, "email": "ZOE@shop.example"})
    world.sandbox.shop.webhooks.pending.clear()
    world.traffic.reset()
    done = await run(world)

    assert done.outcomes[Outcome.FAILED] == done.waiting == 0
    assert world.traffic.reads["GET customers"] <= 4, "counted, listed, and asked for Zoë"
    assert world.traffic.reads["GET orders"] <= 4
    contacts = {row["email"]: row for row in world.contacts()}
    assert len(contacts) == len(world.contacts()) == 20 + 1
    assert contacts["guest19@shop.example"]["mailingcity"] == "Lille"
    assert trade.sale(world, own)["contact_id"] == contacts["zoe@shop.example"]["id"]


async def test_a_guest_who_cannot_be_made_yet_holds_up_no_other_order(world: World) -> None:
    mug = goods.product(world, name="Mug", sku="MUG", regular_price="10.00")
    await world.settle()
    for number in range(10):
        address = {**trade.ADDRESS, "email": f"guest{number}@shop.example"}
        trade.order(world, (mug, 1), billing=address)
    world.sandbox.shop.webhooks.pending.clear()
    addon(world).fail_save(SaveMishap.LOCKED, text="guest7@shop.example", times=2)
    world.traffic.reset()
    done = await run(world, ORDERS)

    assert done.outcomes[Outcome.CREATED] == 10 + 10
    assert len(trade.sales(world)) == len(world.contacts()) == 10
    assert world.traffic.writes["PUT orders"] == 1, "the others are marked together"

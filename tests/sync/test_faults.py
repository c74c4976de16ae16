"""Whatever breaks, a hint waits, nothing is lost, and nothing is made twice."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

import pytest

from app.db.session import OUTAGES, transaction
from app.domain import DeliveryState, Outcome
from app.inbox.repository import claim
from app.runtime import Shapes
from app.sync.pipeline import MAX_LOST_CLAIMS, drain
from app.vtiger.schemas import VtigerModule
from sandbox.app import Sandbox
from sandbox.faults import Faults
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

HTML = b"<!doctype html><title>Maintenance</title>"
CALLS = [
    ("shop", "GET", "/customers"),
    ("shop", "POST", "/customers"),
    ("shop", "PUT", "/customers"),
    ("crm", "GET", "operation=describe"),
    ("crm", "GET", "operation=getchallenge"),
    ("crm", "POST", "operation=login"),
    ("crm", "GET", "operation=query"),
    ("crm", "GET", "operation=retrieve"),
    ("crm", "POST", "operation=create"),
    ("crm", "POST", "operation=revise"),
]
Break = Callable[[Faults, str, str, bool], None]


def _server_error(faults: Faults, method: str, text: str, after: bool) -> None:
    faults.fail(method, text, status=500, after_write=after)


def _too_many(faults: Faults, method: str, text: str, after: bool) -> None:  # noqa: ARG001
    faults.fail(method, text, status=429, headers={"Retry-After": "1"})


def _html(faults: Faults, method: str, text: str, after: bool) -> None:
    headers = {"Content-Type": "text/html"}
    faults.fail(method, text, status=200, headers=headers, body=HTML, after_write=after)


def _drop(faults: Faults, method: str, text: str, after: bool) -> None:
    faults.drop(method, text, after_write=after)


def _hang(faults: Faults, method: str, text: str, after: bool) -> None:
    faults.hang(method, text, seconds=1.5, after_write=after)


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url, http={"read_timeout": 0.75}) as opened:
        yield opened


def _faults(sandbox: Sandbox, system: str) -> Faults:
    return sandbox.shop_faults if system == "shop" else sandbox.crm_faults


SLOW = [
    pytest.param(broken, after, marks=pytest.mark.faults)
    for broken in (_too_many, _html, _hang)
    for after in (False, True)
]


@pytest.mark.parametrize(("broken", "after"), [(_server_error, False), (_drop, True), *SLOW])
async def test_each_call_may_break_once(world: World, broken: Break, after: bool) -> None:
    """Both ways, created and updated, with a company; the write happened or did not."""
    for number, (system, method, text) in enumerate(CALLS):
        world.sandbox.crm.expire_sessions()
        broken(_faults(world.sandbox, system), method, text, after)
        company = f"Company {number}"
        customer_id = await world.customer(
            f"w{number}@shop.example", last_name="W", billing={"company": company}
        )
        contact_id = await world.contact(lastname="V", email=f"v{number}@crm.example")
        await world.settle()
        world.edit_customer(customer_id, billing={"city": "Lyon"})
        await world.edit_contact(contact_id, phone="1")
        await world.settle()

    assert (await world.people()).faults() == []
    assert len(world.accounts()) == len(CALLS)
    assert {delivery.state for delivery in await world.deliveries()} == {DeliveryState.DONE}
    created = [(row.target, row.source_id) for row in await world.log(Outcome.CREATED)]
    assert len(created) == len(set(created)) == 2 * len(CALLS)


@pytest.mark.parametrize("broken", [_server_error, _drop, _hang, _html])
async def test_a_contact_whose_answer_was_lost_is_created_once(world: World, broken: Break) -> None:
    broken(world.sandbox.crm_faults, "POST", "operation=create", True)
    await world.customer("zoe@shop.example", first_name="Zoë " * 20, last_name="Müller")
    await world.settle()

    assert len(world.contacts()) == 1
    [row] = await world.log(Outcome.CREATED)
    assert (row.target, row.target_id) == ("vtiger", world.contacts()[0]["id"])
    assert await world.log(Outcome.UPDATED) == []


@pytest.mark.parametrize("broken", [_server_error, _drop, _hang, _html])
async def test_a_customer_whose_answer_was_lost_is_created_once(
    world: World, broken: Break
) -> None:
    broken(world.sandbox.shop_faults, "POST", "/customers", True)
    await world.contact(lastname="Berg", email="max@crm.example", mailingstreet="1\n2\n3")
    await world.settle()

    assert [person.email for person in (await world.people()).woo] == ["max@crm.example"]
    assert [row.target for row in await world.log(Outcome.CREATED)] == ["woocommerce"]
    assert await world.log(Outcome.UPDATED) == []


@pytest.mark.parametrize("broken", [_server_error, _drop, _hang])
async def test_an_update_whose_answer_was_lost_is_told_as_updated(
    world: World, broken: Break
) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    await world.forget_log()
    long = " ".join(["A street so long"] * 20)
    broken(world.sandbox.crm_faults, "POST", "operation=revise", True)
    world.edit_customer(customer_id, billing={"city": "Lyon", "address_1": long})
    await world.settle()

    [row] = await world.log(Outcome.UPDATED)
    assert row.target == "vtiger"
    assert {"mailing_city", "mailing_street"} == {change["field"] for change in row.changes}
    assert (await world.get_customer(customer_id))["billing"]["address_1"] == long


async def test_a_create_that_may_still_show_itself_is_given_time(
    emptied_database_url: str,
) -> None:
    sync = {"ambiguous_wait_seconds": 60}
    async with open_world(emptied_database_url, sync=sync) as world:
        world.sandbox.crm_faults.drop("POST", "operation=create")
        await world.customer("zoe@shop.example", last_name="Müller")
        await world.sandbox.shop.webhooks.flush()
        for _ in range(3):
            await world.step()
        assert world.traffic.writes == {"vtiger create": 1}

        await world.age_intents(seconds=61)
        await world.settle()
        assert world.traffic.writes["vtiger create"] == 2
        assert len(world.contacts()) == 1


async def test_a_worker_that_slept_through_its_lease_leaves_the_outcome_to_the_next(
    emptied_database_url: str,
) -> None:
    sync = {"ambiguous_wait_seconds": 60}
    async with open_world(emptied_database_url, sync=sync) as world:

        async def takes_over() -> None:
            await world.strand()
            await drain(world.runtime, "main:contacts:woocommerce:2", owner="another")

        world.traffic.before["vtiger create"] = takes_over
        await world.customer("zoe@shop.example", last_name="Müller")
        await world.sandbox.shop.webhooks.flush()
        await world.step()
        await world.age_intents(seconds=61)
        await world.settle()

        assert len(world.contacts()) == 1
        assert len(await world.log(Outcome.CREATED)) == 1
        assert (await world.people()).faults() == []


async def test_an_id_that_the_shop_does_not_take_is_noted_on_the_creation(world: World) -> None:
    body = b'{"code":"woocommerce_rest_cannot_edit","message":"No.","data":{"status":403}}'
    world.sandbox.shop_faults.fail("PUT", "/customers", status=403, body=body)
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()

    [row] = await world.log(Outcome.CREATED)
    assert [note["field"] for note in row.notes] == ["id"]


async def test_an_id_that_could_not_be_left_is_left_later(world: World) -> None:
    world.sandbox.shop_faults.fail("PUT", "/customers", status=503, times=3)
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()

    meta = {
        each["key"]: each["value"] for each in (await world.get_customer(customer_id))["meta_data"]
    }
    assert meta["vtiger_id"] == world.contacts()[0]["id"]


async def test_a_crm_that_is_down_makes_hints_wait(world: World) -> None:
    world.sandbox.crm_faults.fail(times=10_000)
    for number in range(3):
        await world.customer(f"p{number}@shop.example", last_name="P")
    await world.sandbox.shop.webhooks.flush()
    for _ in range(2):
        await world.step()
    waiting = await world.deliveries()
    assert {delivery.state for delivery in waiting} == {DeliveryState.PENDING}
    assert {delivery.last_reason for delivery in waiting} == {"remote_unavailable"}
    assert sum(delivery.attempts for delivery in waiting) <= 1
    assert await world.log() == []

    world.sandbox.crm_faults.clear()
    await world.settle()
    assert (await world.people()).faults() == []


async def test_a_hint_that_fails_for_days_is_dead_and_told_once(world: World) -> None:
    world.sandbox.crm_faults.fail(times=10_000)
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    await world.age_hints(days=4)
    await world.step()
    await world.step()

    [row] = await world.log()
    assert (row.outcome, row.reason, row.attempts) == ("failed", "attempts_exhausted", 2)
    assert "2 attempts" in row.message
    assert "remote_unavailable" in row.message
    deliveries = await world.deliveries()
    assert {(each.state, each.sync_log_id) for each in deliveries} == {(DeliveryState.DEAD, row.id)}


async def test_a_young_hint_outlives_the_old_ones_of_its_record(world: World) -> None:
    world.sandbox.crm_faults.fail(times=10_000)
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    await world.age_hints(days=4)
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    await world.step()
    assert [each.state for each in await world.deliveries()] == ["dead", "dead", "pending"]

    world.sandbox.crm_faults.clear()
    await world.settle()
    assert world.contacts()[0]["mailingcity"] == "Lyon"


async def test_a_refused_write_fails_at_once(world: World) -> None:
    body = b'{"success":false,"error":{"code":"MANDATORY_FIELDS_MISSING","message":"lastname"}}'
    world.sandbox.crm_faults.fail("POST", "operation=create", status=200, body=body)
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()

    [row] = await world.log()
    assert (row.outcome, row.reason, row.attempts) == ("failed", "rejected_by_remote", 1)
    assert {each.state for each in await world.deliveries()} == {DeliveryState.DEAD}


async def test_a_refused_write_back_is_told_of_the_system_that_refused(world: World) -> None:
    """Both sides were edited: the first write is done, the second goes where the hint came from."""
    customer_id = await world.customer("zoe@shop.example", last_name="M", billing={"city": "A"})
    await world.settle()
    [link] = await world.links()
    await world.forget_log()
    world.later()
    world.edit_customer(customer_id, billing={"city": "B"})
    await world.sandbox.shop.webhooks.flush()
    await world.forget_hints()
    await world.edit_contact(link.vtiger_id, phone="5")
    body = b'{"success":false,"error":{"code":"MANDATORY_FIELDS_MISSING","message":"lastname"}}'
    world.sandbox.crm_faults.fail("POST", "operation=revise", status=200, body=body, times=9)
    await world.step()

    done, refused = await world.log(Outcome.UPDATED, Outcome.FAILED)
    ids = (customer_id, link.vtiger_id)
    assert (done.target, done.source_id, done.target_id) == ("woocommerce", *ids[::-1])
    assert (refused.target, refused.source_id, refused.target_id) == ("vtiger", *ids)
    assert (refused.outcome, refused.reason) == ("failed", "rejected_by_remote")


class BrokenShapes(Shapes):
    """An error of the service itself."""

    async def get(self, module: str) -> VtigerModule:
        raise ZeroDivisionError(module)


async def test_a_bug_is_told_as_failed_and_waits_for_a_person(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    broken = replace(world.runtime, shapes=BrokenShapes(world.runtime.vtiger, world.runtime.clock))
    await drain(broken, "main:contacts:woocommerce:2", owner="one")

    [row] = await world.log()
    assert (row.outcome, row.reason) == ("failed", "bug")
    assert "ZeroDivisionError" in row.message
    assert {each.state for each in await world.deliveries()} == {DeliveryState.DEAD}


async def test_a_database_that_is_away_for_a_while_is_no_bug(world: World) -> None:
    """The contact was created when the database went; nothing could be written down."""
    world.traffic.before["PUT customers"] = partial(world.close_database, closed=True)
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    with pytest.raises(OUTAGES):
        await world.step()
    await world.close_database(closed=False)
    await world.strand()
    await world.settle()

    assert len(world.contacts()) == 1
    assert await world.log(Outcome.FAILED) == []
    assert [row.target for row in await world.log(Outcome.CREATED)] == ["vtiger"]


async def test_connections_that_break_off_are_made_anew(world: World) -> None:
    world.traffic.before["PUT customers"] = world.break_connections
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()

    assert [row.target for row in await world.log(Outcome.CREATED)] == ["vtiger"]


async def test_an_edit_between_the_look_and_the_write_travels_too(world: World) -> None:
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    [contact] = world.contacts()

    async def edits() -> None:
        await world.edit_contact(contact["id"], phone="7")

    world.traffic.before["vtiger revise"] = edits
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()

    customer = await world.get_customer(customer_id)
    assert (customer["billing"]["city"], customer["billing"]["phone"]) == ("Lyon", "7")
    assert world.get_contact(contact["id"])["mailingcity"] == "Lyon"


async def test_a_hint_that_ends_every_worker_is_given_up(world: World) -> None:
    customer = await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    key = f"main:contacts:woocommerce:{customer}"
    for _ in range(MAX_LOST_CLAIMS + 1):  # each time the worker dies with the hint in hand
        async with transaction(world.runtime.sessions) as session:
            await claim(session, key)
    await drain(world.runtime, key, owner="the next one")

    [row] = await world.log()
    assert (row.source_id, row.outcome, row.reason) == (customer, "failed", "bug")
    assert "without reporting a result" in row.message
    assert {each.state for each in await world.deliveries()} == {DeliveryState.DEAD}

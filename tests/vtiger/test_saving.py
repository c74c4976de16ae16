"""Writes through the add-on, over real HTTP to the sandbox: put together, and each done once.

Contract page Vtiger add-on writes §4 (keys); decision 24.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import orjson
import pytest

from app.domain import (
    Duplicate,
    InvalidInput,
    NotFound,
    RateLimited,
    Rejected,
    RemoteError,
    RemoteUnavailable,
    ResponseUnreadable,
)
from app.http.client import ClientLimits
from app.tasks import run_together
from app.vtiger.addon import PAUSES
from app.vtiger.client import VtigerClient, open_vtiger
from app.vtiger.schemas import VtigerOrder, VtigerRecord
from sandbox.app import Sandbox, create_sandbox_app, new_sandbox
from sandbox.server import serve
from sandbox.vtiger.addon import Addon, SaveMishap
from tests.scripted import json_answer
from tests.traffic import Traffic
from tests.vtiger.crm import open_crm, refusal, result

pytestmark = pytest.mark.anyio

KEY = "intent-0000000001"


@dataclass
class Lab:
    """One CRM with the add-on, and clients of it as several processes have them."""

    sandbox: Sandbox
    traffic: Traffic
    url: str
    slept: list[float]

    @property
    def addon(self) -> Addon:
        assert self.sandbox.crm.addon is not None
        return self.sandbox.crm.addon

    @property
    def posts(self) -> int:
        return self.traffic.writes["vtiger woosync_save"]

    @property
    def names(self) -> list[str]:
        return sorted(row["lastname"] for row in self.sandbox.crm.records("Contacts"))

    def connect(self, *, max_connections: int = 8) -> VtigerClient:
        async def pause(seconds: float) -> None:
            self.slept.append(seconds)

        known = self.sandbox.credentials
        return open_vtiger(
            self.url,
            username=known.username,
            access_key=known.access_key,
            limits=ClientLimits(max_connections=max_connections),
            sleep=pause,
        )


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    sandbox = new_sandbox(cron_interval_s=None)
    sandbox.crm.install_addon()
    traffic = Traffic(create_sandbox_app(sandbox))
    async with serve(traffic) as served:
        yield Lab(sandbox, traffic, sandbox.describe(served.url)["vtiger"]["url"], [])


@pytest.fixture
async def client(lab: Lab) -> AsyncIterator[VtigerClient]:
    async with lab.connect() as vtiger:
        await vtiger.user_id()
        yield vtiger


async def contact(client: VtigerClient, name: str, *, key: str = "") -> VtigerRecord:
    return await client.create("Contacts", {"lastname": name}, key=key)


async def ends(client: VtigerClient, *names: str) -> list[VtigerRecord | RemoteError]:
    """What became of creates that were begun together."""

    async def end(name: str) -> VtigerRecord | RemoteError:
        try:
            return await contact(client, name)
        except RemoteError as error:
            return error

    return await run_together(end(name) for name in names)


async def test_a_record_is_created_and_revised_as_without_the_add_on(
    lab: Lab, client: VtigerClient
) -> None:
    made = await client.create("Contacts", {"lastname": "O'Neil \\ <b> 漢", "donotcall": True})
    assert made.get("assigned_user_id") == await client.user_id() == made.modified_by
    revised = await client.revise(made.id, {"phone": "+33 1", "email": None}, module="Contacts")
    found = await client.retrieve(made.id, "Contacts")

    assert (found.get("lastname"), found.get("phone")) == ("O'Neil \\ <b> 漢", "+33 1")
    assert revised.data["modifiedtime"] == found.data["modifiedtime"]
    assert lab.posts == 2
    assert lab.traffic.writes.total() == 2


async def test_so_many_records_take_so_many_posts(lab: Lab, client: VtigerClient) -> None:
    """Twenty a call; the last one of the hundred and one goes alone."""
    names = [f"C{number:03}" for number in range(101)]
    made = await run_together(contact(client, name) for name in names)

    assert [record.get("lastname") for record in made] == names
    assert lab.posts == 6
    assert lab.traffic.reads["vtiger woosync_changes"] == 1


async def test_other_modules_go_the_ordinary_way(lab: Lab, client: VtigerClient) -> None:
    await client.create("Tax", {"taxlabel": "VAT", "percentage": "20"})
    assert (lab.posts, lab.traffic.writes["vtiger create"]) == (0, 1)
    with pytest.raises(RemoteUnavailable) as caught:
        await client.create("Tax", {"taxlabel": "GST", "percentage": "5"}, key=KEY)
    assert not caught.value.ambiguous
    assert lab.traffic.writes["vtiger create"] == 1


@pytest.mark.parametrize("version", ["1.1.0", ""])
async def test_without_an_add_on_that_writes_it_is_one_a_call(lab: Lab, version: str) -> None:
    if version:
        lab.sandbox.crm.install_addon(version=version)
    else:
        lab.sandbox.crm.uninstall_addon()
    async with lab.connect() as client:
        made = await contact(client, "A")
        await client.revise(made.id, {"lastname": "B"}, module="Contacts")
    assert lab.names == ["B"]
    assert lab.posts == 0
    assert lab.traffic.reads["vtiger woosync_changes"] == 1


async def test_a_user_who_is_no_admin_writes_one_a_call(lab: Lab, client: VtigerClient) -> None:
    """Also one who is none any more; nothing was written by the call that was refused."""
    await contact(client, "A")
    user = lab.sandbox.crm.database.users.find_by_id(await client.user_id())
    assert user is not None
    user.is_admin = False
    await contact(client, "B")
    assert lab.names == ["A", "B"]
    assert (lab.posts, lab.traffic.writes["vtiger create"]) == (2, 1)


async def test_a_refused_record_hurts_no_other(lab: Lab, client: VtigerClient) -> None:
    lab.addon.fail_save(SaveMishap.FAILS, text='"bad"')
    lab.addon.fail_save(SaveMishap.LOCKED, text='"held"')
    good, bad, held, last = await ends(client, "good", "bad", "held", "last")

    assert isinstance(good, VtigerRecord)
    assert isinstance(last, VtigerRecord)
    for error in (bad, held):
        assert isinstance(error, RemoteUnavailable)
        assert not error.ambiguous
    assert lab.names == ["good", "last"]
    assert lab.posts == 1


async def test_refusals_are_the_errors_that_they_always_were(client: VtigerClient) -> None:
    await client.create("Accounts", {"accountname": "ACME"})
    with pytest.raises(Duplicate):
        await client.create("Accounts", {"accountname": "Acme"})
    with pytest.raises(Rejected) as caught:
        await client.create("Contacts", {"firstname": "nobody"})
    assert caught.value.code == "MANDATORY_FIELDS_MISSING"
    assert not caught.value.ambiguous
    with pytest.raises(NotFound):
        await client.revise("12x999999", {"lastname": "X"}, module="Contacts")


async def test_a_key_writes_once_in_two_processes(lab: Lab, client: VtigerClient) -> None:
    async with lab.connect() as other:
        one, two = await run_together([contact(client, "A", key=KEY), contact(other, "A", key=KEY)])
        assert one.id == two.id == await other.find_saved(KEY)
        assert await other.find_saved("never-used-0001") is None
    assert lab.names == ["A"]


async def test_a_key_that_cannot_be_asked_for_is_not_taken_for_unknown(
    lab: Lab, client: VtigerClient
) -> None:
    made = await contact(client, "A", key=KEY)
    lab.addon.fail_save(SaveMishap.LOCKED)
    with pytest.raises(RemoteUnavailable):
        await client.find_saved(KEY)
    assert await client.find_saved(KEY) == made.id


async def test_an_order_is_deleted_where_vtiger_itself_would_ruin_it(
    lab: Lab, client: VtigerClient
) -> None:
    lab.sandbox.crm.upgrade("8.4.0")
    mug = await client.create("Products", {"productname": "Mug", "unit_price": "10"})
    account = await client.create("Accounts", {"accountname": "ACME"})
    fields = {"subject": "A", "sostatus": "Created", "invoicestatus": "Created"}
    place = {"account_id": account.id, "bill_street": "1", "ship_street": "1"}
    items = [{"productid": mug.id, "quantity": "1", "listprice": "10"}]
    lines = {"productid": mug.id, "LineItems": items, "hdnTaxType": "individual"}
    order = await client.create("SalesOrder", {**fields, **place, **lines})
    [whole] = await client.retrieve_many("SalesOrder", [order.id, "6x999999"]) or []
    assert isinstance(whole, VtigerOrder)
    assert (whole.data["hdnGrandTotal"], len(whole.lines)) == ("10.00000000", 1)
    assert await client.accepts_orders()

    await client.delete_order(order.id)
    with pytest.raises(NotFound):
        await client.delete_order(order.id)
    assert lab.sandbox.crm.records("SalesOrder") == []
    lab.sandbox.crm.uninstall_addon()
    assert not await client.accepts_orders(anew=True)
    with pytest.raises(RemoteUnavailable, match="must not be sent"):
        await client.create("SalesOrder", {**fields, **place, **lines})


async def test_a_lost_answer_is_asked_for_again(lab: Lab, client: VtigerClient) -> None:
    await contact(client, "first")
    lab.sandbox.crm_faults.drop("POST", "operation=woosync_save", times=2, after_write=True)
    made = await run_together(contact(client, name) for name in ("A", "B"))

    assert lab.names == ["A", "B", "first"]
    assert [record.get("lastname") for record in made] == ["A", "B"]
    assert lab.slept == list(PAUSES)
    assert lab.traffic.writes["vtiger create"] == 0


async def test_an_answer_that_does_not_come_leaves_it_open_what_was_done(
    lab: Lab, client: VtigerClient
) -> None:
    await contact(client, "first")
    lab.sandbox.crm_faults.drop("POST", "operation=woosync_save", times=3, after_write=True)
    found = await ends(client, "A", "B")

    assert all(isinstance(error, RemoteUnavailable) and error.ambiguous for error in found)
    assert found[0] is not found[1]
    assert lab.names == ["A", "B", "first"]
    assert lab.posts == 4


async def test_what_surely_did_not_leave_is_not_open(lab: Lab, client: VtigerClient) -> None:
    await contact(client, "first")
    lab.sandbox.crm_faults.fail("POST", "operation=woosync_save", status=429)
    [error] = await ends(client, "A")
    assert isinstance(error, RemoteUnavailable)
    assert not error.ambiguous


async def test_what_may_have_been_done_stays_open_whatever_comes_after(
    lab: Lab, client: VtigerClient
) -> None:
    await contact(client, "first")
    lab.sandbox.crm_faults.drop("POST", "operation=woosync_save", after_write=True)
    lab.sandbox.crm_faults.fail("POST", "operation=woosync_save", status=429)
    [error] = await ends(client, "A")
    assert isinstance(error, RateLimited)
    assert error.ambiguous
    assert lab.names == ["A", "first"]


async def test_what_php_died_of_fails_alone(lab: Lab, client: VtigerClient) -> None:
    """Also after the others were put together with it twice."""
    await contact(client, "first")
    lab.addon.fail_save(SaveMishap.DIES, text='"killer"', times=3)
    before, killer, after = await ends(client, "before", "killer", "after")

    assert isinstance(before, VtigerRecord)
    assert isinstance(after, VtigerRecord)
    assert isinstance(killer, RemoteUnavailable)
    assert killer.ambiguous
    assert lab.names == ["after", "before", "first"]


async def test_what_was_not_reached_goes_into_the_next_post(lab: Lab, client: VtigerClient) -> None:
    lab.addon.fail_save(SaveMishap.TIME_UP, at=2)
    await run_together(contact(client, name) for name in "ABCD")
    assert lab.names == ["A", "B", "C", "D"]
    assert lab.posts == 2


async def test_a_crm_without_time_for_one_record_is_not_asked_for_ever(
    lab: Lab, client: VtigerClient
) -> None:
    lab.addon.fail_save(SaveMishap.TIME_UP, times=50)
    [error] = await ends(client, "A")
    assert isinstance(error, RemoteUnavailable)
    assert not error.ambiguous
    assert lab.posts == 1


async def test_a_cancelled_caller_takes_back_its_own_record_alone(lab: Lab) -> None:
    """One that was not sent yet, for the only connection is in use."""
    async with lab.connect(max_connections=1) as client:
        await contact(client, "known")
        tasks: list[asyncio.Task[VtigerRecord]] = []

        async def cancel() -> None:
            tasks[1].cancel()

        lab.traffic.before["vtiger woosync_save"] = cancel
        for name in ("first", "left", "stays"):
            tasks.append(asyncio.create_task(contact(client, name)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.wait(tasks)

    assert [task.cancelled() for task in tasks] == [False, True, False]
    assert lab.names == ["first", "known", "stays"]


async def test_an_add_on_that_vanishes_leaves_creates_open_and_revises_done(
    lab: Lab, client: VtigerClient
) -> None:
    """A POST that died inside is answered just as one to an operation that is absent."""
    made = await contact(client, "A")
    lab.sandbox.crm.uninstall_addon()
    [error] = await ends(client, "B")
    assert isinstance(error, RemoteUnavailable)
    assert error.ambiguous
    await client.revise(made.id, {"lastname": "A2"}, module="Contacts")
    await contact(client, "C")

    assert lab.names == ["A2", "C"]
    assert lab.posts == 2
    with pytest.raises(RemoteUnavailable):
        await contact(client, "D", key=KEY)


async def test_an_add_on_that_vanished_and_came_back_is_used_again(
    lab: Lab, client: VtigerClient
) -> None:
    lab.sandbox.crm.uninstall_addon()
    await contact(client, "A")
    lab.sandbox.crm.install_addon()
    assert await client.find_changes(0) is not None  # as a poll asks
    await contact(client, "B")
    assert (lab.posts, lab.traffic.writes["vtiger create"]) == (1, 1)


async def test_a_record_that_was_deleted_meanwhile_is_told(lab: Lab, client: VtigerClient) -> None:
    made = await contact(client, "A", key=KEY)
    await client.delete(made.id)
    with pytest.raises(RemoteUnavailable) as caught:
        await contact(client, "A", key=KEY)
    assert not caught.value.ambiguous
    assert lab.names == []


async def test_what_cannot_be_sent_keeps_nothing_else(client: VtigerClient) -> None:
    with pytest.raises(InvalidInput):
        await client.create("Products", {"productname": "P", "unit_price": 0.1})


def answering(*rows: dict[str, object]) -> object:
    """Answers each record of a POST with a row of these, under the record's own key."""

    def answer(request: httpx.Request) -> httpx.Response:
        form = httpx.QueryParams(request.content.decode())
        items = orjson.loads(form["records"])
        records = [{"key": item["key"], **row} for item, row in zip(items, rows, strict=False)]
        return json_answer({"success": True, "result": {"version": "2.0.0", "records": records}})

    return answer


@pytest.mark.parametrize(
    "step",
    [
        result({"version": "2.0.0", "records": []}),
        result({"version": "2.0.0"}),
        result([]),
        answering({"status": "well done"}),
        answering({"status": "saved", "record": {"lastname": "without an id"}}),
        httpx.Response(200, text="<b>Warning</b>: session"),
    ],
)
async def test_answers_of_another_shape_leave_it_open_what_was_done(step: object) -> None:
    client, _ = open_crm(step, addon=result({"abilities": ["save"]}))  # type: ignore[arg-type]
    with pytest.raises(ResponseUnreadable) as caught:
        await contact(client, "A")
    assert caught.value.ambiguous


async def test_a_call_that_is_refused_as_a_whole_is_told() -> None:
    addon = result({"abilities": ["save"]})
    client, crm = open_crm(refusal("INVALID_RECORDS"), addon=addon)
    with pytest.raises(Rejected):
        await contact(client, "A")
    assert len(crm.calls) == 1

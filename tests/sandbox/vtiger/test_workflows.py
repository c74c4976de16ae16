"""Callbacks of the workflows: when they are sent, and in which of the three formats."""

import asyncio
import json
from urllib.parse import parse_qsl

import httpx
import pytest

from sandbox.vtiger.crm import Crm
from sandbox.vtiger.schema import CustomField
from sandbox.vtiger.workflows import Callback
from tests.sandbox.vtiger.webservice import RECORDINGS, Clock, WebService

pytestmark = pytest.mark.anyio

URL = "http://sync/callbacks/vtiger/contacts"


class Receiver:
    """Keeps what was sent to it and answers with `status`, or not at all when that is 0."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.status = 202

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self.status:
            raise httpx.ReadTimeout("too slow", request=request)
        return httpx.Response(self.status)

    @property
    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def crm_with(receiver: Receiver, clock: Clock, *callbacks: Callback) -> Crm:
    return Crm(clock=clock, callbacks=callbacks, http=receiver.http)


async def test_every_save_but_no_deletion_calls_back(receiver: Receiver, clock: Clock) -> None:
    crm = crm_with(receiver, clock, Callback("Contacts", URL))
    service = WebService(crm)
    await service.login()
    row = await service.create("Contacts", lastname="x")
    await service.revise(row["id"])
    element = {"id": row["id"], "lastname": "y", "assigned_user_id": "19x1"}
    await service.post("update", element=json.dumps(element))
    await crm.ui_edit(row["id"], {"phone": "1"})
    await service.post("delete", id=row["id"])
    await service.create("Accounts", accountname="no callback registered")
    sent = [json.loads(request.content) for request in receiver.requests]
    assert [body["is_new"] for body in sent] == [1, 0, 0, 0]
    assert {body["id"] for body in sent} == {row["id"]}
    assert sent[-1]["data"]["modifiedby"] == "19x1"
    assert (crm.workflows.sent, crm.workflows.failed) == (4, 0)


async def test_the_custom_function_posts_the_recorded_json(
    receiver: Receiver, clock: Clock
) -> None:
    name = "81-webhook-custom-function-contact-create.json"
    recording = json.loads((RECORDINGS / name).read_text(encoding="utf-8"))
    expected = json.loads(recording[0]["body"])
    fields = [
        CustomField("cf_853", "Woo Customer Id"),
        CustomField("cf_859", "Loyalty", "double"),
        CustomField("cf_861", "Channel", "picklist"),
        CustomField("cf_863", "Newsletter", "boolean"),
    ]
    callback = Callback("Contacts", URL, headers={"X-Callback-Token": "hush"})
    crm = Crm(
        clock=clock,
        callbacks=[callback],
        custom_fields={"Contacts": fields},
        http=receiver.http,
    )
    service = WebService(crm)
    await service.login("admin")
    written = ("firstname", "lastname", "cf_853", "cf_859", "cf_861", "cf_863")
    await service.create("Contacts", **{name: expected["data"][name] for name in written})
    [request] = receiver.requests
    assert request.headers["X-Callback-Token"] == "hush"
    assert request.headers["Content-Type"] == "application/json"
    body = json.loads(request.content)
    assert list(body) == list(expected)
    changing = {"id": "", "contact_no": "", "createdtime": "", "modifiedtime": ""}
    assert body["data"] | changing == expected["data"] | changing


async def test_the_form_is_rendered_as_people_see_it(receiver: Receiver, clock: Clock) -> None:
    recording = json.loads(
        (RECORDINGS / "82-webhook-3rdparty-form-contact.json").read_text(encoding="utf-8")
    )
    expected = dict(parse_qsl(recording[0]["body"], keep_blank_values=True))
    expected |= {"id": "3", "modifiedtime": "23-11-2026 5:00 PM"}
    fields = {name: f"${name}" for name in expected if name != "account_name"}
    fields |= {"static": "x", "empty": "$otherphone", "nosuch": "$nosuchfield"}
    fields |= {"account_name": "$account_id"}
    crm = Crm(
        clock=clock,
        callbacks=[Callback("Contacts", URL, "form", fields=fields)],
        custom_fields={"Contacts": [CustomField("cf_859", "Loyalty", "double")]},
        http=receiver.http,
    )
    account = await crm.ui_create("Accounts", {"accountname": "SO Customer"})
    typed = {name: expected[name] for name in ("lastname", "email", "cf_859")}
    typed |= {"birthday": "1990-02-28", "donotcall": "1", "description": "l1\nl2"}
    await crm.ui_create("Contacts", typed | {"account_id": account})
    [request] = receiver.requests
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    body = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
    assert body == expected


async def test_a_cloud_like_callback_sends_untrimmed_keys_and_a_number(
    receiver: Receiver, clock: Clock
) -> None:
    crm = crm_with(receiver, clock, Callback("Contacts", URL, "cloud", "PUT"))
    await crm.ui_create("Contacts", {"lastname": "x", "assigned_user_id": "20x3"})
    [request] = receiver.requests
    assert request.method == "PUT"
    body = dict(parse_qsl(request.content.decode()))
    assert body["record_id "] == "CON1"
    assert " modified" in body


async def test_references_and_owners_are_shown_by_name(receiver: Receiver, clock: Clock) -> None:
    fields = {"owner": "$assigned_user_id", "company": "$account_id", "born": "$birthday"}
    callback = Callback("Contacts", URL, "form", fields=fields)
    crm = crm_with(receiver, clock, callback)
    await crm.ui_create("Contacts", {"lastname": "x", "assigned_user_id": "20x3"})
    body = dict(parse_qsl(receiver.requests[0].content.decode(), keep_blank_values=True))
    assert body == {"owner": "Marketing Group", "company": "", "born": ""}


@pytest.mark.parametrize("status", [0, 404, 503])
async def test_a_failing_receiver_is_counted_and_the_save_stands(
    receiver: Receiver, clock: Clock, status: int
) -> None:
    receiver.status = status
    crm = crm_with(receiver, clock, Callback("Contacts", URL))
    ws_id = await crm.ui_create("Contacts", {"lastname": "x"})
    assert crm.record(ws_id)["lastname"] == "x"
    assert (crm.workflows.sent, crm.workflows.failed) == (0, 1)
    assert len(receiver.requests) == 1


async def test_a_hanging_receiver_holds_the_save_up_only_until_the_timeout(clock: Clock) -> None:
    async def hang(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        return httpx.Response(202, request=request)

    http = httpx.AsyncClient(transport=httpx.MockTransport(hang))
    crm = Crm(clock=clock, callbacks=[Callback("Contacts", URL, timeout=0.01)], http=http)
    await crm.ui_create("Contacts", {"lastname": "x"})
    assert crm.workflows.failed == 1


async def test_a_client_of_its_own_is_closed_with_the_crm(clock: Clock) -> None:
    crm = Crm(clock=clock, callbacks=[Callback("Contacts", "http://127.0.0.1:9/", timeout=1)])
    await crm.ui_create("Contacts", {"lastname": "x"})
    assert crm.workflows.failed == 1
    await crm.aclose()

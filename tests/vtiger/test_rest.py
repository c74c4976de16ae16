"""Vtiger Cloud's REST API: addresses, Basic authentication, failures as HTTP 400, call limits."""

import logging
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import (
    AuthRejected,
    CallsPaused,
    ConfigError,
    Duplicate,
    NotFound,
    RateLimited,
    Rejected,
    RemoteError,
    RemoteUnavailable,
    ResponseUnreadable,
)
from app.http.client import ClientLimits
from app.vtiger.client import VtigerClient, open_vtiger
from app.vtiger.query import Query, equals
from app.vtiger.rest import RestApi
from app.vtiger.webservice import Quota, find_quota
from sandbox.app import Sandbox, create_sandbox_app, new_sandbox
from sandbox.server import serve
from sandbox.vtiger.cloud import Limits
from tests.scripted import Scripted, Step, json_answer

pytestmark = pytest.mark.anyio

BASE = "/restapi/v1/vtiger/default"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ME = json_answer({"success": True, "result": {"id": "19x5", "user_name": "sync"}})
NEXT_MINUTE = {
    "X-FloodControl-MinuteLimit": "60",
    "X-FloodControl-Remaining": "0",
    "X-FloodControl-Reset": str(int((NOW + timedelta(seconds=20)).timestamp())),
}


def open_api(*steps: Step, url: str = "https://acme.od2.vtiger.com") -> tuple[RestApi, Scripted]:
    cloud = Scripted(list(steps))
    limits = ClientLimits(retry_delays=())
    api = RestApi(
        url, username="sync", access_key="key", limits=limits, transport=cloud, clock=lambda: NOW
    )
    return api, cloud


def line(text: str, status: int = 400, body: bytes = b"") -> httpx.Response:
    return httpx.Response(status, content=body, extensions={"reason_phrase": text.encode()})


def played(answer: httpx.Response) -> Step:
    """Again and again, status line included."""

    def play(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            answer.status_code,
            headers=answer.headers,
            content=answer.content,
            extensions=answer.extensions,
        )

    return play


async def refused(answer: httpx.Response, operation: str = "retrieve") -> RemoteError:
    api, _ = open_api(played(answer))
    with pytest.raises(RemoteError) as caught:
        await api.read(operation, {"id": "12x3"})
    return caught.value


async def test_each_operation_has_an_address_and_basic_authentication() -> None:
    api, cloud = open_api(json_answer({"success": True, "result": {}}))
    await api.read("retrieve", {"id": "12x3"})
    await api.write("create", {"elementType": "Contacts", "element": "{}"})
    await api.read("listtypes", {})
    assert [(one.method, one.path) for one in cloud.asked] == [
        ("GET", f"{BASE}/retrieve"),
        ("POST", f"{BASE}/create"),
        ("GET", f"{BASE}/listtypes"),
    ]
    assert [one.query for one in cloud.asked] == [{"id": "12x3"}, {}, {"fieldTypeList": "null"}]
    assert cloud.asked[1].form == {"elementType": "Contacts", "element": "{}"}
    basic = b64encode(b"sync:key").decode()
    assert {one.headers["authorization"] for one in cloud.asked} == {f"Basic {basic}"}


async def test_the_user_is_asked_for_once() -> None:
    api, cloud = open_api(ME)
    assert [await api.user_id(), await api.user_id()] == ["19x5", "19x5"]
    assert [one.path for one in cloud.asked] == [f"{BASE}/me"]


async def test_a_user_without_id_is_no_answer() -> None:
    api, _ = open_api(json_answer({"success": True, "result": {}}))
    with pytest.raises(ResponseUnreadable):
        await api.user_id()


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.od2.vtiger.com",
        "https://acme.od2.vtiger.com/",
        "https://acme.od2.vtiger.com/index.php",
        f"https://acme.od2.vtiger.com{BASE}",
        f"https://acme.od2.vtiger.com{BASE}/",
    ],
)
async def test_the_instance_is_found_from_any_of_its_addresses(url: str) -> None:
    api, cloud = open_api(ME, url=url)
    await api.user_id()
    assert str(cloud.asked[0].url) == f"https://acme.od2.vtiger.com{BASE}/me"


@pytest.mark.parametrize("url", ["", "acme.vtiger.com", "https://acme:port"])
def test_an_address_that_is_none_is_a_setting_to_mend(url: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        open_vtiger(url, username="u", access_key="k", api="rest")


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (line("Permission to perform the operation is denied"), NotFound, "denied"),
        (line("Record you are trying to access is not found"), NotFound, "not found"),
        (line("Duplicate(s) detected!"), Duplicate, "Duplicate"),
        (line("lastname does not have a value"), Rejected, "lastname does not have a value"),
        (line(""), Rejected, "HTTP 400"),
        (line("Unauthorized", 401), AuthRejected, "Unauthorized"),
        (line("Server Error", 500), RemoteUnavailable, "HTTP 500"),
        (line("OK", 200, b"<html>"), ResponseUnreadable, "expected JSON"),
    ],
)
async def test_the_status_line_tells_what_was_wrong(
    answer: httpx.Response, kind: type[RemoteError], said: str
) -> None:
    error = await refused(answer)
    assert type(error) is kind
    assert said in str(error)


async def test_an_envelope_with_the_failure_tells_more_than_the_status_line() -> None:
    envelope = {"success": False, "error": {"code": "MANDATORY_FIELDS_MISSING", "message": "m"}}
    error = await refused(json_answer(envelope, status=400))
    assert (type(error), error.code, str(error)) == (Rejected, "MANDATORY_FIELDS_MISSING", "m")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [({"Retry-After": "7"} | NEXT_MINUTE, 7), (NEXT_MINUTE, 20), ({}, None)],
)
async def test_too_many_calls_say_how_long_to_wait(
    headers: dict[str, str], wait: float | None
) -> None:
    error = await refused(httpx.Response(429, headers=headers))
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


async def test_no_call_is_made_that_the_minute_does_not_allow() -> None:
    api, cloud = open_api(json_answer({"success": True, "result": {}}, headers=NEXT_MINUTE))
    await api.read("retrieve", {"id": "12x3"})
    with pytest.raises(CallsPaused) as caught:
        await api.write("revise", {"element": "{}"})
    assert (caught.value.seconds, caught.value.ambiguous) == (20, False)
    assert len(cloud.asked) == 1


async def test_a_day_that_runs_out_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def left(number: int) -> httpx.Response:
        headers = {"X-RateLimit-DailyLimit": "1,200", "X-RateLimit-Remaining": str(number)}
        return json_answer({"success": True, "result": {}}, headers=headers)

    api, _ = open_api(left(120), left(119), left(118))
    caplog.set_level(logging.WARNING, "app.vtiger.rest")
    for _ in range(3):
        await api.read("retrieve", {"id": "12x3"})
    assert caplog.messages == ["Vtiger's API has 119 of 1200 calls left for this day"]
    assert api.quota == Quota(daily_limit=1200, daily_left=118)


@given(st.dictionaries(st.sampled_from([*NEXT_MINUTE, "X-RateLimit-Remaining"]), st.text()))
def test_no_header_breaks_the_count(headers: dict[str, str]) -> None:
    quota = find_quota({name.lower(): text for name, text in headers.items()})
    assert quota is None or 0 <= quota.wait_seconds(NOW) <= 60


@pytest.fixture
def sandbox() -> Sandbox:
    return new_sandbox(cron_interval_s=None, cloud=Limits())


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[VtigerClient]:
    known = sandbox.credentials
    async with serve(create_sandbox_app(sandbox)) as served:
        url = sandbox.describe(served.url)["vtiger"]["url"]
        async with open_vtiger(
            url, username=known.username, access_key=known.access_key, api="rest"
        ) as vtiger:
            yield vtiger


async def test_a_contact_lives_and_dies_in_the_cloud(client: VtigerClient) -> None:
    made = await client.create("Contacts", {"lastname": "O'Neil", "email": "zoe@crm.example"})
    assert made.get("assigned_user_id") == await client.user_id() == made.modified_by
    await client.revise(made.id, {"phone": "+33 1"}, module="Contacts")
    [found] = await client.query(Query("Contacts", where=(equals("lastname", "O'Neil"),)))
    assert (found.id, found.get("phone")) == (made.id, "+33 1")
    await client.delete(made.id)
    with pytest.raises(NotFound):
        await client.retrieve(made.id, "Contacts")


async def test_every_kind_of_call_is_there(client: VtigerClient) -> None:
    assert "Contacts" in await client.list_types()
    assert (await client.describe("Products")).id_prefix == "14"
    tax = await client.create_tax("VAT 20", Decimal("20"))
    assert (await client.revise_tax(tax.id, Decimal("19"))).percentage == Decimal("19")
    assert [one.code for one in await client.search_currencies()] == ["EUR"]
    await client.create("Accounts", {"accountname": "Acme"})
    with pytest.raises(Duplicate):
        await client.create("Accounts", {"accountname": "Acme"})
    with pytest.raises(Rejected):
        await client.create("Contacts", {"firstname": "x"})


async def test_a_wrong_key_is_refused(sandbox: Sandbox) -> None:
    async with serve(create_sandbox_app(sandbox)) as served:
        url = sandbox.describe(served.url)["vtiger"]["url"]
        async with open_vtiger(url, username="apiuser", access_key="no", api="rest") as client:
            with pytest.raises(AuthRejected):
                await client.user_id()


async def test_limits_are_told_and_kept(sandbox: Sandbox, client: VtigerClient) -> None:
    assert sandbox.cloud is not None
    sandbox.cloud.daily, sandbox.cloud.per_minute = 1000, 3
    for _ in range(3):
        await client.list_types()
    quota = client.quota
    assert quota is not None
    assert (quota.daily_limit, quota.daily_left, quota.minute_left) == (1000, 997, 0)
    with pytest.raises(CallsPaused):
        await client.list_types()
    assert sandbox.cloud.used_today == 3

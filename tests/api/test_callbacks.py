"""Vtiger's callbacks: any form, one delivery a record and store, nothing believed but the id."""

import base64

import httpx
import pytest

from app.runtime import Runtime
from tests.api.calls import CALLBACK_SECRET, FORM, problem
from tests.api.rows import stored
from tests.recorded import deliveries as recorded
from tests.refusals import refusing

pytestmark = pytest.mark.anyio

CONTACTS = "/callbacks/vtiger/contacts"
TOKEN = {"x-callback-token": CALLBACK_SECRET}
JSON = {"content-type": "application/json"}


def basic(user: str, password: str) -> dict[str, str]:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


async def test_a_callback_is_one_delivery_for_each_store(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    response = await stranger.post(CONTACTS, json={"id": "12x34"}, headers=TOKEN)
    found = await stored(runtime)
    assert response.status_code == 202
    assert response.json() == {"delivery_ids": [str(delivery.id) for delivery in found]}
    assert sorted(delivery.record_key for delivery in found) == [
        "main:contacts:vtiger:12x34",
        "shop-fr:contacts:vtiger:12x34",
    ]
    assert {(delivery.origin, delivery.event) for delivery in found} == {("callback", "changed")}


@pytest.mark.parametrize(
    ("content", "headers", "ids"),
    [
        (b"id=34&lastname=Caf%C3%A9", FORM, ["34"]),
        (b"+record+=12x34", FORM, ["12x34"]),
        (b"data[id]=12x34", FORM, ["12x34"]),
        (b"data.id=12x34", FORM, ["12x34"]),
        (b'{"crmid": 34}', JSON, ["34"]),
        (b'{"id":"12x34","module":"Contacts","data":{"id":"12x35"}}', JSON, ["12x34"]),
        (b'[{"id":"12x34"},{"recordid":"12x35"}]', JSON, ["12x34", "12x35"]),
        (b'{"record_id":"CON217"}', {}, ["CON217"]),
    ],
)
async def test_every_form_names_its_records(
    stranger: httpx.AsyncClient,
    runtime: Runtime,
    content: bytes,
    headers: dict[str, str],
    ids: list[str],
) -> None:
    response = await stranger.post(CONTACTS, content=content, headers=TOKEN | headers)
    assert response.status_code == 202
    found = [d.record_id for d in await stored(runtime) if d.store == "main"]
    assert sorted(found) == ids


@pytest.mark.parametrize("name", list(recorded("vtiger-callbacks")))
async def test_recorded_callbacks_are_accepted(
    stranger: httpx.AsyncClient, runtime: Runtime, name: str
) -> None:
    delivery = recorded("vtiger-callbacks")[name]
    headers = TOKEN | {"content-type": delivery.headers["content-type"]}
    module = "SalesOrder" if "-so-" in name else "Contacts"
    response = await stranger.post(
        f"/callbacks/vtiger/{module}", content=delivery.body, headers=headers
    )
    assert response.status_code == 202
    assert len(await stored(runtime)) == 2


async def test_of_an_address_with_too_many_fields_none_is_believed(
    stranger: httpx.AsyncClient,
) -> None:
    query = "a=&" * 100 + f"token={CALLBACK_SECRET}&id=5"
    response = await stranger.post(f"{CONTACTS}?{query}")
    assert problem(response) == (400, "unreadable")
    assert "100 fields" in response.json()["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_the_address_alone_may_name_the_record(
    stranger: httpx.AsyncClient, runtime: Runtime, method: str
) -> None:
    query = {"id": "12x34", "token": CALLBACK_SECRET}
    response = await stranger.request(method, CONTACTS, params=query)
    assert response.status_code == 202
    assert len(await stored(runtime)) == 2


async def test_callbacks_of_one_record_are_one_hint_while_it_waits(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    first = await stranger.post(CONTACTS, json={"id": "12x34", "phone": "1"}, headers=TOKEN)
    second = await stranger.post(CONTACTS, json={"id": "12x34", "phone": "2"}, headers=TOKEN)
    assert second.status_code == 202
    assert second.json() == first.json()
    assert {delivery.duplicates for delivery in await stored(runtime)} == {1}


async def test_a_slash_at_the_end_of_the_address_changes_nothing(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    for method in ("POST", "PUT", "GET"):
        query = {"id": f"12x{len(method)}", "token": CALLBACK_SECRET}
        response = await stranger.request(method, f"{CONTACTS}/", params=query)
        assert response.status_code == 202
    assert len(await stored(runtime)) == 4


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("contacts", "contacts"),
        ("Contacts", "contacts"),
        ("CONTACTS", "contacts"),
        ("Products", "products"),
        ("SalesOrder", "sales_orders"),
        ("sales_orders", "sales_orders"),
    ],
)
async def test_modules_go_by_either_name(
    stranger: httpx.AsyncClient, runtime: Runtime, name: str, module: str
) -> None:
    await stranger.post(f"/callbacks/vtiger/{name}", json={"id": "9x1"}, headers=TOKEN)
    assert {delivery.module for delivery in await stored(runtime)} == {module}


async def test_an_unknown_module_is_not_found_and_the_known_ones_are_named(
    stranger: httpx.AsyncClient,
) -> None:
    response = await stranger.post("/callbacks/vtiger/Accounts", json={"id": 1}, headers=TOKEN)
    assert problem(response) == (404, "unknown_module")
    assert "Contacts, Products, SalesOrder, Tax" in response.json()["detail"]


@pytest.mark.parametrize(
    "headers", [TOKEN, basic("vtiger", CALLBACK_SECRET), basic("", CALLBACK_SECRET)]
)
async def test_the_secret_may_come_in_a_header(
    stranger: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await stranger.post(CONTACTS, json={"id": "12x34"}, headers=headers)
    assert response.status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-callback-token": ""},
        {"x-callback-token": CALLBACK_SECRET + "x"},
        basic(CALLBACK_SECRET, ""),
        {"authorization": "Basic !!!"},
        {"authorization": "Basic"},
        {"authorization": f"Bearer {CALLBACK_SECRET}"},
    ],
)
async def test_without_the_secret_nothing_is_taken(
    stranger: httpx.AsyncClient, runtime: Runtime, headers: dict[str, str]
) -> None:
    response = await stranger.post(CONTACTS, json={"id": "12x34"}, headers=headers)
    assert problem(response) == (401, "bad_callback_secret")
    assert await stored(runtime) == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"name=x", b"id=$id", b'{"id": "\\u00001"}']
)
async def test_a_callback_that_names_no_record_is_a_bad_request(
    stranger: httpx.AsyncClient, runtime: Runtime, content: bytes
) -> None:
    response = await stranger.post(CONTACTS, content=content, headers=TOKEN)
    assert problem(response) == (400, "unreadable")
    assert await stored(runtime) == []


async def test_many_records_at_once_are_all_stored(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    records = [{"id": f"12x{number}"} for number in range(1, 121)]
    response = await stranger.post(CONTACTS, json=records, headers=TOKEN)
    assert len(set(response.json()["delivery_ids"])) == 240
    assert len(await stored(runtime)) == 240


async def test_too_large_a_callback_is_refused(stranger: httpx.AsyncClient) -> None:
    response = await stranger.post(CONTACTS, content=b"x" * 100_001, headers=TOKEN)
    assert problem(response) == (413, "too_large")


async def test_of_many_records_one_that_the_database_refuses_is_left_out(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    """Sent again it would be refused again, and its sender would go on for ever."""
    body = [{"id": f"12x{each}"} for each in range(1, 31)]
    async with refusing(runtime.sessions, "deliveries", "record_id", "12x7"):
        response = await stranger.post(CONTACTS, json=body, headers=TOKEN)
    assert response.status_code == 202
    assert len(response.json()["delivery_ids"]) == 2 * 29
    assert {each.record_id for each in await stored(runtime)} == {
        row["id"] for row in body if row["id"] != "12x7"
    }


async def test_a_record_that_the_database_refuses_is_answered_503(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    async with refusing(runtime.sessions, "deliveries", "record_id", "12x7"):
        response = await stranger.post(CONTACTS, json={"id": "12x7"}, headers=TOKEN)
    assert problem(response) == (503, "not_stored")

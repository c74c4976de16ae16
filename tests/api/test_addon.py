"""The add-on's batches: signed, each change taken once, those that nobody syncs left out."""

import time
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import httpx
import orjson
import pytest
from fastapi import FastAPI
from starlette.types import Message

from app.runtime import Runtime
from app.vtiger.callbacks import sign
from tests.api.calls import CALLBACK_SECRET, problem
from tests.api.rows import stored

pytestmark = pytest.mark.anyio

PATH = "/callbacks/vtiger"


def change(sequence: int, module: str = "Contacts", **more: Any) -> dict[str, Any]:
    row = {"sequence": sequence, "id": f"12x{sequence}", "module": module, "event": "updated"}
    return row | more


async def send(
    client: httpx.AsyncClient,
    changes: Sequence[Any] | bytes,
    *,
    installation: str = "first",
    secret: str = CALLBACK_SECRET,
    ahead: int = 0,
    headers: Mapping[str, str] | None = None,
    path: str = PATH,
) -> httpx.Response:
    body = changes
    if not isinstance(body, bytes):
        body = orjson.dumps({"installation": installation, "changes": changes})
    stamp = str(int(time.time()) + ahead)
    signed = {"X-WooSync-Timestamp": stamp, "X-WooSync-Signature": sign(secret, stamp, body)}
    return await client.post(path, content=body, headers=signed | dict(headers or {}))


async def test_each_change_is_one_delivery_for_each_store(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    rows = [change(1, event="created"), change(2, "SalesOrder", event="deleted", id="6x7")]
    response = await send(stranger, rows)
    assert response.status_code == 202
    found = await stored(runtime)
    answer = response.json()
    assert sorted(answer["delivery_ids"]) == sorted(str(delivery.id) for delivery in found)
    assert (answer["duplicates"], answer["skipped"]) == (0, 0)
    assert sorted((each.record_key, each.event) for each in found) == [
        ("main:contacts:vtiger:12x1", "created"),
        ("main:sales_orders:vtiger:6x7", "deleted"),
        ("shop-fr:contacts:vtiger:12x1", "created"),
        ("shop-fr:sales_orders:vtiger:6x7", "deleted"),
    ]
    assert {delivery.origin for delivery in found} == {"callback"}


async def test_modules_that_nobody_syncs_are_left_out_and_counted(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    rows = [change(1, "Accounts"), change(2), change(3, "Services"), "rubbish"]
    response = await send(stranger, rows)
    assert (response.status_code, response.json()["skipped"]) == (202, 3)
    assert {each.record_id for each in await stored(runtime)} == {"12x2"}


async def test_a_sequence_is_taken_once(stranger: httpx.AsyncClient, runtime: Runtime) -> None:
    """The add-on delivers at least once."""
    await send(stranger, [change(1), change(2)])
    response = await send(stranger, [change(2), change(3)])
    assert response.json()["duplicates"] == 1
    again = await send(stranger, [change(2), change(3)])
    assert (again.status_code, again.json()["delivery_ids"]) == (200, [])
    assert len(await stored(runtime)) == 6


async def test_another_installation_counts_anew(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    await send(stranger, [change(1)])
    response = await send(stranger, [change(1)], installation="second")
    assert response.status_code == 202
    assert len(await stored(runtime)) == 4


async def test_two_changes_of_one_record_are_two_deliveries(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    await send(stranger, [change(1, id="12x9"), change(2, id="12x9")])
    assert len(await stored(runtime)) == 4


async def test_the_test_button_sends_an_empty_batch(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    response = await send(stranger, [])
    assert response.status_code == 200
    assert response.json()["service"] == "woo-vtiger"
    assert await stored(runtime) == []


async def test_a_slash_at_the_end_of_the_address_changes_nothing(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    response = await send(stranger, [change(1)], path=f"{PATH}/")
    assert response.status_code == 202
    assert len(await stored(runtime)) == 2


async def test_a_refusal_says_how_to_mend_it(stranger: httpx.AsyncClient) -> None:
    wrong = await send(stranger, [change(1)], secret="other")
    stale = await send(stranger, [change(1)], ahead=-400)
    missing = await stranger.post(PATH, json={"changes": []})
    token = {"x-callback-token": CALLBACK_SECRET}
    tokened = await stranger.post(PATH, json={"changes": []}, headers=token)
    assert problem(wrong) == (401, "signature_wrong")
    assert "VTIGER__CALLBACK_SECRET" in wrong.json()["detail"]
    assert problem(stale) == (401, "signature_stale")
    assert "clock" in stale.json()["detail"]
    assert problem(missing) == problem(tokened) == (401, "signature_missing")


async def test_nothing_is_taken_without_the_signature(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    for headers in ({"X-WooSync-Signature": ""}, {"X-WooSync-Timestamp": "0"}):
        response = await send(stranger, [change(1)], headers=headers)
        assert response.status_code == 401
    assert await stored(runtime) == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"changes": 1}'])
async def test_what_is_no_batch_is_a_bad_request(stranger: httpx.AsyncClient, body: bytes) -> None:
    assert problem(await send(stranger, body)) == (400, "unreadable")


async def test_a_batch_that_is_too_large_is_refused(stranger: httpx.AsyncClient) -> None:
    assert problem(await send(stranger, b" " * 100_001)) == (413, "too_large")


async def test_an_admin_gets_the_add_on(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    response = await client.get("/vtiger-addon.zip")
    assert response.headers["content-type"] == "application/zip"
    assert 'filename="WooSync-' in response.headers["content-disposition"]
    assert "manifest.xml" in ZipFile(BytesIO(response.content)).namelist()
    assert (await client.get("/vtiger-addon.zip")).content == response.content
    assert problem(await stranger.get("/vtiger-addon.zip")) == (401, "unauthorized")


@pytest.mark.parametrize("name", ["X-WooSync-Timestamp", "X-WooSync-Signature", ""])
async def test_without_a_signature_no_byte_is_read(app: FastAPI, name: str) -> None:
    sent: list[Message] = []
    fields = [(name.lower().encode(), b"1")] if name else []
    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b""}

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    await app({**scope, "headers": fields}, receive, send)
    assert (sent[0]["status"], orjson.loads(sent[1]["body"])["code"]) == (401, "signature_missing")

"""Webhooks that are not taken: unproven, unreadable, too large, or at a bad moment."""

from collections.abc import Mapping

import httpx
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.types import Message

from app.runtime import Runtime
from app.woocommerce.webhook_delivery import sign
from tests.api.calls import FORM, HOOKS, hook_headers, problem, send_hook
from tests.api.rows import stored

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "signature", ["", "AAAA", sign(b'{"id":8}', "labsecret"), sign(b'{"id":7}', ""), "\u00e9"]
)
async def test_a_wrong_or_missing_signature_is_refused(
    stranger: httpx.AsyncClient, runtime: Runtime, signature: str
) -> None:
    headers = hook_headers(b'{"id":7}') | {"x-wc-webhook-signature": signature}
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    response = await stranger.post(HOOKS, content=b'{"id":7}', headers=encoded)
    assert problem(response) == (401, "bad_signature")
    assert await stored(runtime) == []


@pytest.fixture
def service_database_url(database_url: str) -> str:
    """Its own, for these tests harm it."""
    return database_url


async def test_a_form_that_is_no_ping_needs_a_signature(stranger: httpx.AsyncClient) -> None:
    for body in (b"webhook_id=", b"webhook_id=x", b"id=7", b"", b"webhook_id=7&" * 9):
        response = await stranger.post(HOOKS, content=body, headers=FORM)
        assert problem(response) == (401, "bad_signature")


async def test_both_secrets_count_while_one_is_being_changed(
    stranger: httpx.AsyncClient,
) -> None:
    body = b'{"id":7}'
    headers = hook_headers(body) | {"x-wc-webhook-signature": sign(body, "lastyear")}
    rotating = await stranger.post("/webhooks/woocommerce/shop-fr", content=body, headers=headers)
    settled = await stranger.post(HOOKS, content=body, headers=headers)
    assert (rotating.status_code, settled.status_code) == (202, 401)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"<b>Notice</b> {}"])
async def test_a_signed_body_that_is_no_json_is_a_bad_request(
    stranger: httpx.AsyncClient, runtime: Runtime, body: bytes
) -> None:
    assert problem(await send_hook(stranger, body)) == (400, "unreadable")
    assert await stored(runtime) == []


async def test_noise_before_the_json_is_shown_with_its_place(stranger: httpx.AsyncClient) -> None:
    response = await send_hook(stranger, b'\n<br />\n<b>Warning</b>: Undefined index {"id":7}')
    assert "line 1, column 1, near '<br /> <b>Warning" in response.json()["detail"]


async def test_a_delivery_without_a_topic_is_a_bad_request(stranger: httpx.AsyncClient) -> None:
    headers = hook_headers(b'{"id":7}')
    del headers["x-wc-webhook-topic"]
    response = await stranger.post(HOOKS, content=b'{"id":7}', headers=headers)
    assert problem(response) == (400, "unreadable")


async def test_an_unknown_store_is_not_found_before_all_else(stranger: httpx.AsyncClient) -> None:
    response = await stranger.post("/webhooks/woocommerce/nobody", content=b"x" * 200_000)
    assert problem(response) == (404, "unknown_store")


async def test_too_large_a_body_is_refused_by_its_length(stranger: httpx.AsyncClient) -> None:
    assert problem(await send_hook(stranger, b"x" * 300_001)) == (413, "too_large")
    assert problem(await send_hook(stranger, b"x" * 100_000)) == (400, "unreadable")


async def test_a_large_body_signed_with_another_secret_is_refused(
    stranger: httpx.AsyncClient,
) -> None:
    body = b'{"id":7,"blob":"' + b"x" * 200_000 + b'"}'
    headers = hook_headers(body) | {"x-wc-webhook-signature": sign(body, "another secret")}
    assert problem(await stranger.post(HOOKS, content=body, headers=headers)) == (
        401,
        "bad_signature",
    )


@pytest.mark.parametrize(
    ("headers", "found", "most"),
    [
        ({"x-wc-webhook-signature": "AAAA"}, (413, "too_large"), 31),
        (FORM, (401, "bad_signature"), 1),
        ({}, (401, "bad_signature"), 0),
    ],
)
async def test_too_large_a_body_is_refused_while_it_is_read(
    app: FastAPI, headers: Mapping[str, str], found: tuple[int, str], most: int
) -> None:
    """Without a signature no more is read than a ping has."""
    read = 0
    sent: list[Message] = []
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": HOOKS, "query_string": b""}

    async def receive() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b"x" * 10_000, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({**scope, "headers": fields}, receive, send)
    assert (sent[0]["status"], orjson.loads(sent[1]["body"])["code"]) == found
    assert read <= most


async def test_a_sender_that_hangs_up_in_mid_body_leaves_nothing(
    app: FastAPI, runtime: Runtime
) -> None:
    sent: list[Message] = []
    parts: list[Message] = [
        {"type": "http.request", "body": b'{"id"', "more_body": True},
        {"type": "http.disconnect"},
    ]
    scope = {"type": "http", "method": "POST", "path": HOOKS, "query_string": b""}
    scope["headers"] = [(b"x-wc-webhook-signature", b"AAAA")]

    async def receive() -> Message:
        return parts.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert await stored(runtime) == []


async def test_what_could_not_be_stored_is_answered_503(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    async with runtime.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE deliveries RENAME TO elsewhere"))
    response = await send_hook(stranger, {"id": 7})
    assert problem(response) == (503, "not_stored")
    assert response.headers["retry-after"] == "5"
    async with runtime.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE elsewhere RENAME TO deliveries"))
    assert (await send_hook(stranger, {"id": 7})).status_code == 202


async def test_only_post_is_allowed(stranger: httpx.AsyncClient) -> None:
    response = await stranger.get(HOOKS)
    assert problem(response) == (405, "method_not_allowed")
    assert "POST" in response.headers["allow"]


@pytest.mark.parametrize("topic", ["x" * 2_690 + ".updated", "order.updated:7", "order"])
async def test_a_topic_of_another_form_is_refused_and_enters_no_key(
    stranger: httpx.AsyncClient, runtime: Runtime, topic: str
) -> None:
    headers = hook_headers(b'{"id":7}') | {"x-wc-webhook-topic": topic}
    response = await stranger.post(HOOKS, content=b'{"id":7}', headers=headers)
    assert problem(response) == (400, "unreadable")
    assert await stored(runtime) == []

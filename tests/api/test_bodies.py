"""Bodies are bounded before any route reads them, and wanted only of callers with a token."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from app.api.middleware import MAX_BODY_BYTES, BodyLimits
from app.api.receivers import read_body, read_watched

pytestmark = pytest.mark.anyio

HOOK: Scope = {
    "type": "http",
    "method": "POST",
    "path": "/webhooks/woocommerce/main",
    "headers": [],
}


async def _endless() -> AsyncIterator[bytes]:
    """A body of which no byte should be asked for."""
    raise AssertionError("the body was read")
    yield b""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_no_byte_of_a_body_is_read_without_a_token(
    stranger: httpx.AsyncClient, method: str
) -> None:
    answer = await stranger.request(method, "/sync-runs", content=_endless())

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"


async def test_a_body_of_the_api_is_bounded(client: httpx.AsyncClient) -> None:
    answer = await client.post("/sync-runs", content=b" " * (MAX_BODY_BYTES + 1))

    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


async def test_the_largest_unfinished_body_makes_room_for_the_others() -> None:
    """Whoever fills the memory is turned away, not whoever comes after them."""
    whole: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del send
        whole.append(len(await read_body(Request(scope, receive), 10_000)))

    limits = BodyLimits(app, max_kept=10_000, max_total=100)
    parts = [b"x" * 90, b"x" * 5]

    async def large() -> Message:
        part = parts.pop(0)
        if not parts:  # meanwhile somebody else sends a small body
            await limits(HOOK, small, _ignore)
        return {"type": "http.request", "body": part, "more_body": True}

    async def small() -> Message:
        return {"type": "http.request", "body": b"x" * 20}

    with pytest.raises(HTTPException) as refused:
        await limits(HOOK, large, _ignore)
    assert (refused.value.status_code, whole) == (503, [20])


async def test_a_large_body_whose_sender_falls_silent_makes_room_too() -> None:
    """It would hold the memory as long as its sender pleased."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del send
        await read_body(Request(scope, receive), 10_000)

    limits = BodyLimits(app, max_kept=10_000, max_total=100)
    begun = asyncio.Event()
    parts = [b"x" * 90]

    async def silent() -> Message:
        if not parts:
            begun.set()
            await asyncio.Event().wait()
        return {"type": "http.request", "body": parts.pop(), "more_body": True}

    async def small() -> Message:
        return {"type": "http.request", "body": b"x" * 20}

    large = asyncio.create_task(limits(HOOK, silent, _ignore))
    await begun.wait()
    await limits(HOOK, small, _ignore)
    with pytest.raises(HTTPException) as refused:
        async with asyncio.timeout(20):
            await large
    assert refused.value.status_code == 503


async def test_a_webhook_that_is_not_kept_takes_nobodys_room() -> None:
    """Of a body beyond what a receiver keeps only that much counts: it is looked at in passing."""
    passed: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del send
        body = await read_watched(Request(scope, receive), lambda _: None, keep=50, most=10_000)
        passed.append(len(body.raw))

    parts = [b"x" * 90] * 10

    async def receive() -> Message:
        return {"type": "http.request", "body": parts.pop(), "more_body": bool(parts)}

    await BodyLimits(app, max_kept=50, max_total=100)(HOOK, receive, _ignore)
    assert passed == [900]  # less than the head that is kept of any


async def _ignore(message: Message) -> None:
    del message

"""What the HTTP server bears from clients that send too much, too slowly, or nothing at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send

from app.bounded_http import HttpLimits, connection_limit
from app.serving import listen, serving

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nhost: a\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
QUICK = HttpLimits(head_seconds=0.2, body_seconds=0.6, check_seconds=0.2)
FIELDS = b"a: b\r\n"


async def _count_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the number of bytes in the body."""
    del scope
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def _server(limits: HttpLimits) -> AsyncIterator[int]:
    listener = listen("127.0.0.1", 0)
    async with serving(_count_body, listener, lifespan="off", limits=limits) as served:
        yield served.port


async def _ask(port: int, *parts: bytes) -> bytes:
    """All that the server answers; "" if it closed the connection without a word."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.readuntil(b"\r\n")
    except (ConnectionError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET + b"\r\n",
        GET + FIELDS * 99 + b"\r\n",
        GET + b"a: " + b"b" * 60_000 + b"\r\n\r\n",
        POST + b"content-length: 300000\r\n\r\n" + b"x" * 300_000,
        CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n",
        CHUNKED + b"1\r\nx\r\n0\r\n" + FIELDS * 50 + b"\r\n",
    ],
    ids=["plain", "fields", "field", "body", "single-byte chunks", "trailers"],
)
async def test_what_an_honest_client_sends_is_answered(request_bytes: bytes) -> None:
    async with _server(HttpLimits()) as port:
        assert b" 200 " in await _ask(port, request_bytes)


@pytest.mark.parametrize(
    "parts",
    [
        [GET + FIELDS * 150 + b"\r\n"],
        [GET + b"a: " + b"b" * 70_000 + b"\r\n\r\n"],
        [GET + b"a: ", *[b"b" * 10_000] * 30],
        [b"GET /" + b"b" * 70_000 + b" HTTP/1.1\r\n\r\n"],
        [CHUNKED + b"1\r\nx\r\n0\r\n" + FIELDS * 150 + b"\r\n"],
        [CHUNKED + b"1\r\nx\r\n0\r\na: ", *[b"b" * 10_000] * 40],
        [CHUNKED + b"1;", *[b"b" * 10_000] * 40],
    ],
    ids=["fields", "field", "endless field", "address", "trailers", "trailer", "chunk extension"],
)
async def test_a_head_or_trailers_that_are_too_large_are_answered_431(parts: list[bytes]) -> None:
    async with _server(HttpLimits()) as port:
        assert await _ask(port, *parts) in (
            b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
            b"",
        )
        assert b" 200 " in await _ask(port, GET + b"\r\n")


@pytest.mark.parametrize(
    "begun", [b"", GET, POST + b"content-length: 9999\r\n\r\nx"], ids=["silence", "head", "body"]
)
async def test_what_never_ends_is_given_up(begun: bytes) -> None:
    async with _server(QUICK) as port:
        assert b" 408 " in await _ask(port, begun)


async def test_a_quick_client_is_served_while_slow_ones_hold_all_connections() -> None:
    async with _server(HttpLimits(connections=20)) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        for _, writer in held[:30]:
            writer.write(GET)
        answers = [await _ask(port, GET + b"\r\n") for _ in range(20)]
        for _, writer in held:
            writer.close()

    assert all(b" 200 " in answer for answer in answers)


def test_connections_leave_files_for_everything_else() -> None:
    assert 16 <= connection_limit() <= 4096

"""What the HTTP server bears from clients that send too much, too slowly, or nothing at all."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.server import (
    FILES_KEPT_FREE,
    MOST_FILES,
    HttpLimits,
    Shared,
    backlog_limit,
    connection_limit,
    listen,
    serving,
    take_files,
)

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nhost: a\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
QUICK = HttpLimits(head_seconds=0.2, body_seconds=0.6, check_seconds=0.2)
PATIENT = HttpLimits(head_seconds=3600, connections=20)
"""Nothing is closed but to make room."""
LONGEST = 20.0
"""Seconds after which a test whose connection is never closed fails, instead of hanging."""
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
async def _server(limits: HttpLimits, app: ASGIApp = _count_body) -> AsyncIterator[int]:
    listener = listen("127.0.0.1", 0)
    async with serving(app, listener, lifespan="off", limits=limits) as served:
        yield served.port


async def _hear(port: int, *parts: bytes) -> bytes:
    """All that the server says until it closes the connection; the client closes its side."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(LONGEST):
            return await reader.read()
    finally:
        writer.close()


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
    async with _server(PATIENT) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        for _, writer in held[:30]:
            writer.write(GET)
        answers = [await _ask(port, GET + b"\r\n") for _ in range(20)]
        await _see_closed(reader for reader, _ in held[:20])
        for _, writer in held:
            writer.close()

    assert all(b" 200 " in answer for answer in answers)


async def _see_closed(readers: Iterable[asyncio.StreamReader]) -> None:
    async with asyncio.timeout(LONGEST):
        for reader in readers:
            with contextlib.suppress(ConnectionError):
                await reader.read()


async def test_no_more_are_closed_than_make_room() -> None:
    """Those that are closed for nothing would come again, all at the same time."""
    async with _server(HttpLimits(head_seconds=3600, connections=64)) as port:
        opening = (asyncio.open_connection("127.0.0.1", port) for _ in range(100))
        held = await asyncio.gather(*opening)
        reading = [asyncio.ensure_future(reader.read()) for reader, _ in held]
        await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED, timeout=LONGEST)
        assert b" 200 " in await _ask(port, GET + b"\r\n")
        assert sum(not each.done() for each in reading) >= 60
        for each in reading:
            each.cancel()
        for _, writer in held:
            writer.close()


async def _answer_unread(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def test_whoever_is_answered_in_mid_body_can_send_it_to_its_end() -> None:
    """Some clients read no answer before, and would wait for ever."""
    piece, pieces = b"x" * 64 * 1024, 12
    async with _server(HttpLimits(), _answer_unread) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(LONGEST):
            writer.write(POST + b"content-length: %d\r\n\r\n" % (len(piece) * pieces))
            for _ in range(pieces):
                writer.write(piece)
                await writer.drain()
            answers = await reader.readuntil(b"\r\n\r\n")
            writer.write(GET + b"connection: close\r\n\r\n")
            answers += await reader.read()
        writer.close()
    assert answers.count(b" 401 ") == 2


async def test_large_bodies_come_in_whole_however_slowly_they_are_read() -> None:
    size = 512 * 1024
    limits = HttpLimits(large_bytes_a_second=2 * 1024 * 1024)
    sent = POST + b"connection: close\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    async with _server(limits) as port:
        answers = await asyncio.gather(*(_hear(port, sent) for _ in range(3)))
    assert [each.rpartition(b"\r\n")[2] for each in answers] == [str(size).encode()] * 3


def test_what_is_read_of_large_bodies_is_bounded_by_all_together() -> None:
    shared = Shared(HttpLimits(large_bytes_a_second=1000))
    waits = [shared.take_large(500, now=10.0) for _ in range(4)]
    assert waits == [0.5, 1.0, 1.5, 2.0]
    assert shared.take_large(500, now=20.0) == 0.5


@pytest.fixture
def limit_of_files() -> Iterator[Callable[[int], None]]:
    """Sets how many files the process may open, until the end of the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda files: resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connections_leave_files_for_everything_else(
    limit_of_files: Callable[[int], None],
) -> None:
    """Those that are held, and twice those that the kernel holds ready."""
    for files in (512, 1024, 4096):
        limit_of_files(files)
        assert connection_limit() >= files // 4
        assert backlog_limit() >= 64
        assert connection_limit() + 2 * backlog_limit() + FILES_KEPT_FREE <= files


def test_the_service_takes_the_files_that_it_may_have(
    limit_of_files: Callable[[int], None],
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit_of_files(512)
    take_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, MOST_FILES)


HOST = b"host: a\r\n"
CLOSE = b"connection: close\r\n"
CHUNKS = b"1\r\nx\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n"
        + CHUNKS,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n"
        + CHUNKS,
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1,1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length : 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n" + CHUNKS,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n" + CHUNKS,
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\nx\n0\n\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n folded: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\na\x00b: c\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: a\r\n\r\n",
        b"GET /\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=[
        "length and chunks",
        "chunks and length",
        "two lengths",
        "signed length",
        "list of lengths",
        "blank before the colon",
        "other encoding",
        "encodings",
        "chunk size",
        "bare line feeds",
        "folded field",
        "NUL",
        "version",
        "no version",
        "CONNECT",
        "TLS",
        "HTTP/2",
    ],
)
async def test_what_two_servers_may_read_in_two_ways_is_refused(request_bytes: bytes) -> None:
    """Else a proxy in front and this server may not agree where a request ends."""
    asked: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await _count_body(scope, receive, send)

    async with _server(HttpLimits(), app) as port:
        smuggled = request_bytes + b"GET /smuggled HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
        answer = await _hear(port, smuggled)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"application/problem+json" in answer
    assert "/smuggled" not in asked


@pytest.mark.parametrize(
    ("request_bytes", "answered"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 "),
        (
            b"GET http://elsewhere.example/a?b=c HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n",
            b"HTTP/1.1 200 ",
        ),
        (b"OPTIONS * HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", b"HTTP/1.1 "),
        (b"TRACE / HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", b"HTTP/1.1 200 "),
        (
            b"GET / HTTP/1.1\r\n"
            + HOST
            + b"connection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
            b"HTTP/1.1 200 ",
        ),
        (
            POST + CLOSE + b"expect: 100-continue\r\ncontent-length: 1\r\n\r\nx",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ",
        ),
        (
            POST + CLOSE + b"transfer-encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
            b"HTTP/1.1 200 ",
        ),
        (GET + CLOSE + b"\r\n" + GET + b"\r\n", b"HTTP/1.1 200 "),
    ],
    ids=[
        "1.0",
        "absolute",
        "asterisk",
        "TRACE",
        "upgrade",
        "expect",
        "extension",
        "after the last",
    ],
)
async def test_odd_but_sound_requests_are_answered_once(
    request_bytes: bytes, answered: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with _server(HttpLimits()) as port:
        answer = await _hear(port, request_bytes)

    assert answer.startswith(answered)
    assert answer.count(b"HTTP/1.1 200 ") <= 1
    assert caplog.records == []


async def test_a_client_that_never_reads_is_given_up() -> None:
    """So is the request that its answer is made for."""
    gone = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while (await _take(receive)) is None:
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        gone.set()

    async def _take(receive: Receive) -> str | None:
        """What has come in; None for nothing."""
        try:
            async with asyncio.timeout(0):
                return str((await receive())["type"])
        except TimeoutError:
            return None

    async with _server(HttpLimits(answer_seconds=0.2), endless) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET + b"\r\n" + GET + b"\r\n")
        async with asyncio.timeout(LONGEST):
            await gone.wait()
        writer.close()


async def test_requests_that_nobody_waits_to_be_answered_are_bounded() -> None:
    asked: list[str] = []
    held = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await held.wait()
        await _count_body(scope, receive, send)

    async with _server(HttpLimits(), app) as port:
        answer = await _hear(port, (GET + b"\r\n") * 1000)
        held.set()

    assert answer == b""
    assert len(asked) == 1


async def test_a_body_that_nobody_wants_any_more_is_not_read_to_its_end() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with _server(HttpLimits(), app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + b"content-length: 200000000\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 200_000_000:
                writer.write(b"x" * 65_536)
                await writer.drain()
                sent += 65_536
        writer.close()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert sent < 50_000_000, "what the two ends buffer is some MB"


async def test_many_that_come_at_once_make_room_for_each_other() -> None:
    """Each newcomer closes another one, although the closed ones are not gone yet."""
    async with _server(PATIENT) as port:
        held = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", port) for _ in range(200))
        )
        await _see_closed(reader for reader, _ in held[:180])
        for _, writer in held:
            writer.close()

"""The HTTP server: limits on connections and slow clients, header fields of all answers, and an
ASGI application served inside a running event loop.

uvicorn bounds neither the size of a request's head nor the time that head and body may take, and
its parser keeps an unfinished field in memory. `BoundedHttp` adds these limits to uvicorn's
protocol. It counts received bytes outside the parser, because the parser reports a field only when
the field is complete."""

import asyncio
import contextlib
import heapq
import resource
import socket
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

import orjson
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

# Header fields of all answers: of routes, errors and files, which `AnswerHeaders` adds, and of the
# server itself.

FIELDS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""The strictest policy: browsers display, execute and store nothing. Pages set their own content
policy and referrer policy, files may be cached by browsers."""
RAW_FIELDS = b"".join(f"{name.lower()}: {value}\r\n".encode() for name, value in FIELDS.items())
"""The fields for answers that the server sends itself, before a request was parsed."""

FRAMING_PER_BYTE = 8
"""Bytes of chunk framing allowed for each byte of a body; a chunk of one byte needs five."""
MOST_UNREAD = 16 * 1024
"""Bytes of a body that may wait for the application before reading is paused."""
SMALL_BODY = 64 * 1024
"""Bytes of a body that are read without a rate limit: most webhooks have fewer."""
FILES_KEPT_FREE = 128
"""For the database, the two clients and the log."""
MOST_FILES = 8192
MOST_READY = 2048
MOST_CONNECTIONS = 1024
"""Each may hold a head of 64 KiB; the two systems together open a few dozen."""
REFUSALS = {
    400: ("bad_request", "The request is not valid HTTP/1.1."),
    408: ("too_slow", "The request did not arrive in time; send it again."),
    431: ("head_too_large", "The request line and its fields, or the trailers, are too large."),
}


def take_files() -> None:
    """Raise the process's limit of open files, usually 1,024, to at most MOST_FILES and the hard
    limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connection_limit() -> int:
    """How many connections may be open at once: three eighths of the files that the process may
    open. The rest is for connections that are being closed, and for other files."""
    return max(16, min(MOST_CONNECTIONS, _files() * 3 // 8))


def backlog_limit() -> int:
    """The backlog of the listener; if it is too small, clients have to retry after a second.

    The event loop accepts all of them at once, and a second time before the connections that they
    replace are closed: all need files meanwhile.
    """
    return max(16, min(MOST_READY, (_files() - FILES_KEPT_FREE - connection_limit()) // 2))


def _files() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_FILES if files == resource.RLIM_INFINITY else files


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits of the server.

    `head_bytes` limits request line and fields together, and also the trailers of a chunked body.
    A body slower than `bytes_a_second` is refused at the next check, every `check_seconds`.
    `answer_seconds` is the time in which a client has to read the buffered part of an answer
    (about 64 KiB). `large_bytes_a_second` is the rate at which large bodies are read, by all
    connections together. `pipelined` limits the requests that wait behind the one that is being
    answered, `unwanted_bytes` what is read of a body whose request has been answered."""

    head_bytes: int = 64 * 1024
    fields: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    check_seconds: float = 5.0
    bytes_a_second: int = 1024
    answer_seconds: float = 30.0
    pipelined: int = 16
    unwanted_bytes: int = 1024 * 1024
    large_bytes_a_second: int = 8 * 1024 * 1024
    connections: int = field(default_factory=connection_limit)


class Shared:
    """State that all connections of a server share: the number of open connections, and the rate
    limit of large bodies.

    Hundreds of large bodies at once would keep the event loop busy for seconds, during which small
    ones wait. So the rate at which bodies are read beyond their first 64 KiB is limited for all
    connections together.
    """

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self.open = 0
        self._free_at = 0.0

    def take_large(self, size: int, now: float) -> float:
        """Count bytes read of a large body; return the seconds until more may be read."""
        self._free_at = max(self._free_at, now) + size / self.limits.large_bytes_a_second
        return self._free_at - now


class _Flow(FlowControl):
    """Resumes reading if the application wants it and the rate limit allows it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._is_held = False
        self._is_wanted = True

    def pause_reading(self) -> None:
        self._is_wanted = False
        super().pause_reading()

    def resume_reading(self) -> None:
        self._is_wanted = True
        if not self._is_held:
            super().resume_reading()

    def hold(self) -> None:
        self._is_held = True
        super().pause_reading()

    def release(self) -> None:
        self._is_held = False
        if self._is_wanted and not self._transport.is_closing():
            super().resume_reading()


class BoundedHttp(HttpToolsProtocol):
    """One connection. A head that is too large is answered 431, a slow head or body 408, invalid
    HTTP 400, unless an answer is in progress; then the connection is closed. The connection of a
    client that does not read its answer is closed too.

    Above the limit of connections, the one that has waited longest for a complete head is closed,
    then the one whose body takes longest. A client that sends its request at once is therefore
    served while others keep connections open.
    """

    _head_bytes = 0
    _body_bytes = 0
    _unwanted_bytes = 0
    _framing_bytes = 0
    _in_head = True
    _has_ended = False
    _is_refused = False
    is_gone = False
    _since = 0.0
    _deadline: asyncio.TimerHandle | None = None
    _unread_answer: asyncio.TimerHandle | None = None
    _release: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None

    def __init__(self, *args: Any, shared: Shared, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = shared.limits
        self._shared = shared

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = self._flow = _Flow(transport)
        self._await_head()
        self._shared.open += 1
        if self._shared.open > self._limits.connections:
            _close_slowest(self.connections, self, max(1, self._limits.connections // 32))

    def make_room(self) -> None:
        """Abort the connection, which does not count any more although it ends a little later."""
        self._leave()
        self.transport.abort()

    def _leave(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self._shared.open -= 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._stop_clock()
        if self._release is not None:
            self._release.cancel()
        self._stop_answer_clock()
        super().connection_lost(exc)
        if self._running is not None and not self._running.response_complete:
            # uvicorn notifies only the last request, which may wait in the pipeline.
            self._running.disconnected = True
            self._running.message_event.set()
        for cycle in (self._running, self.cycle):
            if cycle is not None:
                cycle.body = bytearray()  # the cycle itself is garbage-collected later

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_answer_clock()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_answer_clock()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_answer_clock()

    def timeout_keep_alive_handler(self) -> None:
        self._close()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._deadline is None and self._in_head:
            self._await_head()
        body_before = self._body_bytes
        super().data_received(data)
        around = len(data) - (self._body_bytes - body_before)
        # One piece of data may hold the end of one part as well as the beginning of the next.
        if not self._in_head:
            self._framing_bytes += around
        elif self._has_ended:
            self._head_bytes, self._has_ended = 0, False
        else:
            self._head_bytes += around
        framing_limit = 2 * self._limits.head_bytes + FRAMING_PER_BYTE * self._body_bytes
        is_too_large = (
            self._head_bytes > self._limits.head_bytes or self._framing_bytes > framing_limit
        )
        if is_too_large or len(self.headers) > self._limits.fields:  # of the head or the trailers
            self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._body_bytes = self._framing_bytes = self._unwanted_bytes = 0

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(400)

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: a client that asks for another protocol is answered in this one."""

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self._limits.head_bytes or len(self.headers) > self._limits.fields:
            self._refuse(431)
        is_known = self.parser.get_http_version() in ("1.0", "1.1")
        if not is_known or len(self.pipeline) >= self._limits.pipelined:
            self._refuse(400)
        if self._is_refused:
            return
        super().on_headers_complete()
        self._in_head, self._head_bytes = False, 0
        self._since = self.loop.time()
        self._start_clock(self._limits.check_seconds, self._check_body)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._is_refused:
            return
        if self.cycle.response_complete:
            self._unwanted_bytes += len(body)
            if self._unwanted_bytes > self._limits.unwanted_bytes:
                self._close()
            return
        super().on_body(body)
        if len(self.cycle.body) > MOST_UNREAD:
            self.flow.pause_reading()
        if self._body_bytes > SMALL_BODY:
            seconds = self._shared.take_large(len(body), self.loop.time())
            self._flow.hold()
            if self._release is not None:
                self._release.cancel()
            self._release = self.loop.call_later(seconds, self._flow.release)

    def on_message_complete(self) -> None:
        if self._is_refused:
            return
        super().on_message_complete()
        self._stop_clock()
        self._in_head = self._has_ended = True
        self._since = self.loop.time()

    def _await_head(self) -> None:
        self._since = self.loop.time()
        self._start_clock(self._limits.head_seconds, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        self._refuse(408)

    def _check_body(self) -> None:
        """Refuse a body that is too slow. The time in which reading is paused does not count
        against the client's rate."""
        seconds = self.loop.time() - self._since
        slow = (
            self._body_bytes < seconds * self._limits.bytes_a_second and not self.flow.read_paused
        )
        if slow or seconds >= self._limits.body_seconds:
            self._give_up()
            return
        self._start_clock(self._limits.check_seconds, self._check_body)

    def _start_clock(self, seconds: float, then: Any) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(seconds, then)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int) -> None:
        """Answer with the status, unless an answer is in progress, and close."""
        if self._is_refused:
            return
        self._is_refused = True
        self._stop_clock()
        if self.transport.is_closing():
            return
        if self._may_answer():
            self.transport.write(_refusal(status))
        self._close()

    def _may_answer(self) -> bool:
        """Whether the client would take an answer now for that of the refused request."""
        if self._running is None or self._running.response_complete:
            return self._in_head
        is_last = self._running is self.cycle
        return is_last and not self._in_head and not self._running.response_started

    def _close(self) -> None:
        """Close once the client has read what was written, after `answer_seconds` at the latest."""
        if not self.transport.is_closing():
            self.transport.close()
            self._start_answer_clock()

    def _start_answer_clock(self) -> None:
        self._stop_answer_clock()
        seconds = self._limits.answer_seconds
        self._unread_answer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_answer_clock(self) -> None:
        if self._unread_answer is not None:
            self._unread_answer.cancel()
            self._unread_answer = None

    @property
    def slowness(self) -> tuple[int, float]:
        """The sort key for closing connections: the smallest is closed first."""
        idle = self._running is None or self._running.response_complete
        return (0 if self._in_head and idle else 1 if not self._in_head else 2), self._since


def _close_slowest(connections: Iterable[Any], newest: BoundedHttp, most: int) -> None:
    """Close at most `most` connections of the slowest kind: several at a time, since the search
    takes time in proportion to all connections. Those that are being closed do not count."""
    others = (
        other
        for other in connections
        if isinstance(other, BoundedHttp) and other is not newest and not other.is_gone
    )
    slowest = heapq.nsmallest(most, others, key=lambda other: other.slowness)
    for connection in slowest:
        if connection.slowness[0] == slowest[0].slowness[0]:
            connection.make_room()


def _refusal(status: int) -> bytes:
    """An answer of the server itself, as a problem like all others (`app.api.errors.Problem`)."""
    code, detail = REFUSALS[status]
    title = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "code": code}
    body = orjson.dumps(problem | {"detail": detail})
    fields = b"content-type: application/problem+json\r\ncontent-length: %d\r\n" % len(body)
    return STATUS_LINE[status] + RAW_FIELDS + fields + b"connection: close\r\n\r\n" + body


# Serving an ASGI application inside a running event loop; the caller handles signals.

READ_AHEAD = 64 * 1024
"""The receive buffer of a connection in bytes. The event loop reads as much at once, perhaps from
hundreds of connections, before any of it is processed."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running server; `url` has no trailing slash, `closed` waits until it has stopped."""

    url: str
    port: int
    _task: asyncio.Task[None]

    async def closed(self) -> None:
        await asyncio.shield(self._task)


class _Server(uvicorn.Server):
    """A server without signal handlers: the caller has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Listen on the port, 0 for a free one. Raises OSError.

    The protocol is given because asyncio disables Nagle's algorithm only if it is.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_AHEAD)
    try:
        listener.bind((host, port))
        listener.listen(backlog_limit())
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """The address of the listener for a client on this machine."""
    host, port = listener.getsockname()[:2]
    near = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 (compared, not bound)
    return f"http://{near.get(host, f'[{host}]' if ':' in host else host)}:{port}"


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    *,
    lifespan: Literal["on", "off"] = "on",
    grace_seconds: int = 1,
    limits: HttpLimits | None = None,
) -> AsyncIterator[Served]:
    """Serve while the context lasts, then wait up to `grace_seconds` for requests in progress.

    Closes the listener. Raises RuntimeError if the application does not start.
    """
    config = uvicorn.Config(
        app,
        lifespan=lifespan,
        backlog=backlog_limit(),
        http=partial(BoundedHttp, shared=Shared(limits or HttpLimits())),  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # api/proxies.py, by TRUSTED_PROXIES
        timeout_graceful_shutdown=grace_seconds,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await _started(server, task)
        yield Served(url_of(listener), listener.getsockname()[1], task)
    finally:
        server.should_exit = True
        await task
        listener.close()


async def _started(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    while not server.started:
        if task.done():
            raise RuntimeError("the application did not start")
        await asyncio.sleep(0.01)

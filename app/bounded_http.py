"""The HTTP server's own limits: what a client may send, and how slowly, before it is known.

uvicorn bounds neither the size of a request's head nor the time that head and body may take, and
its parser keeps an unfinished field in memory. `BoundedHttp` adds these limits to uvicorn's
protocol. It counts received bytes outside the parser, because the parser reports a field only when
the field is complete.
"""

import asyncio
import resource
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.answer_headers import RAW_FIELDS

FRAMING_PER_BYTE = 8
"""Bytes of chunk framing that a body's byte may cost: five where a chunk holds a single byte."""
FILES_KEPT_FREE = 128
MOST_CONNECTIONS = 4096


def connection_limit() -> int:
    """Connections that may be open at once: three quarters of the files that the process may
    open, less those that the database, the two clients and the log need."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, files * 3 // 4 - FILES_KEPT_FREE))


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """`head_bytes` are the request line and the fields together, and also the trailers of a chunked
    body. A body slower than `bytes_a_second` is given up at the next check."""

    head_bytes: int = 64 * 1024
    fields: int = 100
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    check_seconds: float = 5.0
    bytes_a_second: int = 1024
    connections: int = field(default_factory=connection_limit)


class BoundedHttp(HttpToolsProtocol):
    """One connection. A head that is too large is answered 431, a slow head or body 408, unless an
    answer is under way; then the connection is closed.

    Over the limit of connections, the one that has waited longest for a whole head is closed,
    then the one whose body takes longest. A client that sends its request at once is therefore
    served while others hold connections open.
    """

    _head_bytes = 0
    _body_bytes = 0
    _framing_bytes = 0
    _in_head = True
    _has_ended = False
    _is_refused = False
    _since = 0.0
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, limits: HttpLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self._limits.connections:
            _close_slowest(self.connections, self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

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
        if self._head_bytes > self._limits.head_bytes or self._framing_bytes > framing_limit:
            self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._body_bytes = self._framing_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) < self._limits.fields:
            super().on_header(name, value)
        else:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self._limits.head_bytes:
            self._refuse(431)
        if self._is_refused:
            return
        super().on_headers_complete()
        self._in_head, self._head_bytes = False, 0
        self._since = self.loop.time()
        self._start_clock(self._limits.check_seconds, self._check_body)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if not self._is_refused:
            super().on_body(body)

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
        """Called while a body is coming in. Time in which we do not read is not the client's."""
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
        """Answer, unless an answer is under way, and close."""
        self._is_refused = True
        self._stop_clock()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or self._may_answer_in_mid_body():
            self._answer(status)
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What cannot be parsed; the server's own answer would lack the fields."""
        self._answer(400, msg.encode())
        self.transport.close()

    def _answer(self, status: int, text: bytes = b"") -> None:
        framing = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(text)
        kind = b"content-type: text/plain; charset=utf-8\r\n" if text else b""
        self.transport.write(STATUS_LINE[status] + RAW_FIELDS + kind + framing + text)

    def _may_answer_in_mid_body(self) -> bool:
        return not self._in_head and not self.cycle.response_started

    @property
    def slowness(self) -> tuple[int, float]:
        """For the choice of a connection to close: the smallest goes first."""
        idle = self.cycle is None or self.cycle.response_complete
        return (0 if self._in_head and idle else 1 if not self._in_head else 2), self._since


def _close_slowest(connections: Iterable[Any], newest: BoundedHttp) -> None:
    others = [each for each in connections if isinstance(each, BoundedHttp) and each is not newest]
    slowest = min(others, key=lambda each: each.slowness, default=None)
    if slowest is not None and slowest.transport is not None:
        slowest.transport.abort()

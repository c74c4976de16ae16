"""Serving an ASGI application from inside a running event loop; signals stay with the caller."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from app.bounded_http import BoundedHttp, HttpLimits, Shared, backlog_limit

READ_AHEAD = 64 * 1024
"""Bytes that the kernel takes in of a connection before they are read. The event loop hands on as
much at once, from hundreds of connections it may be, before any of it is looked at."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers; `url` has no trailing slash, `closed` waits until it has stopped."""

    url: str
    port: int
    _task: asyncio.Task[None]

    async def closed(self) -> None:
        await asyncio.shield(self._task)


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the event loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Take the port, 0 for a free one; OSError if that cannot be.

    The protocol is named because asyncio switches Nagle's delay off only where it is.
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
    """Where a client on this machine finds the listener."""
    host, port = listener.getsockname()[:2]
    near = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 (told apart, not bound)
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
    """Serve while the context lasts, then let running requests finish for the grace.

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

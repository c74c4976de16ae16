"""Serving an ASGI application from inside a running event loop, on a port of its own choosing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Literal

import uvicorn
from starlette.types import ASGIApp


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


@contextlib.asynccontextmanager
async def serve(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    lifespan: Literal["on", "off"] = "on",
) -> AsyncIterator[Served]:
    """Serve over real HTTP while the context lasts; port 0 takes a free one.

    Raises OSError for a port that is taken, RuntimeError if the application does not start.
    """
    listener = socket.create_server((host, port))
    config = uvicorn.Config(
        app,
        lifespan=lifespan,
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await _started(server, task)
        bound = listener.getsockname()[1]
        yield Served(f"http://{host}:{bound}", bound, task)
    finally:
        server.should_exit = True
        await task
        listener.close()


async def _started(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    while not server.started:
        if task.done():
            raise RuntimeError("the application did not start")
        await asyncio.sleep(0.01)

"""Serving the sandboxes from inside a running event loop, on a port of their own choosing."""

import contextlib
from collections.abc import AsyncIterator
from typing import Literal

from starlette.types import ASGIApp

from app.http.server import Served, listen, serving


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
    async with serving(app, listen(host, port), lifespan=lifespan) as served:
        yield served

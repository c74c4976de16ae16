"""The embedded server watched while it is used: what ended by itself is started again.

A server of one's own has its own keeper; this one has nobody else. A full disk ends it (it will
not go on without its write-ahead log), and so does a machine that is short of memory.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.db.embedded import EmbeddedServer
from app.errors import ConfigError
from app.tasks import in_background

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 5.0


@asynccontextmanager
async def kept_alive(
    server: EmbeddedServer, *, every_seconds: float = LOOK_EVERY_SECONDS
) -> AsyncIterator[None]:
    """While the body runs."""
    async with in_background(_watch(server, every_seconds)):
        yield


async def _watch(server: EmbeddedServer, every_seconds: float) -> None:
    while True:
        await asyncio.sleep(every_seconds)
        try:
            if await asyncio.to_thread(server.revive):
                log.warning("the embedded PostgreSQL had ended by itself and was started again")
        except ConfigError as error:
            log.error("%s It is tried again until it starts.", error)

"""What a worker does beside draining: catch-up polls, webhook watch, pruning."""

import asyncio
import logging

from app.runtime import Runtime
from app.sync.polling import poll

log = logging.getLogger(__name__)


async def upkeep(runtime: Runtime) -> None:
    """Poll at start and then periodically; one worker at a time does it."""
    while True:
        await poll(runtime)
        await asyncio.sleep(runtime.settings.sync.poll_interval)

"""SIGTERM and SIGINT as an event, so that a command ends by finishing what runs."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@asynccontextmanager
async def stop_event() -> AsyncIterator[asyncio.Event]:
    """Set by the first signal; a second one ends the process at once, as if nobody listened."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def heed() -> None:
        stop.set()
        _leave(loop)

    for number in SIGNALS:
        loop.add_signal_handler(number, heed)
    try:
        yield stop
    finally:
        _leave(loop)


def _leave(loop: asyncio.AbstractEventLoop) -> None:
    for number in SIGNALS:
        loop.remove_signal_handler(number)

"""SIGTERM and SIGINT as an event, so that a command ends by finishing what runs."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def stop_event() -> AsyncIterator[asyncio.Event]:
    """Set by the first signal. A second Ctrl-C breaks off what runs.

    A second SIGTERM does not: `make` passes on what a service manager has sent to all already.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    is_interrupted = False

    def heed() -> None:
        """Called by the loop between two steps: Python's own handler would raise in the middle of
        whatever task runs, which may take it for an error of its own and go on."""
        nonlocal is_interrupted
        if is_interrupted:
            raise KeyboardInterrupt
        is_interrupted = True
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, heed)
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGINT)

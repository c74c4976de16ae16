"""Turns due deliveries into jobs: when one was accepted, and about once a second."""

import asyncio
import contextlib
import logging

from app.db.session import transaction
from app.inbox.repository import CHANNEL
from app.queue import (
    Patience,
    dispatch,
    dispatch_one,
    is_without_database,
    rescue,
    search_due,
    top_up,
)
from app.runtime import Runtime
from app.sync.pipeline import fail_unworkable

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.05
"""Between two looks: what is accepted within it is one look's work, and a queue of jobs that is
full is topped up after it."""
AHEAD = 2
"""Jobs in the queue for each that a worker does at a time: enough until the next look, and few
enough that what is accepted now is not far behind."""


class Dispatcher:
    """`run` and `listen` are meant to run side by side; `run_once` is one look at everything."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._accepted = asyncio.Event()
        self._rescued_at = float("-inf")
        settings = runtime.settings
        self._patience = Patience(settings.worker.lease_seconds, settings.sync.retry_budget)

    async def run(self) -> None:
        worker = self._runtime.settings.worker
        is_full = False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS if is_full else worker.dispatch_interval):
                    await self._accepted.wait()
            self._accepted.clear()
            is_full = await self._top_up(AHEAD * worker.concurrency)
            await self._rescue_if_due()
            await asyncio.sleep(PAUSE_SECONDS)

    async def run_once(self) -> None:
        """Wake every record that is due."""
        woken = 1
        while woken:
            try:
                async with transaction(self._runtime.sessions) as session:
                    woken = await dispatch(self._runtime.jobs, session, self._patience)
            except Exception as error:
                await self._dispatch_each(error)
                return

    async def _top_up(self, ahead: int) -> bool:
        """Whether there are records left for which there was no room."""
        try:
            async with transaction(self._runtime.sessions) as session:
                look = await top_up(self._runtime.jobs, session, self._patience, ahead=ahead)
        except Exception as error:
            await self._dispatch_each(error)
            return False
        return look.is_full

    async def _dispatch_each(self, error: Exception) -> None:
        """Wake what can be woken; the deliveries of a record that cannot are told as failed."""
        if is_without_database(error):
            raise error
        log.error("A batch of records could not be woken; each is tried alone", exc_info=error)
        async with self._runtime.sessions() as session:
            keys = await search_due(session, self._patience)
        for key in keys:
            try:
                async with transaction(self._runtime.sessions) as session:
                    await dispatch_one(self._runtime.jobs, session, key)
            except Exception as second:
                if is_without_database(second):
                    raise
                await fail_unworkable(self._runtime, key, second)

    async def _rescue_if_due(self) -> None:
        now = asyncio.get_running_loop().time()
        worker = self._runtime.settings.worker
        if now - self._rescued_at < worker.heartbeat:
            return
        self._rescued_at = now
        async with transaction(self._runtime.sessions) as session:
            await rescue(self._runtime.jobs, session, worker.stalled_after)

    async def listen(self) -> None:
        """Hear of accepted deliveries on any machine, so that none waits for the second."""
        pulse, address = self._runtime.pulse, self._runtime.address
        async with await pulse.connect(address, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            async for _ in connection.notifies():
                self._accepted.set()

"""Turns due deliveries into jobs: when one was accepted, and about once a second."""

import asyncio
import contextlib
import logging

from app.db.session import transaction
from app.inbox.repository import CHANNEL
from app.queue import (
    MOST_AT_ONCE,
    Patience,
    dispatch,
    is_without_database,
    rescue,
    search_due,
)
from app.runtime import Runtime
from app.sync.pipeline import fail_unworkable

log = logging.getLogger(__name__)


class Dispatcher:
    """`run` and `listen` are meant to run side by side; `run_once` is one look."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._accepted = asyncio.Event()
        self._rescued_at = float("-inf")

    async def run(self) -> None:
        interval = self._runtime.settings.worker.dispatch_interval
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await self._accepted.wait()
            self._accepted.clear()
            await self.run_once()
            await self._rescue_if_due()

    async def run_once(self) -> None:
        """Wake every record that is due."""
        settings = self._runtime.settings
        patience = Patience(settings.worker.lease_seconds, settings.sync.retry_budget)
        while True:
            if await self._dispatch(patience) < MOST_AT_ONCE:
                return

    async def _dispatch(self, patience: Patience) -> int:
        try:
            async with transaction(self._runtime.sessions) as session:
                return await dispatch(self._runtime.jobs, session, patience)
        except Exception as error:
            if is_without_database(error):
                raise
            log.exception("A batch of records could not be woken; each is tried alone")
            await self._dispatch_each(patience)
            return 0

    async def _dispatch_each(self, patience: Patience) -> None:
        """Wake what can be woken; the deliveries of a record that cannot are told as failed."""
        async with self._runtime.sessions() as session:
            keys = await search_due(session, patience)
        for key in keys:
            try:
                async with transaction(self._runtime.sessions) as session:
                    await dispatch(self._runtime.jobs, session, patience, only=key)
            except Exception as error:
                if is_without_database(error):
                    raise
                await fail_unworkable(self._runtime, key, error)

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

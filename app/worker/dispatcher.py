"""Turns due deliveries into jobs: when one was accepted, and about once a second."""

import asyncio
import contextlib

import psycopg

from app.db.session import transaction
from app.inbox.repository import CHANNEL
from app.queue import MOST_AT_ONCE, dispatch, rescue
from app.runtime import Runtime


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
        while True:
            async with transaction(self._runtime.sessions) as session:
                woken = await dispatch(
                    self._runtime.jobs,
                    session,
                    stranded_after=settings.worker.lease_seconds,
                    retry_budget=settings.sync.retry_budget,
                )
            if woken < MOST_AT_ONCE:
                return

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
        address = self._runtime.address
        async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            async for _ in connection.notifies():
                self._accepted.set()

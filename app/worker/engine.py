"""A worker as an async context manager: the job engine, the dispatcher and the runs."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from app.db.session import OUTAGES, driver_message, transaction
from app.domain import key_in_logs
from app.inbox.repository import CHANNEL
from app.queue import (
    DRAIN,
    QUEUE,
    WITHOUT_DATABASE,
    RetryStrategy,
    dispatch,
    dispatch_one,
    is_without_database,
    rescue,
    search_due,
    top_up,
)
from app.runtime import Runtime
from app.sync.pipeline import drain, fail_unprocessable
from app.sync.runs.execution import execute_due
from app.sync.runs.requests import schedule_due_runs
from app.worker.upkeep import run_prober, upkeep

# Runs: scheduled runs are created when due, and due runs are executed.


async def execute_runs(runtime: Runtime) -> None:
    """Execute due runs, one at a time, without end; several workers share them."""
    while True:
        await schedule_due_runs(runtime)
        if not await execute_due(runtime):
            await asyncio.sleep(runtime.settings.worker.dispatch_interval)


# The dispatcher: gives due records jobs when a delivery was accepted, and about once a second.

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.05
"""Pause between two dispatches, which coalesces deliveries; a full queue is topped up after it."""
AHEAD = 2
"""Queued jobs for each concurrent job of a worker: enough until the next dispatch, and few enough
that a new delivery does not wait long."""


class Dispatcher:
    """`run` and `listen` run concurrently; `run_once` dispatches everything that is due."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._accepted = asyncio.Event()
        self._rescued_at = float("-inf")
        settings = runtime.settings
        self._retry_strategy = RetryStrategy(
            settings.worker.lease_seconds, settings.sync.retry_budget
        )

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
                    woken = await dispatch(self._runtime.jobs, session, self._retry_strategy)
            except Exception as error:
                await self._dispatch_each(error)
                return

    async def _top_up(self, ahead: int) -> bool:
        """Whether due records are left because the queue is full."""
        try:
            async with transaction(self._runtime.sessions) as session:
                topped_up = await top_up(
                    self._runtime.jobs, session, self._retry_strategy, ahead=ahead
                )
        except Exception as error:
            await self._dispatch_each(error)
            return False
        return topped_up.is_full

    async def _dispatch_each(self, error: Exception) -> None:
        """Dispatch records one by one; those that cannot be dispatched are recorded as failed."""
        if is_without_database(error):
            raise error
        log.error(
            "A batch of records could not be woken; each is dispatched singly", exc_info=error
        )
        async with self._runtime.sessions() as session:
            keys = await search_due(session, self._retry_strategy)
        for key in keys:
            try:
                async with transaction(self._runtime.sessions) as session:
                    await dispatch_one(self._runtime.jobs, session, key)
            except Exception as second:
                if is_without_database(second):
                    raise
                await fail_unprocessable(self._runtime, key, second)

    async def _rescue_if_due(self) -> None:
        now = asyncio.get_running_loop().time()
        worker = self._runtime.settings.worker
        if now - self._rescued_at < worker.heartbeat:
            return
        self._rescued_at = now
        async with transaction(self._runtime.sessions) as session:
            await rescue(self._runtime.jobs, session, worker.stalled_after)

    async def listen(self) -> None:
        """Receive notifications of accepted deliveries, so that `run` dispatches them at once."""
        pulse, address = self._runtime.pulse, self._runtime.address
        async with await pulse.connect(address, autocommit=True) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            async for _ in connection.notifies():
                self._accepted.set()


RESTART_SECONDS = 2.0


def register(runtime: Runtime) -> None:
    """Register the drain job with the job engine, unless this runtime has done so."""
    if DRAIN in runtime.jobs.tasks:
        return

    @runtime.jobs.task(name=DRAIN, queue=QUEUE)
    async def drain_record(record_key: str) -> None:
        try:
            await drain(runtime, record_key, owner=uuid4().hex)
        except OUTAGES as error:  # its deliveries are woken again as stranded
            key = key_in_logs(record_key)
            log.error("%s waits for the database: %s", key, driver_message(error))


async def _run_engine(runtime: Runtime) -> None:
    worker = runtime.settings.worker
    await runtime.jobs.run_worker_async(
        queues=[QUEUE],
        concurrency=worker.concurrency,
        fetch_job_polling_interval=worker.dispatch_interval,
        update_heartbeat_interval=worker.heartbeat,
        stalled_worker_timeout=worker.stalled_after,
        shutdown_graceful_timeout=worker.shutdown_grace,
        delete_jobs="always",
        install_signal_handlers=False,
    )


async def _keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Restart a part of the worker whenever it fails, for example when the database restarts."""
    while not _is_stopping():
        try:
            await run()
            log.warning("%s stopped by itself; starting it again", name)
        except WITHOUT_DATABASE as error:
            log.error("%s waits for the database: %s", name, driver_message(error))
        except Exception:
            log.exception("%s failed; starting it again", name)
        await asyncio.sleep(RESTART_SECONDS)


def _is_stopping() -> bool:
    """Whether the task was cancelled, even if its code raised another exception instead."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def running_worker(runtime: Runtime, *, periodic: bool = True) -> AsyncIterator[None]:
    """Run a worker while the body runs; then stop claiming and finish the jobs in progress.

    `periodic` is False for a worker that exists for one task: it does no polls, upkeep and runs.
    """
    register(runtime)
    dispatcher = Dispatcher(runtime)
    parts: dict[str, Callable[[], Awaitable[None]]] = {
        "the job engine": lambda: _run_engine(runtime),
        "the dispatcher": dispatcher.run,
        "the listener": dispatcher.listen,
        "the prober": lambda: run_prober(runtime),
    }
    if periodic:
        parts["upkeep"] = lambda: upkeep(runtime)
        parts["the runs"] = lambda: execute_runs(runtime)
    tasks = [
        asyncio.create_task(_keep_running(name, run), name=name) for name, run in parts.items()
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

"""A worker as an async context: the job engine, the dispatcher that feeds it, and runs."""

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
from app.sync.pipeline import drain, fail_unworkable
from app.sync.runs.execution import execute_due
from app.sync.runs.requests import ask_for_scheduled
from app.worker.upkeep import run_prober, upkeep

# Runs in a worker: scheduled ones are asked for when they are due, and what waits is done.


async def carry_out_runs(runtime: Runtime) -> None:
    """One run at a time; several workers share them."""
    while True:
        await ask_for_scheduled(runtime)
        if not await execute_due(runtime):
            await asyncio.sleep(runtime.settings.worker.dispatch_interval)


# Turns due deliveries into jobs: when one was accepted, and about once a second.

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
        self._patience = RetryStrategy(settings.worker.lease_seconds, settings.sync.retry_budget)

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


RESTART_SECONDS = 2.0


def register(runtime: Runtime) -> None:
    """Tell the job engine what a drain job does, unless an earlier worker of this runtime did."""
    if DRAIN in runtime.jobs.tasks:
        return

    @runtime.jobs.task(name=DRAIN, queue=QUEUE)
    async def drain_record(record_key: str) -> None:
        try:
            await drain(runtime, record_key, owner=uuid4().hex)
        except OUTAGES as error:  # its hints are woken again as stranded
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


async def _for_ever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Start it again whenever it breaks: a database that restarts must not end the worker."""
    while not _is_stopping():
        try:
            await run()
            log.warning("%s stopped by itself; starting it again", name)
        except WITHOUT_DATABASE as error:
            log.error("%s waits for the database: %s", name, driver_message(error))
        except Exception:
            log.exception("%s broke; starting it again", name)
        await asyncio.sleep(RESTART_SECONDS)


def _is_stopping() -> bool:
    """Whether the task was cancelled, though what it ran made another error of that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@asynccontextmanager
async def running_worker(runtime: Runtime, *, periodic: bool = True) -> AsyncIterator[None]:
    """Work while the body runs; at its end stop taking, and finish what is being done.

    `periodic` is False for a worker that lives for one task: polls and the like are others' work.
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
        parts["the runs"] = lambda: carry_out_runs(runtime)
    tasks = [asyncio.create_task(_for_ever(name, run), name=name) for name, run in parts.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

"""A worker as an async context manager: the job engine, the dispatcher and the runs."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from app.db.session import OUTAGES, driver_message
from app.domain import key_in_logs
from app.queue import DRAIN, QUEUE, WITHOUT_DATABASE
from app.runtime import Runtime
from app.sync.pipeline import Dispatcher, drain
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

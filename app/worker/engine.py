"""A worker as an async context: inside the API process or alone, as many as wanted."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from app.db.outage import OUTAGES, driver_message
from app.queue import DRAIN, QUEUE, WITHOUT_DATABASE
from app.records import key_in_logs
from app.runtime import Runtime
from app.sync.pipeline import drain
from app.worker.dispatcher import Dispatcher
from app.worker.prober import run_prober
from app.worker.runs import carry_out_runs
from app.worker.upkeep import upkeep

log = logging.getLogger(__name__)

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

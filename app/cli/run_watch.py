"""Watching a run from the command line, and carrying it out where no service does."""

import asyncio

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from app.cli.console import ERR
from app.queue import count_workers
from app.runs.models import DUE_STATES, RunState
from app.runtime import Runtime
from app.sync.execution import execute
from app.sync.run import RunProgress, get_progress
from app.tasks import in_background
from app.worker.engine import running_worker

LOOK_AGAIN_S = 0.25
OTHERS_FIRST_S = 10.0


async def watch_run(runtime: Runtime, run_id: int) -> None:
    """Until the run has ended, asks somebody first, or waits for another try.

    A service that is there carries it out; without one, this process does.
    """
    async with runtime.sessions() as session:
        served = await count_workers(session, runtime.settings.worker.stalled_after)
    async with running_worker(runtime, periodic=False):
        patience = OTHERS_FIRST_S if served else 0.0
        async with in_background(_carry_out(runtime, run_id, patience)):
            await _show(runtime, run_id)


async def _carry_out(runtime: Runtime, run_id: int, patience: float) -> None:
    while True:
        await asyncio.sleep(patience)
        await execute(runtime, run_id)
        patience = LOOK_AGAIN_S


async def _show(runtime: Runtime, run_id: int) -> None:
    with _bar() as bar:
        found = await get_progress(runtime, run_id)
        task = bar.add_task(_title(found), total=None, rate="")
        while found.run.state in DUE_STATES and not _is_put_off(found):
            bar.update(
                task,
                description=_title(found),
                completed=found.run.done,
                total=max(found.run.total, found.run.done) or None,
                rate=f"{found.rate:.0f}/s" if found.rate else "",
            )
            await asyncio.sleep(LOOK_AGAIN_S)
            found = await get_progress(runtime, run_id)


def _is_put_off(found: RunProgress) -> bool:
    return found.run.state == RunState.QUEUED and found.run.last_error is not None


def _title(found: RunProgress) -> str:
    cursor = found.run.cursor
    module = cursor["steps"][cursor["step"]][0] if cursor.get("steps") else ""
    act = "Comparing" if found.run.dry_run else "Syncing"
    return f"{act} {module} of {found.run.store}".replace("  ", " ")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=ERR,
        transient=True,
        disable=not ERR.is_terminal,
    )

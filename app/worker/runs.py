"""Runs in a worker: scheduled ones are asked for when they are due, and what waits is done."""

import asyncio

from app.runtime import Runtime
from app.sync.execution import execute_due
from app.sync.schedule import ask_for_scheduled


async def carry_out_runs(runtime: Runtime) -> None:
    """One run at a time; several workers share them."""
    while True:
        await ask_for_scheduled(runtime)
        if not await execute_due(runtime):
            await asyncio.sleep(runtime.settings.worker.dispatch_interval)

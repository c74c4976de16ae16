"""Runs as tests ask for them: started, and carried out at once."""

from typing import Any

from app.domain import Module
from app.runs.models import SyncRun
from app.runs.repository import NewRun
from app.sync.runs.execution import execute
from app.sync.runs.requests import RunProgress, get_progress, start_run
from tests.setting import STORE
from tests.world import World


async def begin(world: World, *modules: Module, **asked: Any) -> SyncRun:
    """A run that nobody has taken up yet; no modules: all."""
    return await start_run(world.runtime, NewRun(STORE, modules, started_by="test", **asked))


async def run(world: World, *modules: Module, **asked: Any) -> RunProgress:
    """A run, gone through to its end."""
    started = await begin(world, *modules, **asked)
    assert await execute(world.runtime, started.id)
    return await get_progress(world.runtime, started.id)

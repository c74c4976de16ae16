"""Doing several things at once, of which none outlives the call that began them, and doing much
beside the event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

FEW_LINES = 100
"""Lines of an order that are worked on in the event loop: a few milliseconds."""


async def run_together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in order, once all are there.

    The first that raises ends the others, which have stopped when its error is raised, as it is:
    what is held for all of them may be given back then. `asyncio.gather` would let them go on.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in coroutines]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__
    return [task.result() for task in tasks]


@asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """`work` goes on while the body runs, and has stopped when the context is left. Raises there
    what it raised, if it ended by itself."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def run_aside(work: Callable[[], T], *, lines: int) -> T:
    """What `work` makes of an order of so many lines: of many in a thread, so that the event loop
    goes on meanwhile. `work` must be pure."""
    return await asyncio.to_thread(work) if lines > FEW_LINES else work()

"""Doing several things at once, of which none outlives the call that began them, and doing much
beside the event loop."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
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


Begin = Callable[[Coroutine[Any, Any, None], Callable[[], Awaitable[None]]], Awaitable[None]]
"""Begins some work, and has a call made once that, and all that was begun before, has ended."""


@asynccontextmanager
async def overlapping(most: int) -> AsyncIterator[Begin]:
    """The body begins work without waiting for its end; no more than so much is under way.

    All has ended when the context is left, and was told in the order in which it was begun. The
    first error of work or a call is raised there, or by the next `begin`: what is under way by then
    comes to its end, too, but for a cancellation, which ends it.
    """
    tasks: deque[tuple[asyncio.Task[None], Callable[[], Awaitable[None]]]] = deque()

    async def end_first() -> None:
        await tasks[0][0]
        await tasks.popleft()[1]()

    async def begin(work: Coroutine[Any, Any, None], tell: Callable[[], Awaitable[None]]) -> None:
        tasks.append((asyncio.create_task(work), tell))
        while len(tasks) >= most:
            await end_first()

    try:
        yield begin
        while tasks:
            await end_first()
    except asyncio.CancelledError:
        for task, _ in tasks:
            task.cancel()
        raise
    finally:
        await asyncio.gather(*(task for task, _ in tasks), return_exceptions=True)


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

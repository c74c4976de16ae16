"""Structured concurrency: tasks that do not outlive the call that started them, and heavy work in a
thread."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

FEW_LINES = 100
"""Orders with at most so many lines are computed in the event loop, in a few milliseconds."""


async def run_together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines concurrently and return their results in order.

    If one raises, the others are cancelled and have ended before its error is raised, so that
    resources held for all of them can be released. `asyncio.gather` would let them continue.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in coroutines]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed.exceptions[0].__cause__
    return [task.result() for task in tasks]


Begin = Callable[[Coroutine[Any, Any, None], Callable[[], Awaitable[None]]], Awaitable[None]]
"""Starts work, and makes a call once that work, and all work that was started before, has ended."""


@asynccontextmanager
async def overlapping(most: int) -> AsyncIterator[Begin]:
    """Let the body start work without waiting for its end; fewer than `most` tasks run at a time.

    When the context is left, all work has ended, and the calls were made in the order in which the
    work was started. The first error of work or a call is raised there, or by the next `begin`;
    tasks in progress are awaited then. A cancellation cancels them.
    """
    tasks: deque[tuple[asyncio.Task[None], Callable[[], Awaitable[None]]]] = deque()

    async def end_first() -> None:
        await tasks[0][0]
        await tasks.popleft()[1]()

    async def begin(work: Coroutine[Any, Any, None], on_end: Callable[[], Awaitable[None]]) -> None:
        tasks.append((asyncio.create_task(work), on_end))
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
    """Run `work` while the body runs, and cancel it afterwards. Raises the error of `work` if it
    failed before."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def offload(work: Callable[[], T], *, lines: int) -> T:
    """The result of `work` on an order of so many lines: in a thread if there are many, so that the
    event loop is not blocked. `work` must be pure."""
    return await asyncio.to_thread(work) if lines > FEW_LINES else work()

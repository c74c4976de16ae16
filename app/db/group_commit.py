"""Group commit: items that arrive together share one transaction, each answered after it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from app.db.row_by_row import store_rows

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Item, Answer]):
    """Items are on disk before `store` returns; it raises what `commit` raised for the item.

    `commit` stores what it is given in one transaction and returns one answer an item, in order.
    While it runs, arriving items wait for the next call, which takes `most_at_once` of them, or
    all. An item that the database refuses fails alone; an outage or an error of ours fails all.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        most_at_once: int | None = None,
    ) -> None:
        self._commit = commit
        self._most_at_once = most_at_once
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def store(self, item: Item) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await answer

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._most_at_once]
                del self._waiting[: self._most_at_once]
                await self._store(batch)
        finally:
            self._flushing = None

    async def _store(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            refused = await store_rows(batch, self._commit_batch)
        except Exception as error:
            refused = [(each, error) for each in batch]
        for (_, answer), reason in refused:
            if not answer.done():
                answer.set_exception(reason)

    async def _commit_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        answers = await self._commit([item for item, _ in batch])
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():  # its caller may have stopped waiting
                future.set_result(answer)

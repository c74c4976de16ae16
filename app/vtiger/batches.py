"""Writes that are under way at the same time, put together into POSTs of the add-on.

Every write has a key of its own, and Vtiger never carries out a key twice. So a POST whose answer
was lost is simply sent again: what it had done is answered instead of done.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from app.errors import RemoteError, RemoteUnavailable, ResponseUnreadable
from app.json_shapes import rows_of
from app.transport import Sleep
from app.vtiger.abilities import DENIED, SAVE, Abilities
from app.vtiger.answers import VTIGER
from app.vtiger.webservice import VtigerApi

OPERATION = "woosync_save"
MOST_ITEMS = 20
"""Nearly all is won by then: the first record of a call costs as much as three later ones."""
MOST_BYTES = 1_000_000
"""Of JSON in a POST; form-encoded it is three times as long at worst, and PHP takes 8 MB."""
MOST_AT_ONCE = 4
PAUSES = (0.5, 2.0)
"""Seconds before a POST without an answer is sent again, each time it is."""
NOT_REACHED = "not_reached"

GONE = "WooSync does not write any more: it was removed, switched off or replaced by an older one"
NO_TIME = "Vtiger had no time, or no memory, for a single record"


class AddonGone(RemoteUnavailable):
    """The add-on is not there any more. `ambiguous` as ever: a POST that died inside Vtiger is
    answered as one to an operation that is absent, with HTTP 500 and nothing in it."""


def new_key() -> str:
    """A key for one write that is intended."""
    return uuid4().hex


@dataclass(eq=False, slots=True)
class _Item:
    """One write that waits for its answer; `may_be_done` if a POST with it had none. `context` is
    its caller's, by which the call is told and traced."""

    key: str
    body: bytes
    answer: asyncio.Future[Mapping[str, Any]]
    context: Context
    may_be_done: bool = False

    def fail(self, error: Exception) -> None:
        """Each caller gets an error of its own, for they write down in it what it meant to them."""
        if self.answer.done():
            return
        own = error.__class__.__new__(error.__class__)
        own.__dict__.update(error.__dict__)
        own.args, own.__cause__ = error.args, error.__cause__
        if isinstance(own, RemoteError):
            own.ambiguous = own.ambiguous or self.may_be_done
        self.answer.set_exception(own)


class Batches:
    """The writes of one process. `at_once` POSTs are under way at most, each with as many of the
    waiting writes as it holds; a lone write goes at once.

    `seconds` is how long one POST may go on to begin with records.
    """

    def __init__(
        self,
        api: VtigerApi,
        abilities: Abilities,
        *,
        at_once: int = MOST_AT_ONCE,
        seconds: int = 10,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._api = api
        self._abilities = abilities
        self._at_once = at_once
        self._seconds = seconds
        self._sleep = sleep
        self._waiting: deque[_Item] = deque()
        self._posts: set[asyncio.Task[None]] = set()
        self._is_gathering = False

    async def send(self, key: str, action: Mapping[str, Any]) -> Mapping[str, Any]:
        """What Vtiger answered to one write: `status`, `id`, `code`, `message` and `record`.

        Raises AddonGone, and what else befell its POST; `ambiguous` tells whether the write may
        have happened. A caller that is cancelled takes back its own write alone, if that was not
        sent yet.
        """
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        item = _Item(key, orjson.dumps({"key": key, **action}), answer, copy_context())
        self._waiting.append(item)
        self._start()
        return await answer

    async def aclose(self) -> None:
        """End the POSTs that are under way; all that wait for answers are cancelled."""
        for item in self._waiting:
            item.answer.cancel()
        self._waiting.clear()
        for post in self._posts:
            post.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)

    def _start(self) -> None:
        if self._waiting and not self._is_gathering and len(self._posts) < self._at_once:
            self._is_gathering = True
            post = asyncio.create_task(self._post(), context=self._waiting[0].context)
            self._posts.add(post)
            post.add_done_callback(self._end)

    def _end(self, post: asyncio.Task[None]) -> None:
        self._posts.discard(post)
        self._start()

    async def _post(self) -> None:
        try:
            await self._gather()
            batch = self._take()
        finally:
            self._is_gathering = False
        self._start()
        try:
            await self._deliver(batch)
        except asyncio.CancelledError:
            for item in batch:
                item.answer.cancel()
            raise
        except Exception as error:
            for item in batch:
                item.fail(error)

    async def _gather(self) -> None:
        """Writes that others are about to hand in within this turn of the loop come along."""
        known = 0
        while known < len(self._waiting) < MOST_ITEMS:
            known = len(self._waiting)
            await asyncio.sleep(0)

    def _take(self) -> list[_Item]:
        batch: list[_Item] = []
        size = 0
        while self._waiting and len(batch) < MOST_ITEMS:
            size += len(self._waiting[0].body)
            if batch and size > MOST_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _deliver(self, batch: Sequence[_Item]) -> None:
        """Until each has its answer. Raises what none of them can be answered for."""
        for pause in (*PAUSES, None):
            batch = [item for item in batch if not item.answer.done()]
            if not batch:
                return
            try:
                self._settle(batch, await self._ask(batch))
            except RemoteError as error:
                for item in batch:
                    item.may_be_done = item.may_be_done or error.ambiguous
                await self._refuse_gone(error)
                if pause is None or not error.ambiguous:
                    raise
                died = error.status is not None and error.status >= 500
            else:
                return
            await self._sleep(pause)
            if died and pause == PAUSES[-1]:  # one of them may be what Vtiger dies of
                await self._deliver_singly(batch)
                return

    async def _deliver_singly(self, batch: Sequence[_Item]) -> None:
        for item in batch:
            try:
                self._settle([item], await self._ask([item]))
            except RemoteError as error:
                item.may_be_done = item.may_be_done or error.ambiguous
                item.fail(error)

    async def _refuse_gone(self, error: RemoteError) -> None:
        """AddonGone if the operation was refused because it is not there, or not for us."""
        if error.status != 500 and error.code != DENIED:
            return
        if await self._abilities.is_lost(SAVE):
            raise AddonGone(VTIGER, GONE, ambiguous=error.ambiguous) from error

    async def _ask(self, batch: Sequence[_Item]) -> Mapping[str, Mapping[str, Any]]:
        """The answers by key; ResponseUnreadable if one is missing."""
        records = b"[" + b",".join(item.body for item in batch) + b"]"
        params = {"records": records.decode(), "seconds": str(self._seconds)}
        result = await self._api.write(OPERATION, params)
        rows = rows_of(result.get("records")) if isinstance(result, Mapping) else []
        answers = {str(row.get("key")): row for row in rows}
        if not answers.keys() >= {item.key for item in batch}:
            raise ResponseUnreadable(VTIGER, f"{OPERATION} did not answer for every record")
        return answers

    def _settle(self, batch: Sequence[_Item], answers: Mapping[str, Mapping[str, Any]]) -> None:
        """What was not reached goes into the next POST, before all others."""
        left = [item for item in batch if answers[item.key].get("status") == NOT_REACHED]
        if len(left) == len(batch):
            raise RemoteUnavailable(VTIGER, NO_TIME, ambiguous=False)
        self._waiting.extendleft(item for item in reversed(left) if not item.answer.done())
        for item in batch:
            if item not in left and not item.answer.done():
                item.answer.set_result(answers[item.key])

"""Group commit: hints that arrive together share one transaction, each answered after it."""

import asyncio
import logging
from collections.abc import Sequence

from app.db.row_by_row import store_rows
from app.db.session import Sessions, transaction
from app.inbox.repository import Accepted, NewDelivery, accept
from app.logging import traced
from app.metrics import ACCEPTED
from app.records import key_in_logs

log = logging.getLogger(__name__)

MOST_AT_ONCE = 200

_Waiting = tuple[Sequence[NewDelivery], asyncio.Future[list[Accepted]]]


class Acceptor:
    """Stores hints durably before `accept` returns; raises what the database raised."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: list[_Waiting] = []
        self._flushing: asyncio.Task[None] | None = None

    async def accept(self, hints: Sequence[NewDelivery]) -> list[Accepted]:
        answer: asyncio.Future[list[Accepted]] = asyncio.get_running_loop().create_future()
        self._waiting.append((hints, answer))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await answer

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = (
                    self._waiting[:MOST_AT_ONCE],
                    self._waiting[MOST_AT_ONCE:],
                )
                await self._store(batch)
        finally:
            self._flushing = None

    async def _store(self, batch: list[_Waiting]) -> None:
        """What the database refuses may be one sender's: the others are stored without it."""
        try:
            refused = await store_rows(batch, self._commit)
        except Exception as error:
            _fail(batch, error)
            return
        for each, reason in refused:
            _fail([each], reason)

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        hints = [hint for group, _ in batch for hint in group]
        async with transaction(self._sessions) as session:
            accepted = await accept(session, hints)
        _count(hints, accepted)
        _answer(batch, accepted)


def _count(hints: Sequence[NewDelivery], accepted: Sequence[Accepted]) -> None:
    for hint, stored in zip(hints, accepted, strict=True):
        record = hint.record
        with traced(str(stored.id)):
            log.info(
                "hint accepted",
                extra={"record": key_in_logs(record.key), "origin": str(hint.origin)},
            )
        ACCEPTED.labels(
            record.store,
            record.system,
            hint.origin,
            record.module or "",
            str(stored.duplicate).lower(),
        ).inc()


def _answer(batch: Sequence[_Waiting], accepted: list[Accepted]) -> None:
    start = 0
    for group, answer in batch:
        if not answer.done():
            answer.set_result(accepted[start : start + len(group)])
        start += len(group)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for _, answer in batch:
        if not answer.done():
            answer.set_exception(error)

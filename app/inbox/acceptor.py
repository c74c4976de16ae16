"""Stores hints before their senders are answered, those of many requests in one transaction."""

import logging
from collections.abc import Sequence
from itertools import islice

from app.db.group_commit import GroupCommit
from app.db.session import Sessions, transaction
from app.inbox.repository import Accepted, NewDelivery, accept
from app.logging import traced
from app.metrics import ACCEPTED
from app.records import key_in_logs

log = logging.getLogger(__name__)

MOST_AT_ONCE = 200


class Acceptor:
    """Stores hints durably before `accept` returns; raises what the database raised."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._groups = GroupCommit(self._commit, most_at_once=MOST_AT_ONCE)

    async def accept(self, hints: Sequence[NewDelivery]) -> list[Accepted]:
        return await self._groups.store(hints)

    async def _commit(self, groups: Sequence[Sequence[NewDelivery]]) -> list[list[Accepted]]:
        hints = [hint for group in groups for hint in group]
        async with transaction(self._sessions) as session:
            accepted = await accept(session, hints)
        _count(hints, accepted)
        stored = iter(accepted)
        return [list(islice(stored, len(group))) for group in groups]


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

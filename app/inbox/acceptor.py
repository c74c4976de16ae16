"""Stores hints before their senders get an answer, those of many requests in one transaction."""

import logging
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from app.db.session import GroupCommit, Sessions
from app.domain import key_in_logs
from app.inbox.repository import Accepted, NewDelivery, accept_at_once
from app.logging import traced
from app.observability import ACCEPTED

log = logging.getLogger(__name__)

MOST_AT_ONCE = 200


class Acceptor:
    """Stores hints, which are committed when `accept` returns. Raises the database's errors."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._groups = GroupCommit(self._commit, most_at_once=MOST_AT_ONCE)

    async def accept(self, hints: Sequence[NewDelivery]) -> list[Accepted]:
        return await self._groups.store(hints)

    async def _commit(self, groups: Sequence[Sequence[NewDelivery]]) -> list[list[Accepted]]:
        hints = [hint for group in groups for hint in group]
        accepted = await accept_at_once(self._sessions, hints)
        _count(hints, accepted)
        stored = iter(accepted)
        return [list(islice(stored, len(group))) for group in groups]


def _count(hints: Sequence[NewDelivery], accepted: Sequence[Accepted]) -> None:
    """Log and count the hints that were stored together, with one log line."""
    keys: dict[str, str] = {}
    sums: Counter[tuple[str, str, str, str, str]] = Counter()
    for hint, stored in zip(hints, accepted, strict=True):
        record = hint.record
        keys[str(stored.id)] = key_in_logs(record.key)
        duplicate = "true" if stored.duplicate else "false"
        sums[record.store, record.system, hint.origin, record.module or "", duplicate] += 1
    if len(keys) == 1:
        [(trace, key)] = keys.items()
        with traced(trace):
            log.info("hint accepted", extra={"record": key, "origin": str(hints[0].origin)})
    else:
        log.info("hints accepted", extra={"records": " ".join(map("=".join, keys.items()))})
    for labels, count in sums.items():
        ACCEPTED.labels(*labels).inc(count)

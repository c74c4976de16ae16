"""Counts the statements and commits that this process sends to the database, by whatever way."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus


@dataclass(slots=True)
class Statements:
    """The statements in their order, those of each committed transaction, and how many transactions
    were begun."""

    sent: list[str] = field(default_factory=list)
    commits: list[list[str]] = field(default_factory=list)
    transactions: int = 0
    _open: dict[int, list[str]] = field(default_factory=dict)

    def without(self, *words: str) -> tuple[int, int]:
        """How many statements, and commits of others, contain none of these words."""
        sent = [each for each in self.sent if not _has(each, words)]
        commits = [each for each in self.commits if not all(_has(one, words) for one in each)]
        return len(sent), len(commits)

    def note(self, connection: Any, text: str) -> None:
        self.sent.append(text)
        if connection.autocommit and _status(connection) == TransactionStatus.IDLE:
            self.commits.append([text])
            self.transactions += 1
            return
        if id(connection) not in self._open:
            self._open[id(connection)] = []
            self.transactions += 1
        self._open[id(connection)].append(text)

    def end(self, connection: Any, *, is_committed: bool) -> None:
        sent = self._open.pop(id(connection), [])
        if is_committed and sent:
            self.commits.append(sent)


def _status(connection: Any) -> TransactionStatus:
    status: TransactionStatus = connection.info.transaction_status
    return status


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)


@contextmanager
def counted() -> Iterator[Statements]:
    """Count what the driver's connections do while the body runs."""
    found = Statements()
    execute, commit, rollback = (
        psycopg.AsyncCursor.execute,
        psycopg.AsyncConnection.commit,
        psycopg.AsyncConnection.rollback,
    )

    async def executed(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        found.note(self.connection, " ".join(str(query).split()))
        return await execute(self, query, *args, **options)

    async def committed(self: Any) -> None:
        found.end(self, is_committed=True)
        await commit(self)

    async def rolled_back(self: Any) -> None:
        found.end(self, is_committed=False)
        await rollback(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", executed)
        patch.setattr(psycopg.AsyncConnection, "commit", committed)
        patch.setattr(psycopg.AsyncConnection, "rollback", rolled_back)
        yield found

"""Items that arrive together share a commit, and each is answered for itself."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from sqlalchemy.exc import DataError, OperationalError

from app.db.session import GroupCommit
from app.domain import LeaseLost

pytestmark = pytest.mark.anyio

REFUSED = DataError("INSERT", None, psycopg.errors.ProgramLimitExceeded())
ANSWERS = ["1 stored", "2 stored", "3 stored"]


class Table:
    """Takes what arrives once it is open, but for 0 and what `error` says; notes each batch."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.batches: list[list[int]] = []
        self.is_asked = asyncio.Event()
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def commit(self, rows: Sequence[int]) -> list[str]:
        self.batches.append([*rows])
        self.is_asked.set()
        await self.is_open.wait()
        if self.error is not None:
            raise self.error
        if 0 in rows:
            raise REFUSED
        return [f"{row} stored" for row in rows]


async def _store(group: GroupCommit[int, str], rows: Sequence[int]) -> list[str | BaseException]:
    return await asyncio.gather(*map(group.store, rows), return_exceptions=True)


async def test_those_that_arrive_together_share_a_commit() -> None:
    table = Table()

    assert await _store(GroupCommit(table.commit), [1, 2, 3]) == ANSWERS
    assert table.batches == [[1, 2, 3]]


async def test_those_that_arrive_meanwhile_wait_for_the_next_commit() -> None:
    table = Table()
    table.is_open.clear()
    group = GroupCommit(table.commit)
    first = asyncio.create_task(group.store(1))
    await table.is_asked.wait()
    others = asyncio.create_task(_store(group, [2, 3]))
    await asyncio.sleep(0)
    table.is_open.set()

    assert [await first, *await others] == ANSWERS
    assert table.batches == [[1], [2, 3]]


async def test_a_commit_takes_no_more_than_allowed() -> None:
    table = Table()

    assert await _store(GroupCommit(table.commit, most_at_once=2), [1, 2, 3]) == ANSWERS
    assert table.batches == [[1, 2], [3]]


async def test_one_that_is_refused_fails_alone() -> None:
    answers = await _store(GroupCommit(Table().commit), [1, 0, 3])

    assert answers == ["1 stored", REFUSED, "3 stored"]


@pytest.mark.parametrize(
    "error", [OperationalError("INSERT", None, psycopg.OperationalError()), LeaseLost("gone")]
)
async def test_what_says_nothing_against_one_fails_all(error: Exception) -> None:
    table = Table(error)
    group = GroupCommit(table.commit)

    assert await _store(group, [1, 2]) == [error, error]
    assert table.batches == [[1, 2]]
    table.error = None
    assert await group.store(3) == "3 stored", "what failed bars nothing that comes later"


@pytest.mark.parametrize("error", [None, LeaseLost("gone")])
async def test_one_who_stops_waiting_takes_nothing_from_the_others(error: Exception | None) -> None:
    table = Table(error)
    table.is_open.clear()
    group = GroupCommit(table.commit)
    impatient, patient = (asyncio.create_task(group.store(row)) for row in (1, 2))
    await table.is_asked.wait()
    impatient.cancel()
    await asyncio.sleep(0)
    table.is_open.set()
    [answer] = await asyncio.gather(patient, return_exceptions=True)

    assert impatient.cancelled()
    assert answer == (error or "2 stored")
    assert table.batches == [[1, 2]]

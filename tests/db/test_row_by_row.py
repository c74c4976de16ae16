"""Rows that the database refuses, among others that it takes."""

from collections.abc import Sequence

import psycopg
import pytest
from sqlalchemy.exc import DataError, OperationalError

from app.db.session import store_rows
from app.domain import LeaseLost

pytestmark = pytest.mark.anyio

REFUSED = DataError("INSERT", None, psycopg.errors.ProgramLimitExceeded())


class Table:
    """Takes batches without 0 and negative numbers, and counts them."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.kept: list[int] = []
        self.batches = 0

    async def store(self, rows: Sequence[int]) -> None:
        self.batches += 1
        if any(row <= 0 for row in rows):
            raise self.error
        self.kept += rows


@pytest.mark.parametrize(
    ("rows", "refused", "batches"),
    [([1, 2, 3], [], 1), ([1, 0, 3, -1], [0, -1], 5), ([0], [0], 1), ([], [], 0)],
)
async def test_what_is_refused_is_refused_alone(
    rows: list[int], refused: list[int], batches: int
) -> None:
    table = Table(REFUSED)
    assert await store_rows(rows, table.store) == [(row, REFUSED) for row in refused]
    assert (table.kept, table.batches) == ([row for row in rows if row > 0], batches)


@pytest.mark.parametrize(
    "error", [OperationalError("INSERT", None, psycopg.OperationalError()), LeaseLost("gone")]
)
async def test_what_says_nothing_against_a_row_is_raised(error: Exception) -> None:
    table = Table(error)
    with pytest.raises(type(error)):
        await store_rows([1, 0, 3], table.store)
    assert (table.kept, table.batches) == ([], 1)

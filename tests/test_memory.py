"""What a process remembers of both systems: read once a minute, and again when told to forget."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.runtime import Memory

pytestmark = pytest.mark.anyio


class Shelf:
    """Something to read, whose readings are counted, on a clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, tzinfo=UTC)
        self.readings = 0
        self.memory = Memory(lambda: self.now)

    async def read(self) -> int:
        await asyncio.sleep(0)
        self.readings += 1
        return self.readings

    async def get(self) -> int:
        return await self.memory.get("rates", self.read)


async def test_what_is_known_is_not_read_again_within_a_minute() -> None:
    shelf = Shelf()
    assert await shelf.get() == 1
    shelf.now += timedelta(seconds=59)
    assert await shelf.get() == 1
    shelf.now += timedelta(seconds=1)
    assert await shelf.get() == 2


async def test_what_seldom_changes_is_kept_for_as_long_as_was_said() -> None:
    shelf = Shelf()
    await shelf.memory.get("countries", shelf.read, keep_seconds=3600)
    shelf.now += timedelta(seconds=3599)
    assert await shelf.memory.get("countries", shelf.read, keep_seconds=3600) == 1
    shelf.now += timedelta(seconds=1)
    assert await shelf.memory.get("countries", shelf.read, keep_seconds=3600) == 2


async def test_what_was_forgotten_is_read_again() -> None:
    shelf = Shelf()
    await shelf.get()
    shelf.memory.forget("rates", "never read")
    assert await shelf.get() == 2


async def test_many_that_want_the_same_wait_for_one_reading() -> None:
    shelf = Shelf()
    assert await asyncio.gather(*(shelf.get() for _ in range(5))) == [1] * 5


async def test_what_was_changed_while_it_was_read_is_read_again() -> None:
    """Somebody forgets in the middle of a reading, which may have seen the old or the new."""
    shelf = Shelf()

    async def read_and_forget() -> int:
        shelf.memory.forget("rates")
        return await shelf.read()

    await shelf.memory.get("rates", read_and_forget)
    assert await shelf.get() == 2


async def test_a_reading_that_failed_is_tried_again() -> None:
    shelf = Shelf()

    async def fail() -> int:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await shelf.memory.get("rates", fail)
    assert await shelf.get() == 1

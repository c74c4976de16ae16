"""A database that stands still holds nobody up for ever, and goes on as if nothing had been."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text

from app.db.opening import sqlalchemy_url
from app.db.session import GRACE_SECONDS, OUTAGES, PING_SECONDS, TIMEOUT_SECONDS, Pulse, open_engine
from tests.acceptance.process import wait_until
from tests.standstill import standing_between

pytestmark = pytest.mark.anyio

RECEIVERS_ANSWER_WITHIN = 4.0


def test_the_longest_wait_leaves_time_to_answer() -> None:
    assert PING_SECONDS + TIMEOUT_SECONDS + GRACE_SECONDS <= RECEIVERS_ANSWER_WITHIN - 0.5


async def test_whoever_waits_hears_of_an_outage_and_goes_on_after_it(database_url: str) -> None:
    async with standing_between(database_url) as between:
        pulse = Pulse(between.address, every_seconds=0.01, patience_seconds=0.2)
        engine = open_engine(sqlalchemy_url(between.address), pulse=pulse)

        async def ask() -> bool:
            async with engine.begin() as connection:
                return await connection.scalar(text("SELECT true")) is True

        async def answers() -> bool:
            try:
                return await ask()
            except OUTAGES:
                return False

        async with pulse.running():
            assert await ask()
            between.begin()
            found = await asyncio.gather(*(ask() for _ in range(30)), return_exceptions=True)
            assert all(isinstance(each, OUTAGES) for each in found)
            assert pulse.is_silent
            with pytest.raises(psycopg.OperationalError, match="does not answer"):
                await pulse.connect(between.address)
            between.end()
            await wait_until(database_url, answers, "answers")
            assert not pulse.is_silent
        await engine.dispose()


async def test_a_database_that_refuses_is_not_silent() -> None:
    """Whoever asks it hears that at once."""
    address = "postgresql://nobody@127.0.0.1:1/nothing"
    pulse = Pulse(address, every_seconds=0.0, patience_seconds=5)
    async with pulse.running():
        for _ in range(3):
            with pytest.raises(psycopg.OperationalError):
                await pulse.connect(address)
    assert not pulse.is_silent

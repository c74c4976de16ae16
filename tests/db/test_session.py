"""Opening and closing the engine."""

import asyncio
from typing import Any

import pytest

from app.db.session import close_engine, open_engine, open_sessions
from app.db.url import sqlalchemy_url

pytestmark = pytest.mark.anyio


async def test_a_connection_that_is_being_given_back_is_not_left_open(database_url: str) -> None:
    engine = open_engine(sqlalchemy_url(database_url))
    sessions = open_sessions(engine)
    taken, give_back = asyncio.Event(), asyncio.Event()
    connections: list[Any] = []

    async def work() -> None:
        async with sessions() as session:
            raw = await (await session.connection()).get_raw_connection()
            connections.append(raw.driver_connection)
            taken.set()
            await give_back.wait()

    working = asyncio.create_task(work())
    await taken.wait()
    closing = asyncio.create_task(close_engine(engine))
    await asyncio.sleep(0)
    give_back.set()
    await asyncio.gather(working, closing)

    assert [each.closed for each in connections] == [True]

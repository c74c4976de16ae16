"""Opening and closing the engine."""

import asyncio
import select
from typing import Any

import psycopg
import pytest
from sqlalchemy import func
from sqlalchemy import select as select_rows
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.opening import sqlalchemy_url
from app.db.session import close_engine, open_engine, open_sessions

pytestmark = pytest.mark.anyio

OWN_PID = select_rows(func.pg_backend_pid())


async def test_connections_that_the_server_has_ended_are_replaced(database_url: str) -> None:
    """Whoever comes next notices nothing of a restart that is over."""
    engine = open_engine(sqlalchemy_url(database_url))
    sessions = open_sessions(engine)
    async with sessions() as one, sessions() as two:
        pids = [await each.scalar(OWN_PID) for each in (one, two)]
        drivers = [await _driver_of(each) for each in (one, two)]
    with psycopg.connect(database_url, autocommit=True) as other:
        for pid in pids:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    for driver in drivers:
        await asyncio.to_thread(_wait_for_the_end, driver.fileno())

    async with sessions() as one, sessions() as two:
        fresh = [await each.scalar(OWN_PID) for each in (one, two)]
    await close_engine(engine)
    assert not set(fresh) & set(pids)


async def _driver_of(session: AsyncSession) -> Any:
    return (await (await session.connection()).get_raw_connection()).driver_connection


def _wait_for_the_end(file: int) -> None:
    assert select.select([file], [], [], 10)[0]


async def test_a_connection_that_is_being_given_back_is_not_left_open(database_url: str) -> None:
    engine = open_engine(sqlalchemy_url(database_url))
    sessions = open_sessions(engine)
    taken, give_back = asyncio.Event(), asyncio.Event()
    connections: list[Any] = []

    async def work() -> None:
        async with sessions() as session:
            connections.append(await _driver_of(session))
            taken.set()
            await give_back.wait()

    working = asyncio.create_task(work())
    await taken.wait()
    closing = asyncio.create_task(close_engine(engine))
    await asyncio.sleep(0)
    give_back.set()
    await asyncio.gather(working, closing)

    assert [each.closed for each in connections] == [True]

"""Statements that are run thousands of times: sent as they are, and prepared once a connection."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.util.concurrency import greenlet_spawn

from app.db.outage import StatementRefused, is_refusal
from app.db.session import Sessions

Driver = psycopg.AsyncConnection[Any]


async def driver_of(session: AsyncSession) -> Driver:
    """The driver's connection on which the session's transaction is."""
    return _driver((await (await session.connection()).get_raw_connection()).driver_connection)


@asynccontextmanager
async def autocommitting(sessions: Sessions) -> AsyncIterator[Driver]:
    """A connection of the pool on which each statement is a transaction, so that one takes a single
    exchange with the server. Raises SQLAlchemy's errors where there is none."""
    engine = sessions.kw["bind"]
    assert isinstance(engine, AsyncEngine)  # noqa: S101 - as `open_sessions` has it
    borrowed = await engine.raw_connection()
    driver = _driver(borrowed.driver_connection)
    try:
        await driver.set_autocommit(True)
        yield driver
    finally:
        if not driver.closed:
            await driver.set_autocommit(False)
        await greenlet_spawn(borrowed.close)


def _driver(connection: object) -> Driver:
    assert isinstance(connection, psycopg.AsyncConnection)  # noqa: S101 - the only driver there is
    return connection


async def fetch_prepared(
    driver: Driver, statement: str, values: Sequence[object]
) -> list[tuple[Any, ...]]:
    """The rows of a statement of psycopg's (`%s`), which nobody compiles. Raises psycopg's errors,
    and StatementRefused as the engine does."""
    try:
        async with driver.cursor(binary=True) as cursor:
            await cursor.execute(statement, values, prepare=True)
            return await cursor.fetchall()
    except psycopg.OperationalError as error:
        if is_refusal(error):
            raise StatementRefused(statement, None, error, hide_parameters=True) from error
        raise

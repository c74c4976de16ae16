"""Engine and sessions: short transactions, none of them open while a remote is called."""

import asyncio
import select as sockets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
import psycopg
from sqlalchemy import event, func, select
from sqlalchemy.engine.interfaces import AdaptedConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import QueuePool

from app.db.outage import tell_refusals_apart
from app.db.pulse import Pulse

Session = AsyncSession
Sessions = async_sessionmaker[Session]

CLOSING_SECONDS = 5.0


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def open_engine(url: str, pool_size: int = 10, *, pulse: Pulse | None = None) -> AsyncEngine:
    """With `pulse`, whose task is to run, nobody waits for ever for a database that hangs."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        hide_parameters=True,  # errors are logged, and bodies of deliveries are people's data
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args={"async_creator_fn": pulse.connect} if pulse is not None else {},
    )
    event.listen(engine.sync_engine, "handle_error", tell_refusals_apart)
    event.listen(engine.sync_engine, "checkout", _refuse_ended)
    return engine


def _refuse_ended(connection: AdaptedConnection, *_: object) -> None:
    """Have the pool replace a connection that the server has ended, as by a restart.

    Nothing comes from the server while a connection lies in the pool, unless that is over, so a
    look at the socket says as much as a question to the server, which would be every third
    statement of the service. One that hangs is told by `app.db.pulse`.
    """
    driver = connection.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)  # noqa: S101 - the only driver there is
    if driver.closed or _has_news(driver.fileno()):
        raise DisconnectionError("the server has ended this connection")


def _has_news(file: int) -> bool:
    ready = sockets.poll()
    ready.register(file, sockets.POLLIN)
    return bool(ready.poll(0))


async def close_engine(engine: AsyncEngine) -> None:
    """What was cancelled gives its connection back by itself, a moment later. An engine that is
    disposed of before would leave that connection open, so it is waited for, up to a time."""
    give_up_at = time.monotonic() + CLOSING_SECONDS
    while _busy(engine) and time.monotonic() < give_up_at:  # noqa: ASYNC110 - pools have no event
        await asyncio.sleep(0.01)
    await engine.dispose()


def _busy(engine: AsyncEngine) -> bool:
    return isinstance(engine.pool, QueuePool) and engine.pool.checkedout() > 0


def open_sessions(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def transaction(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session, session.begin():
        yield session


async def find_clock_skew(session: AsyncSession) -> float:
    """Seconds that the database's clock is ahead of ours."""
    theirs = await session.scalar(select(func.clock_timestamp()))
    return float((theirs - datetime.now(UTC)).total_seconds()) if theirs else 0.0

"""Engine, sessions and transactions; the declarative base and column types; classes of database
errors."""

import asyncio
import contextlib
import logging
import os
import select as sockets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, TypeVar
from weakref import WeakSet

import orjson
import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    ExceptionContext,
    MetaData,
    String,
    event,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine.interfaces import AdaptedConnection
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeDecorator
from sqlalchemy.util.concurrency import greenlet_spawn

from app.domain import WooVtigerError
from app.tasks import in_background

# Liveness of the database.
#
# A server that is suspended, or whose machine hangs, keeps its connections and accepts new ones: no
# socket fails, no timeout of the server applies, and callers would wait for ever. So one connection
# sends a trivial query periodically. If there is no answer in time, all connections are closed, and
# their callers get the error of a lost connection.

log = logging.getLogger(__name__)

NO_ANSWER = "the database accepts connections, but does not answer"
PING_SECONDS = 0.75
TIMEOUT_SECONDS = 2.5
GRACE_SECONDS = 0.1
"""For an answer that has arrived, but that a busy event loop has not read yet."""

Connection = psycopg.AsyncConnection[Any]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Pulse:
    """Opens connections, and closes them all if the database does not answer.

    A caller waits for at most `every_seconds` and `patience_seconds` together after the database
    stopped answering: receivers have to answer within 4 seconds.
    """

    address: str
    every_seconds: float = PING_SECONDS
    patience_seconds: float = TIMEOUT_SECONDS
    is_silent: bool = field(default=False, init=False)
    _watched: WeakSet[Connection] = field(default_factory=WeakSet, init=False)
    _own: Connection | None = field(default=None, init=False)

    async def connect(self, *args: Any, **kwargs: Any) -> Connection:
        """Connect as psycopg does, and watch the connection. Raises psycopg.OperationalError if the
        database does not answer; immediately if that is known."""
        if self.is_silent:
            raise psycopg.OperationalError(NO_ANSWER)
        try:
            async with asyncio.timeout(self.patience_seconds):
                connection = await psycopg.AsyncConnection.connect(*args, **kwargs)
        except TimeoutError:
            raise psycopg.OperationalError(NO_ANSWER) from None
        await self.watch(connection)
        return connection

    async def watch(self, connection: Connection) -> None:
        """Close this connection too if the database does not answer."""
        self._watched.add(connection)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send pings while the body runs."""
        try:
            async with in_background(self._ping_periodically()):
                yield
        finally:
            if self._own is not None:
                await self._own.close()

    async def _ping_periodically(self) -> None:
        while True:
            await self._check()
            await asyncio.sleep(self.every_seconds)

    async def _check(self) -> None:
        ping = asyncio.create_task(self._ping())
        try:
            done, _ = await asyncio.wait({ping}, timeout=self.patience_seconds)
            if not done:
                done, _ = await asyncio.wait({ping}, timeout=GRACE_SECONDS)
        except asyncio.CancelledError:
            ping.cancel()
            raise
        if done:
            if self.is_silent:
                log.warning("the database answers again")
            self.is_silent = False
            return
        if not self.is_silent:
            log.error("%s: %d connections are closed", NO_ANSWER, len(self._watched))
        self.is_silent = True
        for connection in list(self._watched):
            _shut_down(connection)
        ping.cancel()
        await asyncio.wait({ping})

    async def _ping(self) -> None:
        """Send a query. An error counts as an answer: callers get their own errors."""
        try:
            if self._own is None or self._own.closed:
                self._own = await psycopg.AsyncConnection.connect(self.address, autocommit=True)
                await self.watch(self._own)
            await self._own.execute("SELECT 1")
        except psycopg.Error as error:
            log.debug("the database cannot be reached: %s", error)


def _shut_down(connection: Connection) -> None:
    """Shut down the socket below the driver, so that callers get the error of a lost connection.

    If the callers were cancelled instead, the driver would send the server a cancel request and
    wait for it.
    """
    if connection.closed:
        return
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as held:
        held.shutdown(socket.SHUT_RDWR)


# Classes of database errors, so that callers need not know the driver.

OUTAGES: tuple[type[Exception], ...] = (
    OperationalError,
    InterfaceError,
    PoolExhausted,
    psycopg.OperationalError,
    PoolTimeout,
)
"""Temporary errors: the same statement may succeed later. `StatementRefused` is not one."""

PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
"""SQLSTATE classes of errors that the statement did not cause: lost connections, serialisation
failures and deadlocks, exhausted resources, shutdowns and cancellations, input/output errors."""
PASSING_STATES = frozenset({"55P03"})  # lock_not_available


class StatementRefused(DBAPIError):
    """The database refuses the statement itself, such as a value that is too large for an index
    (54000). A retry would fail too."""


OUTDATED: tuple[type[Exception], ...] = (ProgrammingError, psycopg.ProgrammingError)
"""Errors of which `is_unmigrated` says whether a migration is missing."""


def is_unmigrated(error: Exception) -> bool:
    """Whether a table or column is missing because migrations were not applied."""
    origin = error.orig if isinstance(error, ProgrammingError) else error
    return isinstance(origin, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn)


def driver_message(error: Exception) -> str:
    """The first line of the driver's message, which names the address and the cause."""
    origin = error.orig if isinstance(error, DBAPIError) else error.__cause__ or error
    return str(origin or error).strip().partition("\n")[0]


def is_refusal(error: BaseException | None) -> bool:
    """Whether a driver's error means that the database refuses the statement itself."""
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return False
    return error.sqlstate[:2] not in PASSING_CLASSES and error.sqlstate not in PASSING_STATES


def distinguish_refusals(context: ExceptionContext) -> None:
    """A listener of the engine's `handle_error`. The driver raises OperationalError for a refused
    statement as for a lost connection; this raises StatementRefused for the former."""
    refused = context.original_exception
    if isinstance(refused, psycopg.OperationalError) and is_refusal(refused):
        raise StatementRefused(context.statement, None, refused, hide_parameters=True)


# Many rows in one transaction, or each in its own if the database refuses one.

Row = TypeVar("Row")


async def store_rows(
    rows: Sequence[Row], store: Callable[[Sequence[Row]], Awaitable[None]]
) -> list[tuple[Row, Exception]]:
    """Store rows; return those that the database refuses, each with its error.

    `store` commits the rows that it is given: first all of them, and if that fails one by one.
    Outages, and the service's own errors such as LeaseLost, are raised.
    """
    if not rows:
        return []
    try:
        await store(rows)
    except WooVtigerError:
        raise
    except OUTAGES:
        raise
    except Exception as error:
        if len(rows) == 1:
            return [(rows[0], error)]
    else:
        return []
    return [each for row in rows for each in await store_rows([row], store)]


# Group commit: items that arrive together share one transaction.

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Item, Answer]):
    """Stores items in batches; an item is committed when `store` returns.

    `commit` stores a batch in one transaction and returns one answer for each item, in order.
    While it runs, arriving items wait for the next batch of at most `most_at_once`. `store` raises
    what `commit` raised for the item: an item that the database refuses fails alone, an outage or
    an error of the service fails the batch.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        most_at_once: int | None = None,
    ) -> None:
        self._commit = commit
        self._most_at_once = most_at_once
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._flushing: asyncio.Task[None] | None = None

    @property
    def has_waiting(self) -> bool:
        """Whether items wait for the batch after the one that is being committed."""
        return bool(self._waiting)

    async def store(self, item: Item) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await answer

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._most_at_once]
                del self._waiting[: self._most_at_once]
                await self._store(batch)
        finally:
            self._flushing = None

    async def _store(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            refused = await store_rows(batch, self._commit_batch)
        except Exception as error:
            refused = [(each, error) for each in batch]
        for (_, answer), reason in refused:
            if not answer.done():
                answer.set_exception(reason)

    async def _commit_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        answers = await self._commit([item for item, _ in batch])
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():  # its caller may have stopped waiting
                future.set_result(answer)


# Column types for text and JSON.
#
# PostgreSQL stores neither NUL nor lone surrogates in text and JSON, and refuses a statement that
# contains one. Remote systems send both. These types replace them in every insert, update and
# filter.

LONGEST_TEXT = 1_000_000
"""Characters of a text without a limit of its own: more than any field of either system."""
LONGEST_MESSAGE = 4_000
"""Characters of a message of a remote system or for a person."""


def storable(text: str) -> str:
    """The text with NUL replaced by U+FFFD and lone surrogates by `?`."""
    if text.isascii():
        return text if "\x00" not in text else text.replace("\x00", "\ufffd")
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def storable_json(value: Any) -> Any:
    """The value with `storable` applied to all texts, including names of members."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable_json(name): storable_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(item) for item in value]
    return value


def storable_text(value: Any) -> str:
    """The value as JSON with `storable` applied to all texts."""
    try:
        text = _dumps(value)
    except TypeError:  # a lone surrogate, which JSON cannot hold
        return _dumps(storable_json(value))
    return text if "\\u0000" not in text else _dumps(storable_json(value))


class StorableText(TypeDecorator[str]):
    """Text of at most `longest` characters; longer text is cut and ends in an ellipsis.

    A key must not be cut, since two keys could become equal: external keys are bounded before
    (`app.domain.bounded_key`).
    """

    impl = String
    cache_ok = True

    def __init__(self, longest: int = LONGEST_TEXT) -> None:
        super().__init__()
        self.longest = longest

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        if value is None:
            return None
        return cut(storable(value), self.longest)


def cut(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """The text, or its beginning and an ellipsis if it has more characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


Message = StorableText(LONGEST_MESSAGE)
"""The type of a column for a message."""


class StorableJson(TypeDecorator[Any]):
    """JSONB whose texts are made storable; None is SQL's NULL."""

    impl = JSONB
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        del dialect
        return storable_json(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Operators on the column (`->`, `?`, …) are those of JSONB."""
        return self.impl_instance.coerce_compared_value(op, value)


# The declarative base: naming convention and column types of all tables.

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of all tables: texts and JSON are made storable, times are timestamptz, integers
    are bigint."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: StorableJson,
        list[Any]: StorableJson,
        int: BigInteger,
        str: StorableText,
    }


class Numbered:
    """A row with an increasing id and the time of its creation by the database's clock."""

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


Session = AsyncSession
Sessions = async_sessionmaker[Session]

CLOSING_SECONDS = 5.0


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def open_engine(url: str, pool_size: int = 10, *, pulse: Pulse | None = None) -> AsyncEngine:
    """An engine for the URL. With a running `pulse`, no caller waits for ever for a database that
    hangs."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        hide_parameters=True,  # errors are logged, and bodies contain personal data
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        connect_args={"async_creator_fn": pulse.connect} if pulse is not None else {},
    )
    event.listen(engine.sync_engine, "handle_error", distinguish_refusals)
    event.listen(engine.sync_engine, "checkout", _refuse_ended)
    return engine


def _refuse_ended(connection: AdaptedConnection, *_: object) -> None:
    """Make the pool replace a connection that the server has closed, as after a restart.

    A readable socket of an idle connection means that the server closed it, so no query is needed,
    which would be every third statement of the service. `Pulse` detects a server that hangs.
    """
    driver = connection.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)  # noqa: S101 - the only driver there is
    if has_ended(driver):
        raise DisconnectionError("the server has closed this connection")


def has_ended(connection: Connection) -> bool:
    """Whether the connection is closed, or its server may have closed it; no query is sent."""
    return connection.closed or _is_readable(connection.fileno())


def _is_readable(file: int) -> bool:
    ready = sockets.poll()
    ready.register(file, sockets.POLLIN)
    return bool(ready.poll(0))


async def close_engine(engine: AsyncEngine) -> None:
    """Dispose of the engine once all connections are returned, or after CLOSING_SECONDS.

    Cancelled tasks return theirs a moment later; disposing earlier would leave them open."""
    give_up_at = time.monotonic() + CLOSING_SECONDS
    while _is_busy(engine) and time.monotonic() < give_up_at:  # noqa: ASYNC110 - pools have no event
        await asyncio.sleep(0.01)
    await engine.dispose()


def _is_busy(engine: AsyncEngine) -> bool:
    return isinstance(engine.pool, QueuePool) and engine.pool.checkedout() > 0


def open_sessions(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def transaction(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    async with sessions() as session, session.begin():
        yield session


async def find_clock_skew(session: AsyncSession) -> float:
    """Seconds by which the database's clock is ahead of ours."""
    now = await session.scalar(select(func.clock_timestamp()))
    return float((now - datetime.now(UTC)).total_seconds()) if now else 0.0


# Frequent statements: sent without SQLAlchemy's compiler, and prepared once per connection.

Driver = psycopg.AsyncConnection[Any]


async def driver_of(session: AsyncSession) -> Driver:
    """The driver's connection of the session's transaction."""
    return _driver((await (await session.connection()).get_raw_connection()).driver_connection)


@asynccontextmanager
async def autocommitting(sessions: Sessions) -> AsyncIterator[Driver]:
    """A pooled connection in autocommit mode, in which a statement takes a single round trip.
    Raises SQLAlchemy's errors if there is none."""
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


@asynccontextmanager
async def driver_transaction(sessions: Sessions) -> AsyncIterator[Driver]:
    """A transaction for `fetch_prepared` alone, without a session. Raises SQLAlchemy's errors if
    there is no connection."""
    engine = sessions.kw["bind"]
    assert isinstance(engine, AsyncEngine)  # noqa: S101 - as `open_sessions` has it
    borrowed = await engine.raw_connection()
    try:
        driver = _driver(borrowed.driver_connection)
        yield driver
        await driver.commit()
    finally:
        await greenlet_spawn(borrowed.close)  # which rolls back what was not committed


def _driver(connection: object) -> Driver:
    assert isinstance(connection, psycopg.AsyncConnection)  # noqa: S101 - the only driver there is
    return connection


def columns_of(rows: Sequence[Sequence[object]], count: int) -> list[list[object]]:
    """The `count` columns of rows, for a statement that unnests an array each."""
    return [[row[number] for row in rows] for number in range(count)]


async def fetch_prepared(
    driver: Driver, statement: str, values: Sequence[object]
) -> list[tuple[Any, ...]]:
    """The rows of a statement with psycopg's placeholders (`%s`). Raises psycopg's errors, and
    StatementRefused as the engine does."""
    try:
        async with driver.cursor(binary=True) as cursor:
            await cursor.execute(statement, values, prepare=True)
            return await cursor.fetchall()
    except psycopg.OperationalError as error:
        if is_refusal(error):
            raise StatementRefused(statement, None, error, hide_parameters=True) from error
        raise

"""Engine, sessions and short transactions; the declarative base and the column types; and what an
absent database looks like."""

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

# Whether the database answers at all.
#
# A server that is stopped, or whose machine hangs, still holds its connections and takes new ones:
# no socket fails, no clock of the server's runs, and whoever waits would wait for ever. So one
# connection asks the simplest question again and again. When the answer does not come, all
# connections are broken off, which whoever waits hears of as of any lost connection.

log = logging.getLogger(__name__)

SILENT = "the database takes connections, but does not answer"
ASK_EVERY_SECONDS = 0.75
PATIENCE_SECONDS = 2.5
GRACE_SECONDS = 0.1
"""For an answer that is there already, and that a busy event loop has not read yet."""

Connection = psycopg.AsyncConnection[Any]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Pulse:
    """Opens connections, and breaks those off that wait for a database that does not answer.

    From a standstill to the end of the longest wait it takes `every_seconds` and
    `patience_seconds` together: receivers have to answer within 4 seconds.
    """

    address: str
    every_seconds: float = ASK_EVERY_SECONDS
    patience_seconds: float = PATIENCE_SECONDS
    is_silent: bool = field(default=False, init=False)
    _watched: WeakSet[Connection] = field(default_factory=WeakSet, init=False)
    _own: Connection | None = field(default=None, init=False)

    async def connect(self, *args: Any, **kwargs: Any) -> Connection:
        """As psycopg's, but watched. Raises psycopg.OperationalError where no answer comes, at once
        while it is known that none will."""
        if self.is_silent:
            raise psycopg.OperationalError(SILENT)
        try:
            async with asyncio.timeout(self.patience_seconds):
                connection = await psycopg.AsyncConnection.connect(*args, **kwargs)
        except TimeoutError:
            raise psycopg.OperationalError(SILENT) from None
        await self.watch(connection)
        return connection

    async def watch(self, connection: Connection) -> None:
        """Break this one off too when the database does not answer."""
        self._watched.add(connection)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ask while the body runs."""
        try:
            async with in_background(self._ask_on()):
                yield
        finally:
            if self._own is not None:
                await self._own.close()

    async def _ask_on(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(self.every_seconds)

    async def _look(self) -> None:
        asked = asyncio.create_task(self._ask())
        try:
            done, _ = await asyncio.wait({asked}, timeout=self.patience_seconds)
            if not done:
                done, _ = await asyncio.wait({asked}, timeout=GRACE_SECONDS)
        except asyncio.CancelledError:
            asked.cancel()
            raise
        if done:
            if self.is_silent:
                log.warning("the database answers again")
            self.is_silent = False
            return
        if not self.is_silent:
            log.error("%s: %d connections are broken off", SILENT, len(self._watched))
        self.is_silent = True
        for connection in list(self._watched):
            _break_off(connection)
        asked.cancel()
        await asyncio.wait({asked})

    async def _ask(self) -> None:
        """A refusal is an answer: those who wait hear of it themselves."""
        try:
            if self._own is None or self._own.closed:
                self._own = await psycopg.AsyncConnection.connect(self.address, autocommit=True)
                await self.watch(self._own)
            await self._own.execute("SELECT 1")
        except psycopg.Error as error:
            log.debug("the database cannot be asked: %s", error)


def _break_off(connection: Connection) -> None:
    """End the socket below the driver: whoever waits for an answer is told that it is lost.

    Cancelling them instead would have the driver ask the server to cancel, and wait for that.
    """
    if connection.closed:
        return
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as held:
        held.shutdown(socket.SHUT_RDWR)


# What an absent or an outdated database looks like, so that callers need not know its driver.

OUTAGES: tuple[type[Exception], ...] = (
    OperationalError,
    InterfaceError,
    PoolExhausted,
    psycopg.OperationalError,
    PoolTimeout,
)
"""What passes by itself: the same statement may succeed later. `StatementRefused` is none."""

PASSING_CLASSES = frozenset({"08", "40", "53", "57", "58"})
"""SQLSTATE classes of errors that say nothing against the statement: lost connections, transactions
that lost to another one, exhausted resources, shutdowns and cancellations, input/output errors."""
PASSING_STATES = frozenset({"55P03"})  # lock_not_available


class StatementRefused(DBAPIError):
    """The database refuses this very statement, now and later, such as a value that is too large
    for an index (54000). Retrying it unchanged helps nobody."""


OUTDATED: tuple[type[Exception], ...] = (ProgrammingError, psycopg.ProgrammingError)
"""What `is_unmigrated` tells apart from a bug."""


def is_unmigrated(error: Exception) -> bool:
    """Whether a table or column is missing because migrations were not applied."""
    origin = error.orig if isinstance(error, ProgrammingError) else error
    return isinstance(origin, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn)


def driver_message(error: Exception) -> str:
    """The first line of what the driver said: where it looked, and why that failed."""
    origin = error.orig if isinstance(error, DBAPIError) else error.__cause__ or error
    return str(origin or error).strip().partition("\n")[0]


def is_refusal(error: BaseException | None) -> bool:
    """Whether a driver's error is the database's word against this very statement."""
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return False
    return error.sqlstate[:2] not in PASSING_CLASSES and error.sqlstate not in PASSING_STATES


def tell_refusals_apart(context: ExceptionContext) -> None:
    """A listener of the engine's `handle_error`: the driver calls a refused statement an
    OperationalError, as it calls a lost connection. Raises StatementRefused for the former."""
    refused = context.original_exception
    if isinstance(refused, psycopg.OperationalError) and is_refusal(refused):
        raise StatementRefused(context.statement, None, refused, hide_parameters=True)


# Many rows in one transaction; where the database refuses one of them, each in its own.

Row = TypeVar("Row")


async def store_rows(
    rows: Sequence[Row], store: Callable[[Sequence[Row]], Awaitable[None]]
) -> list[tuple[Row, Exception]]:
    """Those that are refused, each with the reason; the others are stored.

    `store` commits what it is given: all rows at first, and where that fails one after the other.
    What says nothing against a row is raised: outages, and our own errors such as LeaseLost.
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


# Group commit: items that arrive together share one transaction, each answered after it.

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Item, Answer]):
    """Items are on disk before `store` returns; it raises what `commit` raised for the item.

    `commit` stores what it is given in one transaction and returns one answer an item, in order.
    While it runs, arriving items wait for the next call, which takes `most_at_once` of them, or
    all. An item that the database refuses fails alone; an outage or an error of ours fails all.
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


# The column types through which text and JSON reach the database.
#
# PostgreSQL stores neither NUL nor lone surrogates, in text and in JSON alike, and refuses the
# whole statement that carries one. Remote systems send both. One type for all columns means that
# no insert, update or filter can fail for a character.

LONGEST_TEXT = 1_000_000
"""Characters of a text of no particular kind: more than any field of either system holds."""
LONGEST_MESSAGE = 4_000
"""Characters of a message: what a remote system said, or what we tell a person."""


def storable(text: str) -> str:
    """The text with U+FFFD for each NUL and `?` for each lone surrogate."""
    if text.isascii():
        return text if "\x00" not in text else text.replace("\x00", "\ufffd")
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def storable_json(value: Any) -> Any:
    """The value with every text in it, names included, made storable."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable_json(name): storable_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(item) for item in value]
    return value


class StorableText(TypeDecorator[str]):
    """Text of at most `longest` characters; what is longer is cut and ends in an ellipsis.

    A key must never be cut, for two keys could become one: keys that come from outside are
    bounded before they get here (`app.domain.bounded_key`).
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
        text = storable(value)
        return text if len(text) <= self.longest else text[: self.longest - 1] + "…"


Message = StorableText(LONGEST_MESSAGE)
"""The type of a column for a message."""


class StorableJson(TypeDecorator[Any]):
    """JSONB whose texts are storable; None is SQL's NULL."""

    impl = JSONB
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(none_as_null=True)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        del dialect
        return storable_json(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Operators on the column (`->`, `?`, …) mean those of JSONB."""
        return self.impl_instance.coerce_compared_value(op, value)


# The declarative base: one naming convention and the column types that every table shares.

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Text and JSON are made storable, times are timestamptz, whole numbers are bigint."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: StorableJson,
        list[Any]: StorableJson,
        int: BigInteger,
        str: StorableText,
    }


class Numbered:
    """A row with a growing number of its own and its first moment, by the server's clock."""

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


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
    statement of the service. One that hangs is told by `app.db.session`.
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


# Statements that are run thousands of times: sent as they are, and prepared once a connection.

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

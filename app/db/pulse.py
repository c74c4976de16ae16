"""Whether the database answers at all.

A server that is stopped, or whose machine hangs, still holds its connections and takes new ones: no
socket fails, no clock of the server's runs, and whoever waits would wait for ever. So one
connection asks the simplest question again and again. When the answer does not come, all
connections are broken off, which whoever waits hears of as of any lost connection.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import psycopg

from app.tasks import in_background

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

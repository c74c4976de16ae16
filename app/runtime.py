"""What the API, the workers and the command line share: engine, sessions, clients, clock."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import procrastinate
from sqlalchemy.ext.asyncio import AsyncEngine

from app.attempts import Attempts
from app.clients import open_gates, open_store, open_vtiger
from app.db.opening import open_database
from app.db.pulse import Pulse
from app.db.session import Sessions, open_sessions
from app.inbox.acceptor import Acceptor
from app.queue import open_jobs
from app.remotes.gate import SharedGate
from app.settings import Settings
from app.vtiger.client import VtigerClient
from app.vtiger.schemas import VtigerModule
from app.woocommerce.client import WooClient

T = TypeVar("T")


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Shapes:
    """Vtiger's describe answers, kept for a while because they cost a call and seldom change."""

    vtiger: VtigerClient
    clock: Callable[[], datetime]
    keep_seconds: float = 600.0
    _known: dict[str, tuple[datetime, VtigerModule]] = field(default_factory=dict)

    async def refresh(self, module: str) -> VtigerModule:
        """As Vtiger describes it at this moment."""
        self._known.pop(module, None)
        return await self.get(module)

    async def get(self, module: str) -> VtigerModule:
        known = self._known.get(module)
        if known and (self.clock() - known[0]).total_seconds() < self.keep_seconds:
            return known[1]
        shape = await self.vtiger.describe(module)
        self._known[module] = (self.clock(), shape)
        return shape


@dataclass(slots=True)
class Memory:
    """What one process has read and many records need, such as tax rates: kept for a minute, if
    nothing else is said.

    Several that want the same wait for one reading. Each process remembers for itself, so whoever
    misses what another process made says `forget` and looks again.
    """

    clock: Callable[[], datetime]
    keep_seconds: float = 60.0
    _known: dict[str, tuple[datetime, Any]] = field(default_factory=dict)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)
    _forgotten: Counter[str] = field(default_factory=Counter)

    async def get(
        self, key: str, load: Callable[[], Awaitable[T]], *, keep_seconds: float | None = None
    ) -> T:
        """What `key` stands for; `load` reads it if it is not known any more."""
        kept = self.keep_seconds if keep_seconds is None else keep_seconds
        async with self._turns.setdefault(key, asyncio.Lock()):
            known = self._known.get(key)
            if known and (self.clock() - known[0]).total_seconds() < kept:
                found: T = known[1]
                return found
            read_at, forgotten = self.clock(), self._forgotten[key]
            loaded = await load()
            if self._forgotten[key] == forgotten:
                self._known[key] = (read_at, loaded)
            return loaded

    def forget(self, *keys: str) -> None:
        """These have changed, perhaps while they are being read."""
        for key in keys:
            self._known.pop(key, None)
            self._forgotten[key] += 1


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything with a life of its own; made once a process by `open_runtime`."""

    settings: Settings
    address: str = field(repr=False)
    engine: AsyncEngine = field(repr=False)
    pulse: Pulse = field(repr=False)
    sessions: Sessions
    acceptor: Acceptor
    jobs: procrastinate.App
    stores: Mapping[str, WooClient]
    vtiger: VtigerClient
    gates: Mapping[str, SharedGate]
    shapes: Shapes
    memory: Memory
    clock: Callable[[], datetime] = utc_now
    attempts: Attempts = field(default_factory=lambda: Attempts(utc_now))


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Open all of it, migrating the database first where AUTO_MIGRATE says so.

    Raises ConfigError if a system is not configured, psycopg's errors if the database is not
    to be had.
    """
    async with AsyncExitStack() as stack:
        address, engine, pulse = await stack.enter_async_context(open_database(settings))
        jobs = await stack.enter_async_context(open_jobs(address, pulse=pulse).open_async())
        sessions = open_sessions(engine)
        gates = open_gates(settings, sessions)
        stores = {
            store: await stack.enter_async_context(open_store(settings, store, gates))
            for store in settings.stores
        }
        vtiger = await stack.enter_async_context(open_vtiger(settings, gates))
        yield Runtime(
            settings=settings,
            address=address,
            engine=engine,
            pulse=pulse,
            sessions=sessions,
            acceptor=Acceptor(sessions),
            jobs=jobs,
            stores=stores,
            vtiger=vtiger,
            gates=gates,
            shapes=Shapes(vtiger, utc_now),
            memory=Memory(utc_now),
        )

"""What the API, the workers and the command line share: engine, sessions, clients and settings."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import procrastinate
from sqlalchemy.ext.asyncio import AsyncEngine

from app.config.settings import Settings, StoreSettings, VtigerSettings
from app.db.opening import open_database
from app.db.session import Pulse, Sessions, open_sessions
from app.domain import ConfigError, System
from app.http.client import FREE_GATE, ClientLimits, Gate
from app.inbox.acceptor import Acceptor
from app.policies.access import Attempts
from app.queue import open_jobs
from app.remotes.gate import RemoteLimits, SharedGate, remote_key
from app.vtiger import client as vtiger
from app.vtiger.client import VtigerClient
from app.vtiger.schemas import VtigerModule
from app.woocommerce.client import WooClient

# The clients of the two systems, made from the settings, each behind its gate.

NO_GATES: Mapping[str, Gate] = {}
VTIGER = remote_key(System.VTIGER, "")
LONGEST_TURN = 15.0
"""Seconds that a call which is made alone keeps others waiting, if its process died."""


def open_gates(settings: Settings, sessions: Sessions) -> dict[str, SharedGate]:
    """A gate to each remote, by its key."""
    gates = [
        _gate(settings, sessions, System.WOOCOMMERCE, store, remote)
        for store, remote in settings.stores.items()
    ]
    if settings.vtiger is not None:
        gates.append(_gate(settings, sessions, System.VTIGER, "", settings.vtiger))
    return {gate.key: gate for gate in gates}


def _gate(
    settings: Settings,
    sessions: Sessions,
    system: System,
    store: str,
    remote: StoreSettings | VtigerSettings,
) -> SharedGate:
    http = settings.http
    limits = RemoteLimits(
        failures=http.breaker_failures,
        probe_seconds=http.breaker_probe_seconds,
        probe_max_seconds=max(http.breaker_probe_seconds, http.breaker_probe_max_seconds),
        calls_per_second=remote.calls_per_second or http.calls_per_second,
        recovery_seconds=http.recovery_seconds,
        turn_seconds=min(LONGEST_TURN, http.read_timeout / 2),
    )
    return SharedGate(sessions, system, store, limits, _connections(settings, remote))


def open_store(settings: Settings, key: str, gates: Mapping[str, Gate] = NO_GATES) -> WooClient:
    """The client of one shop; without a gate for commands that make a few calls."""
    store = settings.stores[key]
    return WooClient(
        store.url,
        consumer_key=store.consumer_key.get_secret_value(),
        consumer_secret=store.consumer_secret.get_secret_value(),
        limits=_limits(settings, store),
        gate=gates.get(remote_key(System.WOOCOMMERCE, key), FREE_GATE),
    )


def open_vtiger(settings: Settings, gates: Mapping[str, Gate] = NO_GATES) -> VtigerClient:
    """The client of the CRM."""
    if settings.vtiger is None:
        raise ConfigError("no Vtiger is set: set VTIGER__URL and its companions")
    return vtiger.open_vtiger(
        settings.vtiger.url,
        username=settings.vtiger.username,
        access_key=settings.vtiger.access_key.get_secret_value(),
        api=settings.vtiger.api,
        limits=_limits(settings, settings.vtiger),
        gate=gates.get(VTIGER, FREE_GATE),
    )


def _limits(settings: Settings, remote: StoreSettings | VtigerSettings) -> ClientLimits:
    http = settings.http
    return ClientLimits(
        connect_timeout=http.connect_timeout,
        read_timeout=http.read_timeout,
        write_timeout=http.write_timeout,
        pool_timeout=http.pool_timeout,
        total_timeout=http.total_timeout,
        max_connections=_connections(settings, remote),
        max_response_bytes=http.max_response_bytes,
    )


def _connections(settings: Settings, remote: StoreSettings | VtigerSettings) -> int:
    return remote.max_connections or settings.http.max_connections


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

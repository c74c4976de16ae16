"""The runtime that API, workers and commands share: engine, sessions, clients and caches."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import procrastinate
from sqlalchemy.ext.asyncio import AsyncEngine

from app.config.settings import Settings, StoreSettings, VtigerSettings
from app.db.opening import open_database
from app.db.session import Pulse, Sessions, open_sessions
from app.domain import ConfigError, System, utc_now
from app.drains import Drains
from app.http.attempts import Attempts
from app.http.client import FREE_GATE, ClientLimits, Gate
from app.inbox.repository import Acceptor
from app.queue import open_jobs
from app.remotes.gate import RemoteLimits, SharedGate, remote_key
from app.vtiger import client as vtiger
from app.vtiger.client import VtigerClient
from app.vtiger.schemas import VtigerModule
from app.woocommerce.client import WooClient

# The clients of both systems, opened from the settings, each with its gate.

NO_GATES: Mapping[str, Gate] = {}
VTIGER = remote_key(System.VTIGER, "")
LONGEST_TURN = 15.0
"""Seconds for which an exclusive call blocks others after its process died."""


def open_gates(settings: Settings, sessions: Sessions) -> dict[str, SharedGate]:
    """A gate for each configured remote, by the remote's key."""
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
    """The client of one shop; without gates for commands that make a few calls."""
    store = settings.stores[key]
    return WooClient(
        store.url,
        consumer_key=store.consumer_key.get_secret_value(),
        consumer_secret=store.consumer_secret.get_secret_value(),
        limits=_limits(settings, store),
        gate=gates.get(remote_key(System.WOOCOMMERCE, key), FREE_GATE),
    )


def open_vtiger(settings: Settings, gates: Mapping[str, Gate] = NO_GATES) -> VtigerClient:
    """The client of the CRM. Raises ConfigError if none is configured."""
    if settings.vtiger is None:
        raise ConfigError("no Vtiger is configured: set VTIGER__URL and the settings with it")
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


@dataclass(slots=True)
class Shapes:
    """A cache of Vtiger's module descriptions, which cost a call and seldom change."""

    vtiger: VtigerClient
    clock: Callable[[], datetime]
    keep_seconds: float = 600.0
    _known: dict[str, tuple[datetime, VtigerModule]] = field(default_factory=dict)

    async def refresh(self, module: str) -> VtigerModule:
        """The description as Vtiger returns it now."""
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
    """A cache of what many records need, such as tax rates; values expire after `keep_seconds`.

    Concurrent calls for one key wait for a single load. Each process has its own cache, so a
    caller that misses what another process created calls `forget` and reads again.
    """

    clock: Callable[[], datetime]
    keep_seconds: float = 60.0
    _known: dict[str, tuple[datetime, Any]] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _invalidations: Counter[str] = field(default_factory=Counter)

    async def get(
        self, key: str, load: Callable[[], Awaitable[T]], *, keep_seconds: float | None = None
    ) -> T:
        """The value of `key`; `load` reads it if it is missing or has expired."""
        max_age = self.keep_seconds if keep_seconds is None else keep_seconds
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._known.get(key)
            if known and (self.clock() - known[0]).total_seconds() < max_age:
                found: T = known[1]
                return found
            read_at, invalidations = self.clock(), self._invalidations[key]
            loaded = await load()
            if self._invalidations[key] == invalidations:
                self._known[key] = (read_at, loaded)
            return loaded

    def forget(self, *keys: str) -> None:
        """Invalidate these keys. A value that is being loaded meanwhile is not cached."""
        for key in keys:
            self._known.pop(key, None)
            self._invalidations[key] += 1


@dataclass(frozen=True, slots=True)
class Runtime:
    """The resources of one process; opened by `open_runtime`.

    `chosen` caches what users chose for as long as it is unchanged; None outside of drains."""

    settings: Settings
    address: str = field(repr=False)
    engine: AsyncEngine = field(repr=False)
    pulse: Pulse = field(repr=False)
    sessions: Sessions
    acceptor: Acceptor
    drains: Drains
    jobs: procrastinate.App
    stores: Mapping[str, WooClient]
    vtiger: VtigerClient
    gates: Mapping[str, SharedGate]
    shapes: Shapes
    memory: Memory
    clock: Callable[[], datetime] = utc_now
    attempts: Attempts = field(default_factory=lambda: Attempts(utc_now))
    chosen: dict[str, Any] | None = None

    async def choose(self, key: str, load: Callable[[], Awaitable[T]]) -> T:
        """What users chose, as `load` reads it: a setting, a mapping, or what follows from it."""
        if self.chosen is None:
            return await load()
        if key not in self.chosen:
            self.chosen[key] = await load()
        found: T = self.chosen[key]
        return found


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Open all resources; migrate the database first if AUTO_MIGRATE is on.

    Raises ConfigError if a system is not configured, psycopg's errors if the database is not
    available.
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
            drains=Drains(sessions, settings.worker.lease_seconds),
            jobs=jobs,
            stores=stores,
            vtiger=vtiger,
            gates=gates,
            shapes=Shapes(vtiger, utc_now),
            memory=Memory(utc_now),
        )

"""The clients of the two systems, made from the settings, each behind its gate."""

from collections.abc import Mapping

from app.db.session import Sessions
from app.errors import ConfigError, System
from app.gate import FREE_GATE, Gate
from app.remotes.gate import SharedGate
from app.remotes.news import remote_key
from app.remotes.state import RemoteLimits
from app.setting_systems import StoreSettings, VtigerSettings
from app.settings import Settings
from app.transport import ClientLimits
from app.vtiger import client as vtiger
from app.vtiger.client import VtigerClient
from app.woocommerce.client import WooClient

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

"""What a worker does beside draining: setup, catch-up polls, the webhook watch, pruning, and probes
of remotes that are left alone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from app.db.session import OUTAGES, Session, transaction
from app.domain import RateLimited, RemoteError, RemoteTimeout, RemoteUnavailable, System
from app.inbox.repository import (
    KEEP_DAYS,
    expedite,
    prune_accepted_changes,
    prune_deliveries,
    prune_payloads,
)
from app.links.conflicts import prune_conflicts
from app.modules.reference_data import prepare
from app.remotes.gate import SharedGate, probing
from app.remotes.incidents import prune_incidents
from app.runs.repository import prune_runs
from app.runtime import Runtime
from app.sync.polling import poll
from app.sync.webhook_watch import watch_webhooks
from app.synclog.repository import prune_entries

# Asks remotes that are left alone whether they are back, one harmless call at a time, and tells
# which calls are under way.

log = logging.getLogger(__name__)

WAITED_FOR_IT = (RemoteUnavailable.reason, RemoteTimeout.reason, RateLimited.reason)


async def run_prober(runtime: Runtime) -> None:
    """Each remote in a loop of its own, so that one that never answers keeps no other waiting."""
    async with asyncio.TaskGroup() as group:
        for gate in runtime.gates.values():
            group.create_task(_watch(runtime, gate))
            group.create_task(_report(runtime, gate))


async def _watch(runtime: Runtime, gate: SharedGate) -> None:
    while True:
        await asyncio.sleep(runtime.settings.worker.dispatch_interval)
        await probe_if_due(runtime, gate)


async def _report(runtime: Runtime, gate: SharedGate) -> None:
    """Apart from the probes, which may take as long as a call may."""
    while True:
        await asyncio.sleep(runtime.settings.worker.dispatch_interval)
        await gate.report()


async def probe_if_due(runtime: Runtime, gate: SharedGate) -> None:
    """One probe, if the breaker is open and it is time; if it is answered, what waited goes on."""
    if not await gate.claim_probe():
        return
    with probing():
        try:
            await _ask(runtime, gate)
        except RemoteError as error:
            log.info("probe of %s: %s", gate.key, error.summary)
    if gate.known.is_open:
        return
    async with transaction(runtime.sessions) as session:
        woken = await expedite(session, WAITED_FOR_IT, store=gate.store)
    log.info("%s is back: %s deliveries go on", gate.key, woken)


async def _ask(runtime: Runtime, gate: SharedGate) -> None:
    """A read that takes the shop its database, and the CRM a session."""
    if gate.system is System.VTIGER:
        await runtime.vtiger.list_types()
    else:
        await runtime.stores[gate.store].search_webhooks(per_page=1)


MOST_PRUNED = 5000


async def upkeep(runtime: Runtime) -> None:
    """At start and then periodically; several workers cost some reads more, and no harm. What
    breaks in one part keeps no other from being done."""
    while True:
        for part in (prepare, watch_webhooks, poll, prune):
            await _attempt(part, runtime)
        await asyncio.sleep(runtime.settings.sync.poll_interval)


async def _attempt(part: Callable[[Runtime], Awaitable[object]], runtime: Runtime) -> None:
    try:
        await part(runtime)
    except OUTAGES:
        raise
    except Exception:
        log.exception("unhandled exception in upkeep: %s", part.__name__)


async def prune(runtime: Runtime) -> None:
    """Drop what is older than the settings keep; totals stay."""
    keep = runtime.settings.retention
    await _prune(runtime, prune_accepted_changes, KEEP_DAYS)
    await _prune(runtime, prune_payloads, keep.payloads_days)
    await _prune(runtime, prune_deliveries, keep.deliveries_days)
    await _prune(runtime, prune_entries, keep.sync_log_days)
    await _prune(runtime, prune_conflicts, keep.sync_log_days)
    async with transaction(runtime.sessions) as session:
        if keep.sync_log_days:
            await prune_runs(session, keep.sync_log_days)
        if keep.incidents_days:
            await prune_incidents(session, keep.incidents_days)


class Pruner(Protocol):
    """Drops what is older than so many days, at most so many rows; tells how many those were."""

    async def __call__(self, session: Session, days: int, *, most: int) -> int: ...


async def _prune(runtime: Runtime, drop: Pruner, days: int) -> None:
    """Little by little, so that no transaction is long; 0 days keep everything."""
    dropped = MOST_PRUNED if days else 0
    while dropped == MOST_PRUNED:
        async with transaction(runtime.sessions) as session:
            dropped = await drop(session, days, most=MOST_PRUNED)

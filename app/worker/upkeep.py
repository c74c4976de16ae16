"""The periodic tasks of a worker: setup, catch-up polls, the webhook watch, pruning, compaction of
totals, and probes of remotes whose breaker is open."""

import asyncio
import logging
import time
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
from app.modules.context import prepare
from app.remotes.gate import SharedGate, probing
from app.remotes.incidents import prune_incidents
from app.runs.repository import prune_runs
from app.runtime import Runtime
from app.sync.polling import poll
from app.sync.webhook_watch import watch_webhooks
from app.synclog.repository import prune_entries
from app.synclog.totals import compact_totals

# Probes remotes whose breaker is open, one read at a time, and reports the calls in progress.

log = logging.getLogger(__name__)

REMOTE_DOWN_REASONS = (RemoteUnavailable.reason, RemoteTimeout.reason, RateLimited.reason)


async def run_prober(runtime: Runtime) -> None:
    """Probe each remote in a loop of its own, so that a slow one does not delay the others."""
    async with asyncio.TaskGroup() as group:
        for gate in runtime.gates.values():
            group.create_task(_watch(runtime, gate))
            group.create_task(_report(runtime, gate))


LOOK_SECONDS = 5.0
"""How often a process looks whether another one opened a breaker, which may be gone since."""


async def _watch(runtime: Runtime, gate: SharedGate) -> None:
    looked_at = float("-inf")
    while True:
        await asyncio.sleep(runtime.settings.worker.dispatch_interval)
        if gate.known.is_open or time.monotonic() - looked_at >= LOOK_SECONDS:
            looked_at = time.monotonic()
            await probe_if_due(runtime, gate)


async def _report(runtime: Runtime, gate: SharedGate) -> None:
    """Report the calls in progress, independently of probes, which may take long."""
    while True:
        await asyncio.sleep(runtime.settings.worker.dispatch_interval)
        await gate.report()


async def probe_if_due(runtime: Runtime, gate: SharedGate) -> None:
    """Send one probe if it is due; if it succeeds, make the waiting deliveries due."""
    if not await gate.claim_probe():
        return
    with probing():
        try:
            await _probe(runtime, gate)
        except RemoteError as error:
            log.info("probe of %s: %s", gate.key, error.summary)
    if gate.known.is_open:
        return
    async with transaction(runtime.sessions) as session:
        woken = await expedite(session, REMOTE_DOWN_REASONS, store=gate.store)
    log.info("%s is available again: %s waiting deliveries are due", gate.key, woken)


async def _probe(runtime: Runtime, gate: SharedGate) -> None:
    """A read for which the shop needs its database and Vtiger a session."""
    if gate.system is System.VTIGER:
        await runtime.vtiger.list_types()
    else:
        await runtime.stores[gate.store].search_webhooks(per_page=1)


PRUNE_BATCH = 5000
COMPACT_BATCH = 20_000


async def upkeep(runtime: Runtime) -> None:
    """Run all tasks at start and then periodically; an error in one does not affect the others.

    Several workers may run it at the same time at the cost of a few more reads.
    """
    while True:
        for part in (prepare, watch_webhooks, poll, prune, compact):
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
    """Delete rows older than the retention settings; the totals of the Sync Log are kept."""
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


async def compact(runtime: Runtime) -> None:
    """Compact the totals of past hours, so that the summary reads few rows."""
    compacted = COMPACT_BATCH
    while compacted == COMPACT_BATCH:
        async with transaction(runtime.sessions) as session:
            compacted = await compact_totals(session, most=COMPACT_BATCH)


class Pruner(Protocol):
    """Deletes at most `most` rows older than `days`; returns their number."""

    async def __call__(self, session: Session, days: int, *, most: int) -> int: ...


async def _prune(runtime: Runtime, drop: Pruner, days: int) -> None:
    """Delete in batches, so that no transaction is long; 0 days keep everything."""
    dropped = PRUNE_BATCH if days else 0
    while dropped == PRUNE_BATCH:
        async with transaction(runtime.sessions) as session:
            dropped = await drop(session, days, most=PRUNE_BATCH)

"""What a worker does beside draining: setup, catch-up polls, the webhook watch, pruning."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from app.db.outage import OUTAGES
from app.db.session import Session, transaction
from app.inbox.heard import KEEP_DAYS, prune_heard
from app.inbox.retention import prune_deliveries, prune_payloads
from app.incidents.repository import prune_incidents
from app.links.conflicts import prune_conflicts
from app.runs.repository import prune_runs
from app.runtime import Runtime
from app.sync.polling import poll
from app.sync.setup import prepare
from app.sync.webhook_watch import watch_webhooks
from app.synclog.retention import prune_entries

log = logging.getLogger(__name__)

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
        log.exception("a bug in upkeep: %s", part.__name__)


async def prune(runtime: Runtime) -> None:
    """Drop what is older than the settings keep; totals stay."""
    keep = runtime.settings.retention
    await _prune(runtime, prune_heard, KEEP_DAYS)
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

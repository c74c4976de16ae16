"""What a worker does beside draining: setup, catch-up polls, the webhook watch, pruning."""

import asyncio
import logging
from typing import Protocol
from uuid import uuid4

from app.db.session import Session, transaction
from app.errors import LeaseLost, RemoteError
from app.inbox.heard import KEEP_DAYS, prune_heard
from app.inbox.retention import prune_deliveries, prune_payloads
from app.incidents.repository import prune_incidents
from app.links.conflicts import prune_conflicts
from app.links.leases import hold
from app.runs.repository import prune_runs
from app.runtime import Runtime
from app.sync.polling import poll
from app.sync.setup import prepare
from app.synclog.retention import prune_entries
from app.woocommerce import webhooks

log = logging.getLogger(__name__)

MOST_PRUNED = 5000


async def upkeep(runtime: Runtime) -> None:
    """At start and then periodically; several workers cost some reads more, and no harm."""
    while True:
        await prepare(runtime)
        await watch_webhooks(runtime)
        await poll(runtime)
        await prune(runtime)
        await asyncio.sleep(runtime.settings.sync.poll_interval)


def webhook_turn(store: str) -> str:
    """The key of whoever changes a shop's webhooks now."""
    return f"upkeep:webhooks:{store}"


async def watch_webhooks(runtime: Runtime) -> None:
    """Replace webhooks of ours that a shop gave up; where none was installed, none is.

    One worker at a time: two that heal together would install everything twice.
    """
    seconds = runtime.settings.worker.lease_seconds
    for store in runtime.stores:
        try:
            async with hold(
                runtime.sessions, [webhook_turn(store)], owner=uuid4().hex, seconds=seconds
            ):
                await _watch_store(runtime, store)
        except LeaseLost:
            log.debug("another worker watches the webhooks of store %s", store)
        except RemoteError as error:
            log.warning("webhooks of store %s could not be looked at: %s", store, error)


async def _watch_store(runtime: Runtime, store: str) -> None:
    address = runtime.settings.webhook_url(store)
    if address is None:
        return
    client = runtime.stores[store]
    found = await webhooks.status(client, address)
    installed = any(step.webhook is not None for step in found.steps)
    if not installed or found.healthy:
        return
    secret = runtime.settings.stores[store].webhook_secret.get_secret_value()
    healed = await webhooks.heal(client, address, secret=secret)
    for step in healed.steps:
        if step.act is not webhooks.WebhookAct.KEEP:
            log.warning("webhook %s of store %s: %s", step.topic, store, step.act)


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

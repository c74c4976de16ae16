"""What a worker does beside draining: setup, catch-up polls, the webhook watch, pruning."""

import asyncio
import logging
from uuid import uuid4

from app.db.session import transaction
from app.errors import LeaseLost, RemoteError
from app.inbox.repository import prune_deliveries
from app.incidents.repository import prune_incidents
from app.links.leases import hold
from app.runs.repository import prune_runs
from app.runtime import Runtime
from app.sync.polling import poll
from app.sync.setup import prepare
from app.synclog.retention import prune_entries
from app.woocommerce import webhooks

log = logging.getLogger(__name__)


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
    async with transaction(runtime.sessions) as session:
        if keep.deliveries_days:
            await prune_deliveries(session, keep.deliveries_days)
        if keep.sync_log_days:
            await prune_entries(session, keep.sync_log_days)
            await prune_runs(session, keep.sync_log_days)
        if keep.incidents_days:
            await prune_incidents(session, keep.incidents_days)

"""Asks remotes that are left alone whether they are back, one harmless call at a time,
and tells which calls are under way."""

import asyncio
import logging

from app.db.session import transaction
from app.errors import RateLimited, RemoteError, RemoteTimeout, RemoteUnavailable, System
from app.inbox.waiting import hasten
from app.remotes.gate import SharedGate, probing
from app.runtime import Runtime

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
        woken = await hasten(session, WAITED_FOR_IT, store=gate.store)
    log.info("%s is back: %s deliveries go on", gate.key, woken)


async def _ask(runtime: Runtime, gate: SharedGate) -> None:
    """A read that takes the shop its database, and the CRM a session."""
    if gate.system is System.VTIGER:
        await runtime.vtiger.list_types()
    else:
        await runtime.stores[gate.store].search_webhooks(per_page=1)

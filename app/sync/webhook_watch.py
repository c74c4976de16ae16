"""Monitors a shop's webhooks, replaces disabled ones and reports incidents.

A webhook that was re-activated is disabled again by its next failure, for re-activation does not
reset the failure count (contract page WooCommerce §1); so it is replaced. Our webhooks are known by
their ids, so that one with a changed delivery URL is found too. Changes made in the meantime are
found by the next poll."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from app.config.settings import Settings
from app.db.session import Sessions, transaction
from app.domain import ConfigError, LeaseLost, RemoteError, RemotePaused, System
from app.links.leases import acquire_turn, hold
from app.links.repository import expire_passes
from app.remotes.incidents import IncidentFilter, Trouble, report, report_resolved, search_incidents
from app.remotes.models import IncidentKind
from app.remotes.watches import find_watch, forget_watch, save_watch
from app.runtime import Runtime
from app.woocommerce import webhook_setup
from app.woocommerce.client import WooClient
from app.woocommerce.webhook_setup import WebhookAction, WebhookReport, WebhookStep

log = logging.getLogger(__name__)

NO_ADDRESS = (
    "PUBLIC_URL is not set: set it to the address under which the shop reaches this service, as in "
    "https://sync.example.com."
)
TURN_TIMEOUT = 30.0
MAX_INCIDENTS = 500
REPAIRED = {
    WebhookAction.CREATE: "It was installed again.",
    WebhookAction.REPLACE: "It was replaced by a new one.",
    WebhookAction.REMOVE: "It was removed.",
}
HEALTHY = "It is active."


def webhook_turn(store: str) -> str:
    """The lease key for changes to a shop's webhooks, which must not happen concurrently."""
    return f"upkeep:webhooks:{store}"


@dataclass(frozen=True, slots=True)
class ShopWebhooks:
    """The webhooks of one shop that deliver to `address`.

    All methods may raise the RemoteError tree; those that change webhooks raise LeaseLost if
    another process holds the lease for longer than the timeout.
    """

    sessions: Sessions
    client: WooClient
    store: str
    address: str
    secret: str
    lease_seconds: float

    async def status(self) -> WebhookReport:
        return await webhook_setup.status(self.client, self.address, known=await self._known())

    async def install(self) -> WebhookReport:
        """Install all webhooks; healthy ones get the secret again, which cannot be read back."""
        async with self._turn(TURN_TIMEOUT):
            known = await self._known()
            done = await webhook_setup.install(
                self.client, self.address, secret=self.secret, known=known
            )
            await self._save_if_healthy()
        return done

    async def heal(self, *, patience: float = TURN_TIMEOUT) -> WebhookReport:
        """Repair broken webhooks; waits at most `patience` seconds for the lease."""
        async with self._turn(patience):
            return await self._heal()

    async def remove(self) -> WebhookReport:
        """Remove the webhooks; the watch does not install them again."""
        async with self._turn(TURN_TIMEOUT):
            known = await self._known()
            done = await webhook_setup.remove(self.client, self.address, known=known)
            if not done.failed:
                async with transaction(self.sessions) as session:
                    await forget_watch(session, self.store)
        return done

    async def watch(self) -> bool:
        """Repair broken webhooks; returns whether any was. Webhooks never installed are ignored."""
        key, owner = webhook_turn(self.store), uuid4().hex
        async with acquire_turn(self.sessions, key, owner=owner, seconds=self.lease_seconds):
            found = await self.status()
            if found.healthy:
                await self._resolve_incidents(found)
                return False
            has_own = any(step.webhook is not None for step in found.steps)
            if not has_own and await self._last_healthy_at() is None:
                return False
            await self._heal()
            return True

    async def _heal(self) -> WebhookReport:
        found = await self.status()
        for step in found.steps:
            if step.act is not WebhookAction.KEEP:
                await report(self.sessions, self._trouble(step), _message(step))
        healed = await webhook_setup.heal(
            self.client, self.address, secret=self.secret, known=await self._known()
        )
        for step in healed.steps:
            await self._report_step(step)
        if not healed.healthy:
            await self._catch_up()
        await self._save_if_healthy()
        return healed

    async def _catch_up(self) -> None:
        """Make a full pass due, which finds deletions that were not reported. Changes are found by
        the next poll from its watermark."""
        async with transaction(self.sessions) as session:
            await expire_passes(session, self.store)

    async def _report_step(self, step: WebhookStep) -> None:
        if step.error is not None:
            message = f"{_message(step)} It could not be repaired: {step.error.summary}"
            await report(self.sessions, self._trouble(step), message)
        elif step.act in REPAIRED:
            message = REPAIRED[step.act]
            if since := await self._last_healthy_at():
                message += f" All were last seen active at {since:%Y-%m-%dT%H:%M:%SZ}."
            await report_resolved(self.sessions, self._trouble(step), message)

    async def _resolve_incidents(self, found: WebhookReport) -> None:
        """Save the state and close open incidents, which a user may have resolved."""
        await self._save(found)
        wanted = IncidentFilter(
            store=[self.store], kind=[IncidentKind.WEBHOOK_BROKEN], lasting=True
        )
        async with self.sessions() as session:
            page = await search_incidents(session, wanted, cursor=None, limit=MAX_INCIDENTS)
        for row in page.items:
            await report_resolved(self.sessions, self._trouble_of(row.subject), HEALTHY)

    async def _save_if_healthy(self) -> None:
        found = await self.status()
        if found.healthy:
            await self._save(found)

    async def _save(self, found: WebhookReport) -> None:
        ids = [step.webhook.id for step in found.steps if step.webhook is not None]
        async with transaction(self.sessions) as session:
            await save_watch(session, self.store, ids)

    async def _known(self) -> frozenset[str]:
        async with self.sessions() as session:
            watched = await find_watch(session, self.store)
        return frozenset(watched.webhook_ids) if watched is not None else frozenset()

    async def _last_healthy_at(self) -> datetime | None:
        async with self.sessions() as session:
            watched = await find_watch(session, self.store)
        return watched.well_at if watched is not None else None

    def _trouble(self, step: WebhookStep) -> Trouble:
        return self._trouble_of(step.topic)

    def _trouble_of(self, topic: str) -> Trouble:
        return Trouble(IncidentKind.WEBHOOK_BROKEN, System.WOOCOMMERCE, self.store, topic)

    @asynccontextmanager
    async def _turn(self, patience: float) -> AsyncIterator[None]:
        key, owner = webhook_turn(self.store), uuid4().hex
        async with hold(
            self.sessions, [key], owner=owner, seconds=self.lease_seconds, wait_seconds=patience
        ):
            yield


def open_webhooks(
    settings: Settings, sessions: Sessions, client: WooClient, store: str
) -> ShopWebhooks:
    """The webhooks of a store. Raises ConfigError if PUBLIC_URL is not set."""
    address = settings.webhook_url(store)
    if address is None:
        raise ConfigError(NO_ADDRESS)
    return ShopWebhooks(
        sessions=sessions,
        client=client,
        store=store,
        address=address,
        secret=settings.stores[store].webhook_secret.get_secret_value(),
        lease_seconds=settings.worker.lease_seconds,
    )


async def watch_webhooks(runtime: Runtime) -> list[str]:
    """Check the webhooks of all stores, one worker per store; returns the repaired stores."""
    stores = runtime.stores if runtime.settings.public_url is not None else ()
    return [store for store in stores if await _watch(runtime, store)]


async def _watch(runtime: Runtime, store: str) -> bool:
    client = runtime.stores[store]
    try:
        return await open_webhooks(runtime.settings, runtime.sessions, client, store).watch()
    except LeaseLost:
        log.debug("another worker checks the webhooks of store %s", store)
    except RemotePaused as error:
        log.info("webhooks of store %s are not checked: %s", store, error.summary)
    except RemoteError as error:
        log.warning("webhooks of store %s could not be checked: %s", store, error.summary)
    return False


def _message(step: WebhookStep) -> str:
    return f"Webhook {step.topic} of the shop: {step.problem}."

"""A shop's webhooks, kept alive: what it gave up is replaced, and each incident is told.

Contract page WooCommerce §1: a webhook that was disabled is disabled again by its next failure,
for re-activation does not reset the count; so it is replaced. Ours are known by their ids, so
that one that somebody turned elsewhere is found as well. What happened meanwhile is found by the
poll that follows."""

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
from app.woocommerce import webhooks
from app.woocommerce.client import WooClient
from app.woocommerce.webhooks import WebhookAction, WebhookReport, WebhookStep

log = logging.getLogger(__name__)

NO_ADDRESS = (
    "PUBLIC_URL is not set: set it to the address under which the shop reaches this service, as in "
    "https://sync.example.com."
)
PATIENCE = 30.0
MOST_INCIDENTS = 500
MENDED = {
    WebhookAction.CREATE: "It was installed anew.",
    WebhookAction.REPLACE: "It was replaced by a new one.",
    WebhookAction.REMOVE: "It was removed.",
}
WELL = "It is active."


def webhook_turn(store: str) -> str:
    """The key of whoever changes a shop's webhooks now: two at once would do it twice."""
    return f"upkeep:webhooks:{store}"


@dataclass(frozen=True, slots=True)
class ShopWebhooks:
    """The webhooks of one shop that deliver to `address`. Every method may raise the RemoteError
    tree, and those that change something LeaseLost, if another has its turn for long."""

    sessions: Sessions
    client: WooClient
    store: str
    address: str
    secret: str
    lease_seconds: float

    async def status(self) -> WebhookReport:
        return await webhooks.status(self.client, self.address, known=await self._known())

    async def install(self) -> WebhookReport:
        async with self._turn(PATIENCE):
            known = await self._known()
            done = await webhooks.install(
                self.client, self.address, secret=self.secret, known=known
            )
            await self._remember()
        return done

    async def heal(self, *, wait_seconds: float = PATIENCE) -> WebhookReport:
        async with self._turn(wait_seconds):
            return await self._heal()

    async def remove(self) -> WebhookReport:
        """For good: the watch does not bring them back."""
        async with self._turn(PATIENCE):
            known = await self._known()
            done = await webhooks.remove(self.client, self.address, known=known)
            if not done.failed:
                async with transaction(self.sessions) as session:
                    await forget_watch(session, self.store)
        return done

    async def watch(self) -> bool:
        """Whether something had to be mended. Where none was ever installed, none is."""
        key, owner = webhook_turn(self.store), uuid4().hex
        async with acquire_turn(self.sessions, key, owner=owner, seconds=self.lease_seconds):
            found = await self.status()
            if found.healthy:
                await self._note_well(found)
                return False
            ours = any(step.webhook is not None for step in found.steps)
            if not ours and await self._well_at() is None:
                return False
            await self._heal()
            return True

    async def _heal(self) -> WebhookReport:
        found = await self.status()
        for step in found.steps:
            if step.act is not WebhookAction.KEEP:
                await report(self.sessions, self._trouble(step), _message(step))
        healed = await webhooks.heal(
            self.client, self.address, secret=self.secret, known=await self._known()
        )
        for step in healed.steps:
            await self._tell(step)
        if not healed.healthy:
            await self._catch_up()
        await self._remember()
        return healed

    async def _catch_up(self) -> None:
        """Hints may have been lost since all was last seen well. What changed is found by its
        time, from where the last look ended; what was deleted, by looking at everything."""
        async with transaction(self.sessions) as session:
            await expire_passes(session, self.store)

    async def _tell(self, step: WebhookStep) -> None:
        if step.error is not None:
            message = f"{_message(step)} It could not be mended: {step.error.summary}"
            await report(self.sessions, self._trouble(step), message)
        elif step.act in MENDED:
            mended = MENDED[step.act]
            if since := await self._well_at():
                mended += f" All were last seen well at {since:%Y-%m-%dT%H:%M:%SZ}."
            await report_resolved(self.sessions, self._trouble(step), mended)

    async def _note_well(self, found: WebhookReport) -> None:
        """Some trouble may have been mended by hand."""
        await self._save(found)
        wanted = IncidentFilter(
            store=[self.store], kind=[IncidentKind.WEBHOOK_BROKEN], lasting=True
        )
        async with self.sessions() as session:
            page = await search_incidents(session, wanted, cursor=None, limit=MOST_INCIDENTS)
        for row in page.items:
            await report_resolved(self.sessions, self._trouble_of(row.subject), WELL)

    async def _remember(self) -> None:
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

    async def _well_at(self) -> datetime | None:
        async with self.sessions() as session:
            watched = await find_watch(session, self.store)
        return watched.well_at if watched is not None else None

    def _trouble(self, step: WebhookStep) -> Trouble:
        return self._trouble_of(step.topic)

    def _trouble_of(self, topic: str) -> Trouble:
        return Trouble(IncidentKind.WEBHOOK_BROKEN, System.WOOCOMMERCE, self.store, topic)

    @asynccontextmanager
    async def _turn(self, wait_seconds: float) -> AsyncIterator[None]:
        key, owner = webhook_turn(self.store), uuid4().hex
        async with hold(
            self.sessions, [key], owner=owner, seconds=self.lease_seconds, wait_seconds=wait_seconds
        ):
            yield


def open_webhooks(
    settings: Settings, sessions: Sessions, client: WooClient, store: str
) -> ShopWebhooks:
    """Raises ConfigError while PUBLIC_URL is not set: there is no address to deliver to."""
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
    """The stores whose webhooks had to be mended. One worker at a time looks at a shop's."""
    stores = runtime.stores if runtime.settings.public_url is not None else ()
    return [store for store in stores if await _watch(runtime, store)]


async def _watch(runtime: Runtime, store: str) -> bool:
    client = runtime.stores[store]
    try:
        return await open_webhooks(runtime.settings, runtime.sessions, client, store).watch()
    except LeaseLost:
        log.debug("another worker watches the webhooks of store %s", store)
    except RemotePaused as error:
        log.info("webhooks of store %s are not looked at: %s", store, error.summary)
    except RemoteError as error:
        log.warning("webhooks of store %s could not be looked at: %s", store, error.summary)
    return False


def _message(step: WebhookStep) -> str:
    return f"Webhook {step.topic} of the shop: {step.problem}."

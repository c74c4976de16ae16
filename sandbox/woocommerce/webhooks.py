"""Webhooks of the shop: their records, the queue of events, and what each delivery does to them.

Contract page WooCommerce §1; recordings webhook_*, webhooks_*, hook_*.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.delivery import Courier, Outbound, SentDelivery
from sandbox.woocommerce.errors import RestError
from sandbox.woocommerce.phpjson import encode_json
from sandbox.woocommerce.site import Sequence, Site

_MAX_FAILURES: Final = 5
_SUCCESSES: Final = range(200, 303)
_REMEMBERED: Final = 10_000
_RESOURCES: Final = ("coupon", "customer", "order", "product")
_EVENTS: Final = ("created", "updated", "deleted", "restored")
_REFUSED_ACTIONS: Final = (
    "action.woocommerce_login_credentials",
    "action.woocommerce_product_csv_importer_check_import_file_path",
    "action.woocommerce_webhook_should_deliver",
)

View = Callable[[str, int, ApiKey], dict[str, Any]]


@dataclass(slots=True)
class Webhook:
    """One webhook. `pending_delivery` stays set until a ping was answered with exactly 200."""

    id: int
    name: str
    status: str
    topic: str
    delivery_url: str
    secret: str
    owner: ApiKey
    created_at: datetime
    modified_at: datetime | None = None
    failure_count: int = 0
    pending_delivery: bool = True

    @property
    def resource(self) -> str:
        return self.topic.partition(".")[0]

    @property
    def event(self) -> str:
        return self.topic.partition(".")[2]


def is_valid_topic(topic: str) -> bool:
    """Topics of the four resources, and `action.` with any hook but three."""
    resource, _, event = topic.partition(".")
    if topic in _REFUSED_ACTIONS:
        return False
    return (resource in _RESOURCES and event in _EVENTS) or (resource == "action" and event != "")


class WebhookCenter:
    """All webhooks with their queue; `view(resource, id, owner)` renders what a body carries.

    `flush()` sends what is queued, one at a time and each once; `run()` does so for ever. Events
    for a (webhook, id) that is still queued are one delivery with the state of its sending.
    """

    def __init__(self, site: Site, view: View, courier: Courier) -> None:
        self._site = site
        self._view = view
        self._courier = courier
        self._webhooks: dict[int, Webhook] = {}
        self._queue: dict[tuple[int, int], None] = {}
        self._lock = asyncio.Lock()
        self._ids = Sequence()
        self.sent: deque[SentDelivery] = deque(maxlen=_REMEMBERED)

    @property
    def pending(self) -> list[tuple[int, int]]:
        """What is queued: (webhook id, id of the object), oldest first."""
        return list(self._queue)

    def all(self) -> list[Webhook]:
        return list(self._webhooks.values())

    def find(self, webhook_id: int) -> Webhook | None:
        return self._webhooks.get(webhook_id)

    def emit(self, topic: str, object_id: int) -> None:
        """Something happened; active webhooks of the topic get it queued."""
        for webhook in self._webhooks.values():
            if webhook.status == "active" and webhook.topic == topic:
                self._queue.setdefault((webhook.id, object_id))

    def add(
        self, *, name: str, status: str, topic: str, delivery_url: str, secret: str, owner: ApiKey
    ) -> Webhook:
        now = self._site.now()
        webhook = Webhook(self._ids.next(), name, status, topic, delivery_url, secret, owner, now)
        self._webhooks[webhook.id] = webhook
        return webhook

    def remove(self, webhook: Webhook) -> None:
        del self._webhooks[webhook.id]

    async def ping(self, webhook: Webhook) -> None:
        """The form-encoded test call; anything but 200 leaves the webhook pending."""
        if await self._courier.ping(webhook.delivery_url, webhook.id) == 200:
            webhook.pending_delivery = False
            webhook.modified_at = self._site.now()

    async def save(self, webhook: Webhook) -> None:
        """Every save of an active webhook that is still pending pings again."""
        webhook.modified_at = self._site.now()
        if webhook.status == "active" and webhook.pending_delivery:
            await self.ping(webhook)

    async def flush(self) -> int:
        """Send everything queued, in order; answers how many deliveries were sent."""
        count = 0
        async with self._lock:
            while self._queue:
                webhook_id, object_id = next(iter(self._queue))
                del self._queue[webhook_id, object_id]
                webhook = self._webhooks.get(webhook_id)
                if webhook is not None:
                    await self._deliver(webhook, object_id)
                    count += 1
        return count

    async def run(self, interval_s: float) -> None:
        """WP-Cron: flush every `interval_s` seconds until cancelled."""
        while True:
            await self.flush()
            await asyncio.sleep(interval_s)

    async def _deliver(self, webhook: Webhook, object_id: int) -> None:
        outbound = Outbound(
            url=webhook.delivery_url,
            webhook_id=webhook.id,
            topic=webhook.topic,
            secret=webhook.secret,
            body=encode_json(self._payload(webhook, object_id)),
            source=f"{self._site.base_url}/",
            sent_at=self._site.now(),
        )
        status = await self._courier.deliver(outbound)
        self.sent.append(SentDelivery(outbound, status))
        self._count(webhook, succeeded=status in _SUCCESSES)
        await self.save(webhook)

    def _payload(self, webhook: Webhook, object_id: int) -> dict[str, Any]:
        if webhook.resource == "action":
            return {"action": webhook.event, "arg": object_id}
        if webhook.event == "deleted":
            return {"id": object_id}
        try:
            return self._view(webhook.resource, object_id, webhook.owner)
        except RestError as error:
            return error.envelope()

    def _count(self, webhook: Webhook, *, succeeded: bool) -> None:
        if succeeded:
            webhook.failure_count = 0
        elif webhook.failure_count > _MAX_FAILURES:
            webhook.status = "disabled"
        else:
            webhook.failure_count += 1

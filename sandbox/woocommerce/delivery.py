"""Sending one webhook delivery or ping, with the headers and signature of WooCommerce.

Contract page WooCommerce §1; recordings hook_customer_created_oncreate, hook_ping.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

USER_AGENT: Final = "WooCommerce/10.0.2 Hookshot (WordPress/6.8.3)"
_DELIVERY_TIMEOUT_S: Final = 60.0
_PING_TIMEOUT_S: Final = 5.0
_SALT: Final = b"the auth salt of a WordPress that does not exist"
_COMMON_HEADERS: Final = (
    ("User-Agent", USER_AGENT),
    ("Accept", "*/*"),
    ("Accept-Encoding", "deflate, gzip, br, zstd"),
)


@dataclass(frozen=True, slots=True)
class Outbound:
    """A delivery about to be sent; the body is signed and sent as these very bytes."""

    url: str
    webhook_id: int
    topic: str
    secret: str
    body: bytes
    source: str
    sent_at: datetime

    @property
    def delivery_id(self) -> str:
        """wp_hash(webhook id . time()): the same for all deliveries of a webhook in one second."""
        text = f"{self.webhook_id}{int(self.sent_at.timestamp())}"
        return hmac.new(_SALT, text.encode(), hashlib.md5).hexdigest()

    @property
    def signature(self) -> str:
        mac = hmac.new(self.secret.encode(), self.body, hashlib.sha256)
        return base64.b64encode(mac.digest()).decode()

    def headers(self) -> list[tuple[str, str]]:
        resource, _, event = self.topic.partition(".")
        return [
            *_COMMON_HEADERS,
            ("Content-Type", "application/json"),
            ("X-WC-Webhook-Source", self.source),
            ("X-WC-Webhook-Topic", self.topic),
            ("X-WC-Webhook-Resource", resource),
            ("X-WC-Webhook-Event", event),
            ("X-WC-Webhook-Signature", self.signature),
            ("X-WC-Webhook-ID", str(self.webhook_id)),
            ("X-WC-Webhook-Delivery-ID", self.delivery_id),
            ("Connection", "close"),
        ]


@dataclass(frozen=True, slots=True)
class SentDelivery:
    """What was sent and the status it was answered with; None if no answer came."""

    outbound: Outbound
    status: int | None


class Courier:
    """Sends over one HTTP client, made when first needed; `transport` is for tests."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def deliver(self, outbound: Outbound) -> int | None:
        """The status of the answer, redirects not followed; None for no answer within 60 s."""
        headers = outbound.headers()
        return await self._post(
            outbound.url, headers, outbound.body, timeout_s=_DELIVERY_TIMEOUT_S, follow=False
        )

    async def ping(self, url: str, webhook_id: int) -> int | None:
        """The status of the answer to `webhook_id=N`, unsigned and form-encoded."""
        content_type = ("Content-Type", "application/x-www-form-urlencoded")
        headers = [*_COMMON_HEADERS, ("Connection", "close"), content_type]
        body = f"webhook_id={webhook_id}".encode()
        return await self._post(url, headers, body, timeout_s=_PING_TIMEOUT_S, follow=True)

    async def _post(
        self,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes,
        *,
        timeout_s: float,
        follow: bool,
    ) -> int | None:
        if self._client is None:
            self._client = httpx.AsyncClient(transport=self._transport, trust_env=False)
        timeout = {"timeout": httpx.Timeout(timeout_s).as_dict()}
        try:
            # A request of our own, not the client's: its default headers would come first.
            request = httpx.Request("POST", url, headers=headers, content=body, extensions=timeout)
            response = await self._client.send(request, follow_redirects=follow)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return response.status_code

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

"""A shop under test with clients for each kind of key, and the recordings it is held to."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from sandbox.faults import Faults
from sandbox.woocommerce.app import create_shop_app
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.shop import Shop
from sandbox.woocommerce.shopdata import ShopData

RECORDINGS = Path(__file__).parents[2] / "recordings" / "woocommerce"
ADMIN = ApiKey("ck_admin", "cs_admin")
READER = ApiKey("ck_reader", "cs_reader", permissions="read")
MANAGER = ApiKey("ck_manager", "cs_manager", role="shop_manager")
START = datetime(2026, 11, 23, 21, 15, 58, tzinfo=UTC)


class Clock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Receiver:
    """Takes webhook deliveries in memory; `status` is the answer, None refuses the connection."""

    def __init__(self) -> None:
        self.status: int | None = 200
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.status is None:
            raise httpx.ConnectError("connection refused")
        return httpx.Response(self.status)

    @property
    def topics(self) -> list[str]:
        """The topics that arrived; "ping" for pings."""
        return [request.headers.get("X-WC-Webhook-Topic", "ping") for request in self.requests]

    @property
    def bodies(self) -> list[Any]:
        return [
            json.loads(request.content)
            for request in self.requests
            if "X-WC-Webhook-Topic" in request.headers
        ]


class Front:
    """One shop with its clock and its receiver of webhooks, called over ASGI."""

    def __init__(self, data: ShopData | None = None, faults: Faults | None = None) -> None:
        self.clock = Clock()
        self.receiver = Receiver()
        transport = httpx.MockTransport(self.receiver)
        self.shop = Shop(data, clock=self.clock, transport=transport)
        keys = (ADMIN, READER, MANAGER)
        self.app = create_shop_app(self.shop, credentials=keys, faults=faults)
        self.api = self.client(ADMIN)

    def client(self, key: ApiKey | None, scheme: str = "https") -> httpx.AsyncClient:
        auth = (key.consumer_key, key.consumer_secret) if key else None
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url=f"{scheme}://shop.example/wp-json/wc/v3",
            auth=auth,
        )

    async def subscribe(self, *topics: str) -> None:
        for topic in topics:
            body = {"topic": topic, "delivery_url": "http://receiver/hook", "secret": "labsecret"}
            assert (await self.api.post("/webhooks", json=body)).status_code == 201
        self.receiver.requests.clear()

    async def flushed(self) -> list[str]:
        """The topics delivered by one run of WP-Cron."""
        self.receiver.requests.clear()
        await self.shop.webhooks.flush()
        return self.receiver.topics


async def created(front: Front, email: str, **fields: object) -> int:
    """The id of a new customer."""
    answer = await front.api.post("/customers", json={"email": email, **fields})
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["id"]
    return number


def read_recordings(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(RECORDINGS / name, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def read_month() -> dict[str, Any]:
    with gzip.open(RECORDINGS / "month-final-state.json.gz", "rt", encoding="utf-8") as file:
        state: dict[str, Any] = json.load(file)
    return state

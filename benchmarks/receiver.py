"""Signed webhooks taken in and committed, against the floor: verifying and parsing them alone."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from asgi_lifespan import LifespanManager

from app.config.settings import Settings
from app.db.embedded import start_embedded
from app.main import create_app
from app.woocommerce.webhook_delivery import SignatureCheck, sign

SECRET = "bench-signing-words"  # noqa: S105 (signs nothing but these)
CLIENTS = 32
DELIVERIES = 2000
BODY_BYTES = 6000

Delivery = tuple[bytes, list[tuple[bytes, bytes]]]


async def run() -> dict[str, float]:
    deliveries = [_delivery(number) for number in range(1, DELIVERIES + 1)]
    rates = {"webhooks verified and parsed, nothing else": _verify_alone(deliveries)}
    with open_database() as address:
        async with LifespanManager(create_app(_settings(address), worker=False)) as manager:
            rates["webhooks taken in and committed"] = await _take_in(manager.app, deliveries)
    return rates


def _delivery(number: int) -> Delivery:
    body = orjson.dumps({"id": number, "email": f"c{number}@example.com", "x": "y" * BODY_BYTES})
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-wc-webhook-topic": "customer.updated",
        "x-wc-webhook-resource": "customer",
        "x-wc-webhook-event": "updated",
        "x-wc-webhook-id": "1",
        "x-wc-webhook-signature": sign(body, SECRET),
    }
    return body, [(name.encode(), value.encode()) for name, value in headers.items()]


def _verify_alone(deliveries: list[Delivery]) -> float:
    start = time.perf_counter()
    for body, headers in deliveries:
        check = SignatureCheck([SECRET])
        check.update(body)
        if not check.verifies(headers[-1][1].decode()):
            raise AssertionError("a signature does not hold")
        orjson.loads(body)
    return len(deliveries) / (time.perf_counter() - start)


@contextmanager
def open_database() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 (the server's account passes through)
        server = start_embedded(Path(folder) / "data")
        try:
            yield server.ensure_database("bench")
        finally:
            server.stop()


def _settings(address: str) -> Settings:
    store = {"url": "https://shop.example", "consumer_key": "ck_bench", "webhook_secret": SECRET}
    crm = {"url": "https://crm.example", "username": "bench", "access_key": "bench-access"}
    return Settings.model_validate(
        {
            "database_url": address,
            "stores": {"main": store | {"consumer_secret": "cs_bench"}},
            "vtiger": crm | {"callback_secret": "bench-callback"},
        }
    )


async def _take_in(app: Any, deliveries: list[Delivery]) -> float:
    waiting = iter(deliveries)

    async def client() -> None:
        for body, headers in waiting:
            status = await _post(app, body, headers)
            if status != 202:
                raise AssertionError(f"answered {status}")

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return len(deliveries) / (time.perf_counter() - start)


async def _post(app: Any, body: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """One request straight into the application, without a socket whose cost would be measured."""
    path = "/webhooks/woocommerce/main"
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
    }
    scope |= {"method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": headers, "root_path": "", "client": ("127.0.0.1", 1), "server": None}
    status = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status

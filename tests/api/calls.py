"""Calls as the two systems make them, and how error answers look."""

from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from app.woocommerce.webhook_delivery import sign

SECRET = "labsecret"
CALLBACK_SECRET = "callback-secret-of-the-tests"
ADMIN = "admin-token-of-the-tests-0123456789"
FORM = {"content-type": "application/x-www-form-urlencoded"}
HOOKS = "/webhooks/woocommerce/main"


def hook_headers(
    body: bytes, topic: str = "customer.updated", *, secret: str = SECRET
) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "x-wc-webhook-topic": topic,
        "x-wc-webhook-id": "13",
        "x-wc-webhook-signature": sign(body, secret),
    }


async def send_hook(
    client: httpx.AsyncClient,
    body: Mapping[str, Any] | bytes,
    *,
    topic: str = "customer.updated",
    path: str = HOOKS,
) -> httpx.Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return await client.post(path, content=raw, headers=hook_headers(raw, topic))


def problem(response: httpx.Response) -> tuple[int, str]:
    """The status and code of an answer that is a well-formed problem."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert body["title"]
    assert body["detail"]
    return response.status_code, body["code"]

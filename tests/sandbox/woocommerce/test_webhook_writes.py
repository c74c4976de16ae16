"""Writing webhooks over REST: what is refused, and by which code."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.sandbox.woocommerce.shopfront import Front

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("topic", "status"),
    [
        ("customer.restored", 201),
        ("tax.created", 400),
        ("customer.renamed", 400),
        ("action.", 400),
        ("action.woocommerce_login_credentials", 400),
        ("customer", 400),
    ],
)
async def test_topics_are_checked(front: Front, topic: str, status: int) -> None:
    body = {"topic": topic, "delivery_url": "http://receiver/"}
    assert (await front.api.post("/webhooks", json=body)).status_code == status


Call = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (
            lambda api: api.post("/webhooks", json={"topic": "customer.created"}),
            "rest_missing_callback_param",
        ),
        (
            lambda api: api.put("/webhooks/1", json={"delivery_url": "ftp://x"}),
            "woocommerce_rest_shop_webhook_invalid_delivery_url",
        ),
        (
            lambda api: api.put("/webhooks/1", json={"delivery_url": "http://x:port/"}),
            "woocommerce_rest_shop_webhook_invalid_delivery_url",
        ),
        (lambda api: api.put("/webhooks/1", json={"status": "asleep"}), "rest_invalid_param"),
        (
            lambda api: api.post(
                "/webhooks/batch", json={"update": [{"id": 1, "status": "asleep"}]}
            ),
            "woocommerce_rest_shop_webhook_invalid_status",
        ),
        (
            lambda api: api.put("/webhooks/9", json={}),
            "woocommerce_rest_shop_webhook_invalid_id",
        ),
    ],
)
async def test_wrong_webhook_writes_are_refused(front: Front, call: Call, code: str) -> None:
    await front.subscribe("customer.created")
    answer = (await call(front.api)).json()
    refusal = answer["update"][0]["error"] if "update" in answer else answer

    assert refusal["code"] == code

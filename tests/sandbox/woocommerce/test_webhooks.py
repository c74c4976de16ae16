"""Webhooks: which events fire, what a delivery carries, and what answers do to a webhook."""

import base64
import hashlib
import hmac

import httpx
import pytest

from tests.sandbox.woocommerce.shopfront import MANAGER, Front, read_recordings

pytestmark = pytest.mark.anyio

TOPICS = ("customer.created", "customer.updated", "customer.deleted")


async def test_a_created_customer_is_delivered_as_created_and_updated(front: Front) -> None:
    await front.subscribe(*TOPICS)
    shown = (await front.api.post("/customers", json={"email": "zoe@shop.example"})).json()

    assert await front.flushed() == ["customer.created", "customer.updated"]
    assert front.receiver.bodies == [shown, shown]


async def test_a_delivery_has_the_recorded_headers_in_the_recorded_order(front: Front) -> None:
    await front.subscribe("customer.created")
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    await front.flushed()
    recorded = next(
        row["delivery"]
        for row in read_recordings("deliveries.jsonl.gz")
        if row["name"] == "hook_customer_created_oncreate"
    )

    [request] = front.receiver.requests
    names = [name for name, _ in recorded["headers"]]
    sent = [name.decode() for name, _ in request.headers.raw]

    assert sorted(sent) == sorted(names)
    for name in ("User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Connection"):
        assert request.headers[name] == dict(recorded["headers"])[name]
    assert request.headers["X-WC-Webhook-Source"] == "https://shop.example/"
    assert len(request.headers["X-WC-Webhook-Delivery-ID"]) == 32


async def test_a_delivery_is_signed_over_its_raw_body(front: Front) -> None:
    secret = "a<b>&\"é'x  y"
    body = {"topic": "customer.created", "delivery_url": "http://receiver/", "secret": secret}
    assert "secret" not in (await front.api.post("/webhooks", json=body)).json()
    await front.api.post("/customers", json={"email": "zoe@shop.example", "first_name": "Zoë/"})
    await front.flushed()

    [request] = front.receiver.requests
    mac = hmac.new(secret.encode(), request.content, hashlib.sha256).digest()

    assert request.headers["X-WC-Webhook-Signature"] == base64.b64encode(mac).decode()
    assert request.content.isascii()


async def test_deliveries_of_one_second_share_their_id(front: Front) -> None:
    await front.subscribe("customer.created")
    for name in ("a", "b"):
        await front.api.post("/customers", json={"email": f"{name}@shop.example"})
    await front.flushed()

    assert len({r.headers["X-WC-Webhook-Delivery-ID"] for r in front.receiver.requests}) == 1


async def test_queued_events_of_one_record_are_one_delivery_with_its_last_state(
    front: Front,
) -> None:
    await front.subscribe("customer.updated")
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    for city in ("Paris", "Lyon"):
        await front.api.put("/customers/2", json={"billing": {"city": city}})

    assert await front.flushed() == ["customer.updated"]
    assert front.receiver.bodies[0]["billing"]["city"] == "Lyon"


async def test_a_record_gone_before_delivery_is_an_error_envelope(front: Front) -> None:
    await front.subscribe(*TOPICS)
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    await front.api.delete("/customers/2", params={"force": True})

    assert await front.flushed() == list(TOPICS)
    gone = {"code": "wc_user_invalid_id", "message": "Invalid user ID.", "data": {"status": 404}}
    assert front.receiver.bodies == [gone, gone, {"id": 2}]


async def test_a_no_op_and_an_empty_update_are_delivered_too(front: Front) -> None:
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    await front.subscribe("customer.updated")
    bodies: list[dict[str, object]] = [{}, {"meta_data": []}, {"billing": {"city": ""}}]
    for body in bodies:
        await front.api.put("/customers/2", json=body)
        assert await front.flushed() == ["customer.updated"]


async def test_users_of_other_roles_are_created_as_customers_and_deleted_silently(
    front: Front,
) -> None:
    await front.subscribe(*TOPICS)
    user = front.shop.customers.register("sub@shop.example", role="subscriber")
    first = await front.flushed()
    body = front.receiver.bodies[0]
    await front.api.delete(f"/customers/{user.id}", params={"force": True})

    assert (first, body["role"], body["date_modified"]) == (
        ["customer.created"],
        "subscriber",
        None,
    )
    assert await front.flushed() == []


async def test_events_while_paused_are_lost(front: Front) -> None:
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    await front.subscribe("customer.updated")
    await front.api.put("/webhooks/1", json={"status": "paused"})
    await front.api.put("/customers/2", json={})
    await front.api.put("/webhooks/1", json={"status": "active"})

    assert await front.flushed() == []


async def test_a_deleted_webhook_gets_nothing_any_more(front: Front) -> None:
    await front.subscribe("customer.updated")
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    unforced = await front.api.delete("/webhooks/1")
    await front.api.delete("/webhooks/1", params={"force": True})

    assert unforced.status_code == 501
    assert await front.flushed() == []
    assert (await front.api.get("/webhooks/1")).status_code == 404


async def test_two_webhooks_of_one_topic_and_address_deliver_twice(front: Front) -> None:
    await front.subscribe("customer.created", "customer.created")
    front.shop.customers.register("sub@shop.example", role="subscriber")

    assert await front.flushed() == ["customer.created", "customer.created"]


async def test_a_body_shows_what_the_webhook_s_owner_may_do(front: Front) -> None:
    body = {"topic": "customer.created", "delivery_url": "http://receiver/"}
    await front.client(MANAGER).post("/webhooks", json=body)
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    await front.flushed()

    hints = front.receiver.bodies[0]["_links"]["self"][0]["targetHints"]
    assert hints["allow"] == ["GET", "POST", "PUT", "PATCH"]


async def test_action_topics_name_the_hook_and_its_argument(front: Front) -> None:
    await front.subscribe("action.woocommerce_tax_rate_added")
    front.shop.webhooks.emit("action.woocommerce_tax_rate_added", 7)

    assert await front.flushed() == ["action.woocommerce_tax_rate_added"]
    assert front.receiver.requests[0].content == (
        b'{"action":"woocommerce_tax_rate_added","arg":7}'
    )


async def test_a_visit_to_wp_cron_runs_the_queue(front: Front) -> None:
    await front.subscribe("customer.created")
    front.shop.customers.register("sub@shop.example", role="subscriber")
    visitor = httpx.AsyncClient(transport=httpx.ASGITransport(front.app))
    await visitor.get("https://shop.example/wp-cron.php")

    assert front.receiver.topics == ["customer.created"]

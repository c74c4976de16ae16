"""What pings and answers do to a webhook: pending, failing, disabled."""

import pytest

from tests.sandbox.woocommerce.shopfront import Front

pytestmark = pytest.mark.anyio


async def test_a_ping_goes_out_before_the_webhook_is_answered(front: Front) -> None:
    body = {"topic": "customer.created", "delivery_url": "http://receiver/hook"}
    answer = await front.api.post("/webhooks", json=body)

    [ping] = front.receiver.requests
    assert answer.json()["status"] == "active"
    assert ping.content == b"webhook_id=1"
    assert ping.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert not [name for name in ping.headers if name.startswith("x-wc")]


async def test_a_ping_not_answered_200_is_repeated_after_every_delivery(front: Front) -> None:
    front.receiver.status = 204
    await front.subscribe("customer.updated")
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    first = await front.flushed()
    front.receiver.status = 200
    await front.api.put("/customers/2", json={})
    second = await front.flushed()
    await front.api.put("/customers/2", json={})

    assert first == second == ["customer.updated", "ping"]
    assert await front.flushed() == ["customer.updated"]


async def test_a_changed_address_is_pinged(front: Front) -> None:
    await front.subscribe("customer.updated")
    await front.api.put("/webhooks/1", json={"delivery_url": "http://receiver/other"})

    assert [str(request.url) for request in front.receiver.requests] == ["http://receiver/other"]


async def failing(front: Front, times: int) -> list[str]:
    """Statuses of webhook 1 after each of so many failed deliveries."""
    statuses = []
    for _ in range(times):
        await front.api.put("/customers/2", json={})
        await front.flushed()
        statuses.append((await front.api.get("/webhooks/1")).json()["status"])
    return statuses


async def test_the_seventh_failure_in_a_row_disables_and_reactivation_forgives_nothing(
    front: Front,
) -> None:
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    await front.subscribe("customer.updated")
    front.receiver.status = 500

    assert await failing(front, 7) == ["active"] * 6 + ["disabled"]
    await front.api.put("/webhooks/1", json={"status": "active"})
    assert await failing(front, 1) == ["disabled"]


async def test_a_success_starts_the_count_of_failures_anew(front: Front) -> None:
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    await front.subscribe("customer.updated")
    for status, times in ((500, 6), (302, 1), (500, 6)):
        front.receiver.status = status
        assert set(await failing(front, times)) == {"active"}


@pytest.mark.parametrize(
    ("status", "counts"), [(200, False), (302, False), (303, True), (410, True), (500, True)]
)
async def test_statuses_up_to_302_are_success(front: Front, status: int, *, counts: bool) -> None:
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    await front.subscribe("customer.updated")
    front.receiver.status = status
    await front.api.put("/customers/2", json={})
    await front.flushed()
    webhook = front.shop.webhooks.find(1)

    assert webhook is not None
    assert bool(webhook.failure_count) is counts
    assert front.receiver.topics == ["customer.updated"]


async def test_an_unreachable_receiver_is_a_failure_and_nothing_is_sent_again(
    front: Front,
) -> None:
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    await front.subscribe("customer.updated")
    front.receiver.status = None
    await front.api.put("/customers/2", json={})
    first = await front.flushed()
    webhook = front.shop.webhooks.find(1)

    assert webhook is not None
    assert (first, webhook.failure_count) == (["customer.updated"], 1)
    assert await front.flushed() == []

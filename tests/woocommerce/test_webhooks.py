"""Webhooks set up, looked at, healed and removed in a shop that keeps them."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from app.domain import AuthRejected, RemoteError
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooWebhook
from app.woocommerce.webhook_delivery import TOPICS
from app.woocommerce.webhook_setup import (
    WebhookAction,
    WebhookReport,
    heal,
    install,
    plan_webhooks,
    remove,
    status,
)

pytestmark = pytest.mark.anyio

OURS = "https://sync.test/webhooks/woocommerce/main"
THEIRS = "https://other.test/hook"


@dataclass
class WebhookShop(httpx.AsyncBaseTransport):
    """The webhooks of a shop; it refuses topics in `refused`, and hides secrets in answers."""

    hooks: dict[int, dict[str, Any]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    next_id: int = 1

    def add(self, topic: str, url: str = OURS, *, state: str = "active", secret: str = "") -> str:
        number, self.next_id = self.next_id, self.next_id + 1
        self.hooks[number] = {
            "id": number,
            "name": "x",
            "topic": topic,
            "delivery_url": url,
            "status": state,
            "secret": secret,
        }
        return str(number)

    def of(self, url: str) -> dict[str, list[str]]:
        """Per topic the states of the webhooks that deliver to an address."""
        found: dict[str, list[str]] = {}
        for hook in self.hooks.values():
            if hook["delivery_url"] == url:
                found.setdefault(hook["topic"], []).append(hook["status"])
        return found

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        number = int(request.url.path.rpartition("webhooks")[2].strip("/") or 0)
        if request.method == "GET":
            return self._list(request)
        self.log.append(f"{request.method} {number or ''}".strip())
        body = orjson.loads(await request.aread() or b"{}")
        if request.method == "POST":
            if body["topic"] in self.refused:
                return _refusal("woocommerce_rest_shop_webhook_invalid_topic", 400)
            number = int(self.add(body["topic"], body["delivery_url"], secret=body["secret"]))
            self.hooks[number]["name"] = body["name"]
        if number not in self.hooks:
            return _refusal("woocommerce_rest_shop_webhook_invalid_id", 404)
        self.hooks[number] |= body
        return _shown(self.hooks.pop(number) if request.method == "DELETE" else self.hooks[number])

    def _list(self, request: httpx.Request) -> httpx.Response:
        page, size = (int(request.url.params[name]) for name in ("page", "per_page"))
        rows = [_public(hook) for hook in self.hooks.values()]
        headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(-(-len(rows) // size))}
        return httpx.Response(200, json=rows[(page - 1) * size : page * size], headers=headers)


def _public(hook: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in hook.items() if key != "secret"}


def _shown(hook: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json=_public(hook))


def _refusal(code: str, number: int) -> httpx.Response:
    return httpx.Response(number, json={"code": code, "message": "no", "data": {"status": number}})


def connect(shop: httpx.AsyncBaseTransport) -> WooClient:
    return WooClient("https://shop.test", consumer_key="k", consumer_secret="s", transport=shop)


def acts(report: WebhookReport) -> dict[WebhookAction, int]:
    found = [step.act for step in report.steps]
    return {act: found.count(act) for act in WebhookAction if act in found}


async def test_install_creates_every_topic_with_our_secret_and_name() -> None:
    shop = WebhookShop()
    report = await install(connect(shop), OURS, secret="ours")
    assert acts(report) == {WebhookAction.CREATE: len(TOPICS)}
    assert shop.of(OURS) == {topic: ["active"] for topic in TOPICS}
    assert {hook["secret"] for hook in shop.hooks.values()} == {"ours"}
    assert shop.hooks[1]["name"] == "Woo–Vtiger Sync: customer.created"
    assert (await status(connect(shop), OURS)).healthy


async def test_install_again_only_renews_the_secret() -> None:
    shop = WebhookShop()
    await install(connect(shop), OURS, secret="old")
    report = await install(connect(shop), OURS, secret="new")
    assert acts(report) == {WebhookAction.RENEW: len(TOPICS)}
    assert {hook["secret"] for hook in shop.hooks.values()} == {"new"}
    assert len(shop.hooks) == len(TOPICS)


async def test_status_changes_nothing_and_sees_what_is_wrong() -> None:
    shop = WebhookShop()
    shop.add("order.updated", state="disabled")
    shop.add("order.created")
    report = await status(connect(shop), OURS)
    assert not report.healthy
    assert acts(report) == {
        WebhookAction.KEEP: 1,
        WebhookAction.CREATE: len(TOPICS) - 2,
        WebhookAction.REPLACE: 1,
    }
    assert shop.log == []


async def test_heal_replaces_new_before_old_and_leaves_others_alone() -> None:
    shop = WebhookShop()
    await install(connect(shop), OURS, secret="s")
    shop.hooks[1]["status"] = "disabled"
    shop.hooks[2]["status"] = "paused"
    doubled = shop.add("order.updated")
    foreign = shop.add("order.updated", THEIRS, state="disabled")
    shop.log.clear()
    report = await heal(connect(shop), OURS, secret="s", suspects={"3"})
    assert shop.log == [
        "POST",
        "DELETE 1",
        "POST",
        "DELETE 2",
        "POST",
        "DELETE 3",
        f"DELETE {doubled}",
    ]
    assert shop.of(OURS) == {topic: ["active"] for topic in TOPICS}
    assert shop.of(THEIRS) == {"order.updated": ["disabled"]}
    assert int(foreign) in shop.hooks
    assert not report.failed


async def test_heal_of_a_healthy_shop_does_nothing() -> None:
    shop = WebhookShop()
    await install(connect(shop), OURS, secret="s")
    shop.log.clear()
    report = await heal(connect(shop), OURS, secret="s")
    assert report.healthy
    assert shop.log == []


async def test_remove_deletes_ours_only_over_all_pages() -> None:
    shop = WebhookShop()
    for _ in range(110):
        shop.add("order.updated", THEIRS)
    await install(connect(shop), OURS, secret="s")
    shop.add("coupon.created")
    report = await remove(connect(shop), OURS)
    assert acts(report) == {WebhookAction.REMOVE: len(TOPICS) + 1}
    assert shop.of(OURS) == {}
    assert len(shop.hooks) == 110


async def test_a_refused_topic_leaves_the_others_their_chance() -> None:
    shop = WebhookShop(refused={"order.restored"})
    report = await install(connect(shop), OURS, secret="s")
    assert [step.topic for step in report.failed] == ["order.restored"]
    assert isinstance(report.failed[0].error, RemoteError)
    assert len(shop.of(OURS)) == len(TOPICS) - 1


async def test_a_shop_that_refuses_us_is_an_error() -> None:
    refusing = httpx.MockTransport(lambda _: _refusal("woocommerce_rest_cannot_view", 401))
    with pytest.raises(AuthRejected):
        await install(connect(refusing), OURS, secret="s")


def test_the_oldest_good_webhook_of_a_topic_stays() -> None:
    rows = [("9", "active"), ("10", "active"), ("3", "disabled")]
    existing = [
        WooWebhook.parse(
            {"id": int(number), "topic": "order.updated", "delivery_url": OURS, "status": state}
        )
        for number, state in rows
    ]
    steps = plan_webhooks(existing, OURS, topics=["order.updated"])
    chosen = [(step.act, step.webhook.id) for step in steps if step.webhook]
    assert chosen == [
        (WebhookAction.KEEP, "9"),
        (WebhookAction.REMOVE, "3"),
        (WebhookAction.REMOVE, "10"),
    ]

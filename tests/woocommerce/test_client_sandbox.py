"""The client against the simulated shop, over real HTTP; Basic against it in memory."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from app.domain import (
    AuthRejected,
    Duplicate,
    Event,
    Module,
    NotFound,
    Rejected,
    RemoteError,
    RemoteTimeout,
    RemoteUnavailable,
)
from app.http.client import ClientLimits
from app.woocommerce.client import WooClient
from app.woocommerce.webhook_delivery import TOPICS, HookKind, SignatureCheck, WooHook, parse_hook
from app.woocommerce.webhook_setup import heal, install, remove, status
from sandbox.app import Sandbox, create_sandbox_app, new_sandbox
from sandbox.server import serve
from sandbox.woocommerce.app import create_shop_app
from sandbox.woocommerce.credentials import ApiKey
from sandbox.woocommerce.shop import Shop

pytestmark = pytest.mark.anyio


@pytest.fixture
def sandbox() -> Sandbox:
    return new_sandbox(cron_interval_s=None)


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[WooClient]:
    async with serve(create_sandbox_app(sandbox)) as served, connect(sandbox, served.url) as woo:
        yield woo


def connect(
    sandbox: Sandbox,
    base_url: str,
    *,
    read_timeout: float = 30.0,
    keys: dict[str, str] | None = None,
) -> WooClient:
    known = sandbox.describe(base_url)["woocommerce"] | (keys or {})
    return WooClient(
        known["url"],
        consumer_key=known["consumer_key"],
        consumer_secret=known["consumer_secret"],
        limits=ClientLimits(read_timeout=read_timeout, retry_delays=(0.0, 0.0)),
    )


class Inbox:
    """A receiver that verifies and reads deliveries as the service does."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.status = 200
        self.hooks: asyncio.Queue[WooHook] = asyncio.Queue()
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body, headers = await request.body(), dict(request.headers)
        hook = parse_hook(headers, body)
        signature = headers.get("x-wc-webhook-signature", "")
        check = SignatureCheck([self.secret])
        check.update(body)
        assert hook.kind is HookKind.PING or check.verifies(signature)
        self.bodies.append(body)
        await self.hooks.put(hook)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def taken(self) -> list[WooHook]:
        return [self.hooks.get_nowait() for _ in range(self.hooks.qsize())]


async def test_a_customer_lives_and_dies(client: WooClient) -> None:
    made = await client.create_customer({"email": "zoe+a@shop.example", "first_name": "Zoë"})
    assert made.modified_at is not None
    patch = {"billing": {"city": "Paris"}, "meta_data": [{"key": "vtiger_id", "value": "12x5"}]}
    await client.update_customer(made.id, patch)
    found = await client.get_customer(made.id)
    assert (found.text("first_name"), found.text("billing", "city")) == ("Zoë", "Paris")
    assert found.meta("vtiger_id") == "12x5"
    by_email = await client.search_customers_by_email("ZOE+A@shop.example")
    assert [one.id for one in by_email] == [made.id]
    await client.delete_customer(made.id)
    with pytest.raises(NotFound):
        await client.get_customer(made.id)
    with pytest.raises(NotFound):
        await client.update_customer(made.id, {"first_name": "x"})


async def test_basic_works_where_the_shop_is_reached_by_https() -> None:
    app = create_shop_app(Shop(), credentials=[ApiKey("ck", "cs")])
    transport = httpx.ASGITransport(app)
    url = "https://shop.example"
    async with WooClient(
        url, consumer_key="ck", consumer_secret="cs", transport=transport
    ) as client:
        made = await client.create_customer({"email": "a@shop.example"})
        assert (await client.get_customer(made.id)).email == "a@shop.example"
    with pytest.raises(AuthRejected):
        await WooClient(
            url, consumer_key="ck", consumer_secret="wrong", transport=transport
        ).search_customers()


async def test_wrong_keys_are_refused(sandbox: Sandbox) -> None:
    async with serve(create_sandbox_app(sandbox)) as served:
        for wrong in ({"consumer_secret": "cs_wrong"}, {"consumer_key": "ck_wrong"}):
            async with connect(sandbox, served.url, keys=wrong) as woo:
                with pytest.raises(AuthRejected):
                    await woo.search_customers()


async def test_the_index_lists_the_routes(client: WooClient) -> None:
    index = await client.get_index()
    assert index.namespace == "wc/v3"
    assert "/wc/v3/customers" in index.routes


async def test_pages_hold_every_user_once(client: WooClient) -> None:
    bodies = [{"email": f"c{number}@shop.example"} for number in range(105)]
    made = await client.batch_customers(create=bodies)
    assert not [one for one in made if isinstance(one, RemoteError)]
    page = await client.search_customers(per_page=50, role="customer")
    assert (page.total, page.pages, len(page.items)) == (105, 3, 50)
    ids = [int(one.id) async for one in client.each_customer(role="customer", per_page=20)]
    assert ids == sorted(set(ids))
    assert len(ids) == 105


async def test_what_the_shop_refuses(client: WooClient) -> None:
    await client.create_customer({"email": "taken@shop.example"})
    other = await client.create_customer({"email": "other@shop.example"})
    with pytest.raises(Duplicate):
        await client.create_customer({"email": "TAKEN@shop.example"})
    with pytest.raises(Duplicate):
        await client.update_customer(other.id, {"email": "taken@shop.example"})
    with pytest.raises(Rejected) as caught:
        await client.create_customer({"email": "no address"})
    assert caught.value.code


async def test_a_write_without_an_answer_is_doubtful_and_was_done(
    sandbox: Sandbox, client: WooClient
) -> None:
    sandbox.shop_faults.drop("POST", "/customers", after_write=True)
    with pytest.raises(RemoteUnavailable) as caught:
        await client.create_customer({"email": "zoe@shop.example"})
    assert caught.value.ambiguous
    assert len(await client.search_customers_by_email("zoe@shop.example")) == 1


async def test_a_hanging_shop_is_a_timeout(sandbox: Sandbox) -> None:
    sandbox.shop_faults.hang("PUT", "/customers", seconds=0.3)
    async with (
        serve(create_sandbox_app(sandbox)) as served,
        connect(sandbox, served.url, read_timeout=0.05) as client,
    ):
        with pytest.raises(RemoteTimeout) as caught:
            await client.update_customer("1", {"first_name": "x"})
    assert caught.value.ambiguous


async def test_reads_live_through_a_short_disturbance(sandbox: Sandbox, client: WooClient) -> None:
    sandbox.shop_faults.drop("GET")
    sandbox.shop_faults.fail("GET", status=502)
    assert (await client.search_customers()).total == 1


async def test_nobody_listening_is_certain(sandbox: Sandbox) -> None:
    async with serve(create_sandbox_app(sandbox)) as served:
        url = served.url
    async with connect(sandbox, url) as woo:
        with pytest.raises(RemoteUnavailable) as caught:
            await woo.create_customer({"email": "a@shop.example"})
    assert not caught.value.ambiguous


async def test_installed_webhooks_sign_what_we_can_read(
    sandbox: Sandbox, client: WooClient
) -> None:
    inbox = Inbox('s<e&c>r"et')
    async with serve(inbox, lifespan="off") as receiver:
        url = f"{receiver.url}/webhooks/woocommerce/main"
        assert not (await install(client, url, secret=inbox.secret)).failed
        assert {hook.kind for hook in inbox.taken()} == {HookKind.PING}
        made = await client.create_customer({"email": "zoe@shop.example"})
        await sandbox.shop.webhooks.flush()
        hooks = inbox.taken()
    assert {hook.record_id for hook in hooks} == {made.id}
    assert {(hook.module, hook.event) for hook in hooks} == {
        (Module.CONTACTS, Event.CREATED),
        (Module.CONTACTS, Event.UPDATED),
    }
    assert json.loads(inbox.bodies[-len(hooks)]) == made.data


async def test_a_disabled_webhook_is_healed(sandbox: Sandbox, client: WooClient) -> None:
    inbox = Inbox("secret")
    async with serve(inbox, lifespan="off") as receiver:
        url = f"{receiver.url}/hook"
        await install(client, url, secret="secret")
        inbox.status = 500
        for number in range(7):
            await client.create_customer({"email": f"c{number}@shop.example"})
            await sandbox.shop.webhooks.flush()
        report = await status(client, url)
        broken = {step.topic for step in report.steps if step.act != "keep"}
        assert broken == {"customer.created", "customer.updated"}
        inbox.status = 200
        assert not (await heal(client, url, secret="secret")).failed
        assert (await status(client, url)).healthy
        inbox.taken()
        await client.create_customer({"email": "last@shop.example"})
        await sandbox.shop.webhooks.flush()
        assert {hook.event for hook in inbox.taken()} == {Event.CREATED, Event.UPDATED}
        removed = await remove(client, url)
    assert len(removed.steps) == len(TOPICS)
    assert (await client.search_webhooks()).total == 0

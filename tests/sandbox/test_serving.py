"""Both sandboxes over real HTTP: mounts, credentials, background deliveries, broken connections."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from app.woocommerce.requests import OAuth1QueryAuth
from sandbox.app import Sandbox, create_sandbox_app, new_sandbox
from sandbox.server import serve

pytestmark = pytest.mark.anyio


@pytest.fixture
def sandbox() -> Sandbox:
    return new_sandbox(cron_interval_s=0.01)


@pytest.fixture
async def base_url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with serve(create_sandbox_app(sandbox)) as served:
        yield served.url


@pytest.fixture
async def shop(sandbox: Sandbox, base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    known = sandbox.describe(base_url)["woocommerce"]
    auth = OAuth1QueryAuth(known["consumer_key"], known["consumer_secret"])
    url = f"{known['url']}/wp-json/wc/v3"
    async with httpx.AsyncClient(base_url=url, auth=auth, trust_env=False) as client:
        yield client


class Inbox:
    """An ASGI receiver of webhooks that lets a test wait for the next one."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await receive()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        await self.arrived.put(headers)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def test_the_shop_is_written_over_plain_http_with_signed_requests(
    shop: httpx.AsyncClient, base_url: str
) -> None:
    created = await shop.post("/customers", json={"email": "zoe@shop.example"})
    found = await shop.get("/customers", params={"email": "ZOE@shop.example", "role": "all"})

    assert created.headers["Location"] == f"{base_url}/shop/wp-json/wc/v3/customers/2"
    assert [customer["id"] for customer in found.json()] == [2]


async def test_the_crm_answers_beside_the_shop(sandbox: Sandbox, base_url: str) -> None:
    known = sandbox.describe(base_url)["vtiger"]
    params = {"operation": "getchallenge", "username": known["username"]}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{known['url']}/webservice.php", params=params)

    assert answer.json()["success"] is True


async def test_each_request_waits_for_the_latency_before_it_is_handled(
    sandbox: Sandbox, base_url: str, shop: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        if seconds == sandbox.latency_s:
            waits.append(seconds)

    await shop.get("/customers")
    sandbox.latency_s = 86_400.0
    monkeypatch.setattr("sandbox.app.asyncio", SimpleNamespace(sleep=note))
    await shop.get("/customers")
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"{base_url}/crm/webservice.php")

    assert waits == [86_400.0, 86_400.0]


async def test_webhooks_are_delivered_in_the_background(shop: httpx.AsyncClient) -> None:
    inbox = Inbox()
    async with serve(inbox, lifespan="off") as receiver:
        body = {"topic": "customer.created", "delivery_url": f"{receiver.url}/hook"}
        await shop.post("/webhooks", json=body)
        await shop.post("/customers", json={"email": "zoe@shop.example"})
        ping, delivery = await inbox.arrived.get(), await inbox.arrived.get()

    assert ping["content-type"] == "application/x-www-form-urlencoded"
    assert delivery["x-wc-webhook-topic"] == "customer.created"


async def test_a_dropped_connection_may_hide_a_write_that_was_done(
    sandbox: Sandbox, shop: httpx.AsyncClient
) -> None:
    sandbox.shop_faults.drop("POST", "/customers", after_write=True)

    with pytest.raises(httpx.RemoteProtocolError):
        await shop.post("/customers", json={"email": "zoe@shop.example"})

    assert sandbox.shop.users.find_by_email("zoe@shop.example") is not None


async def test_a_dropped_connection_does_not_break_the_next_request(
    sandbox: Sandbox, shop: httpx.AsyncClient
) -> None:
    sandbox.shop_faults.drop("GET")

    with pytest.raises(httpx.RemoteProtocolError):
        await shop.get("/customers")

    assert (await shop.get("/customers")).status_code == 200


async def test_a_hanging_request_times_out_at_the_caller(
    sandbox: Sandbox, shop: httpx.AsyncClient
) -> None:
    sandbox.shop_faults.hang("GET", seconds=0.3)

    with pytest.raises(httpx.ReadTimeout):
        await shop.get("/customers", timeout=0.05)


async def test_faults_of_the_crm_are_chosen_by_operation(sandbox: Sandbox, base_url: str) -> None:
    sandbox.crm_faults.fail("POST", "operation=create", status=500)
    url = f"{base_url}/crm/webservice.php"
    async with httpx.AsyncClient(trust_env=False) as client:
        login = await client.post(url, data={"operation": "login"})
        create = await client.post(url, data={"operation": "create"})

    assert (login.status_code, create.status_code) == (200, 500)


async def test_paths_outside_both_systems_say_where_they_are(base_url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{base_url}/shopping")

    assert (answer.status_code, "/shop" in answer.text) == (404, True)


async def test_a_taken_port_is_refused(base_url: str) -> None:
    port = httpx.URL(base_url).port
    assert port is not None

    with pytest.raises(OSError, match="in use"):
        async with serve(Inbox(), port=port):
            pass

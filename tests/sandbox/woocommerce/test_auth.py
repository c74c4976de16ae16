"""Who gets in: Basic over TLS, OAuth 1.0a over plain http, and how the others are turned away."""

import hashlib
import hmac
import time
from base64 import b64encode
from urllib.parse import quote

import httpx
import pytest

from app.woocommerce.requests import OAuth1QueryAuth
from sandbox.woocommerce.app import create_shop_app
from sandbox.woocommerce.credentials import ApiKey
from tests.sandbox.woocommerce.shopfront import ADMIN, START, Front

pytestmark = pytest.mark.anyio

CUSTOMERS = "http://shop.example/wp-json/wc/v3/customers"


def plain(front: Front) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(front.app))


def signer(front: Front, *, nonce: str = "n1", secret: str = "cs_admin") -> OAuth1QueryAuth:
    def now() -> float:
        return front.clock.now.timestamp()

    return OAuth1QueryAuth("ck_admin", secret, clock=now, nonce=lambda: nonce)


async def code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["message"]


async def test_signed_requests_with_awkward_parameters_pass(front: Front) -> None:
    params = {"search": "é +&=%20~", "email": "a+b@shop.example", "role": "all"}

    answer = await plain(front).get(CUSTOMERS, params=params, auth=signer(front))

    assert (answer.status_code, answer.json()) == (200, [])


async def test_the_signature_may_come_in_the_authorization_header(front: Front) -> None:
    oauth = {
        "oauth_consumer_key": "ck_admin",
        "oauth_nonce": "n1",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": str(int(START.timestamp())),
    }
    pairs = "&".join(f"{name}={value}" for name, value in sorted(oauth.items()))
    base = f"GET&{quote(CUSTOMERS, safe='')}&{quote(pairs, safe='')}"
    digest = hmac.new(b"cs_admin&", base.encode(), hashlib.sha1).digest()
    oauth["oauth_signature"] = quote(b64encode(digest).decode(), safe="")
    header = "OAuth " + ", ".join(f'{name}="{value}"' for name, value in oauth.items())

    answer = await plain(front).get(CUSTOMERS, headers={"Authorization": header})

    assert answer.status_code == 200


async def test_a_wrong_signature_is_refused(front: Front) -> None:
    answer = await plain(front).get(CUSTOMERS, auth=signer(front, secret="cs_wrong"))

    message = "Invalid signature - provided signature does not match."
    assert await code(answer) == (401, message)


async def test_an_old_timestamp_is_refused(front: Front) -> None:
    auth = OAuth1QueryAuth("ck_admin", "cs_admin", clock=lambda: START.timestamp() - 901)

    assert await code(await plain(front).get(CUSTOMERS, auth=auth)) == (401, "Invalid timestamp.")


async def test_a_nonce_is_good_once_until_it_is_forgotten(front: Front) -> None:
    async def answered(nonce: str) -> int:
        return (await plain(front).get(CUSTOMERS, auth=signer(front, nonce=nonce))).status_code

    first, again = await answered("n1"), await answered("n1")
    front.clock.pass_seconds(1000)
    await answered("n2")

    assert (first, again, await answered("n1")) == (200, 401, 200)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"oauth_consumer_key": "ck_nobody"}, "Consumer key is invalid."),
        (
            {"oauth_signature_method": "PLAINTEXT"},
            "Invalid signature - signature method is invalid.",
        ),
        ({"oauth_nonce": ""}, "Missing OAuth parameter oauth_nonce"),
    ],
)
async def test_incomplete_oauth_is_refused_by_name(
    front: Front, query: dict[str, str], message: str
) -> None:
    complete = {
        "oauth_consumer_key": "ck_admin",
        "oauth_nonce": "n1",
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(int(time.time())),
        "oauth_signature": "x",
    }

    assert await code(await plain(front).get(CUSTOMERS, params=complete | query)) == (401, message)


async def test_basic_authentication_needs_tls_or_a_proxy_that_had_it(front: Front) -> None:
    client, pair = plain(front), ("ck_admin", "cs_admin")

    bare = await client.get(CUSTOMERS, auth=pair)
    proxied = await client.get(CUSTOMERS, auth=pair, headers={"X-Forwarded-Proto": "https"})

    assert (bare.status_code, proxied.status_code) == (401, 200)


async def test_a_shop_may_be_told_that_it_is_behind_tls(front: Front) -> None:
    app = create_shop_app(front.shop, credentials=[ADMIN], tls=True)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app))

    answer = await client.get(CUSTOMERS, auth=("ck_admin", "cs_admin"))

    assert answer.headers["Link"].startswith("<https://shop.example/wp-json/>")


@pytest.mark.parametrize("authorization", ["Basic !!!", "Bearer x", "Basic Zm9v"])
async def test_unreadable_credentials_are_no_credentials(front: Front, authorization: str) -> None:
    headers = {"Authorization": authorization}
    answer = await front.client(None).get("/customers", headers=headers)

    assert answer.json()["code"] == "woocommerce_rest_cannot_view"


async def test_a_write_only_key_may_not_read(front: Front) -> None:
    key = ApiKey("ck_w", "cs_w", permissions="write")
    app = create_shop_app(front.shop, credentials=[key])
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), auth=("ck_w", "cs_w"))
    address = CUSTOMERS.replace("http:", "https:")

    read = await client.get(address)
    write = await client.post(address, json={"email": "zoe@shop.example"})

    assert (read.status_code, write.status_code) == (401, 201)


async def test_anonymous_writes_are_refused_each_in_its_way(front: Front) -> None:
    await front.api.post("/customers", json={"email": "zoe@shop.example"})
    api = front.client(None)

    answers = [
        await api.post("/customers", json={"email": "x@shop.example"}),
        await api.get("/customers/2"),
        await api.put("/customers/2", json={}),
        await api.delete("/customers/2", params={"force": True}),
        await api.post("/customers/batch", json={}),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert [answer.json()["code"] for answer in answers] == [
        "woocommerce_rest_cannot_create",
        "woocommerce_rest_cannot_view",
        "woocommerce_rest_cannot_edit",
        "woocommerce_rest_cannot_delete",
        "woocommerce_rest_cannot_batch",
    ]

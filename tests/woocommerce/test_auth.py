"""Proof of who sends: the recorded OAuth signatures made again, and the choice by scheme."""

import httpx
import pytest

from app.woocommerce.requests import OAuth1QueryAuth
from tests.recorded import exchanges
from tests.woocommerce.shop import SECRET, open_shop, recorded

pytestmark = pytest.mark.anyio

RECORDED_SECRET = "cs_lab0000000000000000000000000000000000001"


@pytest.mark.parametrize("name", ["auth_oauth1_plain_http", "auth_oauth1_post_plain_http"])
def test_a_recorded_signature_is_made_again(name: str) -> None:
    exchange = exchanges("woocommerce")[name]
    sent = dict(exchange.url.params)
    unsigned = {key: value for key, value in sent.items() if not key.startswith("oauth_")}
    request = httpx.Request(
        exchange.method, exchange.url.copy_with(query=None), params=unsigned, json=exchange.sent
    )
    auth = OAuth1QueryAuth(
        sent["oauth_consumer_key"],
        RECORDED_SECRET,
        clock=lambda: float(sent["oauth_timestamp"]),
        nonce=lambda: sent["oauth_nonce"],
    )
    assert dict(next(auth.auth_flow(request)).url.params) == sent


async def test_plain_http_signs_the_query_and_keeps_the_body() -> None:
    client, shop = open_shop(recorded("customer_create"), url="http://shop.test")
    await client.create_customer({"email": "zoë@shop.test"})
    asked = shop.asked[0]
    assert "authorization" not in asked.headers
    assert set(asked.query) == {
        "oauth_consumer_key",
        "oauth_nonce",
        "oauth_signature",
        "oauth_signature_method",
        "oauth_timestamp",
    }
    assert asked.query["oauth_signature_method"] == "HMAC-SHA256"
    assert SECRET not in str(asked.url)
    assert asked.json == {"email": "zoë@shop.test"}


async def test_https_uses_basic() -> None:
    client, shop = open_shop(recorded("customer_get"))
    await client.get_customer("2")
    assert shop.asked[0].headers["authorization"].startswith("Basic ")
    assert shop.asked[0].query == {}


async def test_every_attempt_has_a_nonce_of_its_own() -> None:
    client, shop = open_shop(
        httpx.ReadError("reset"), recorded("customer_get"), url="http://shop.test"
    )
    await client.get_customer("2")
    await client.get_customer("2")
    assert len({asked.query["oauth_nonce"] for asked in shop.asked}) == 3

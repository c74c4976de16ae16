"""What is tried again, what is not, and that no secret shows when it fails."""

import logging
import traceback

import httpx
import pytest

from app.domain import RemoteError, RemoteUnavailable
from tests.woocommerce.shop import SECRET, open_shop, recorded

pytestmark = pytest.mark.anyio


async def test_a_read_is_tried_again_a_few_times() -> None:
    client, shop = open_shop(
        httpx.ReadError("reset"), httpx.Response(502), recorded("customer_get")
    )
    assert (await client.get_customer("2")).id == "2"
    assert shop.slept == [0.2, 0.8]


async def test_reads_give_up_after_the_third_try() -> None:
    client, shop = open_shop(httpx.Response(502))
    with pytest.raises(RemoteUnavailable):
        await client.get_customer("2")
    assert len(shop.asked) == 3


async def test_a_write_is_tried_again_only_if_it_never_left() -> None:
    client, shop = open_shop(httpx.ConnectError("refused"), recorded("customer_create"))
    assert (await client.create_customer({})).id == "2"
    assert len(shop.asked) == 2
    client, shop = open_shop(httpx.ReadError("reset"), recorded("customer_create"))
    with pytest.raises(RemoteUnavailable):
        await client.create_customer({})
    assert len(shop.asked) == 1


@pytest.mark.parametrize("url", ["https://shop.test", "http://shop.test"])
async def test_no_secret_is_shown(url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")  # a command under test quiets it
    client, _ = open_shop(httpx.ReadError("reset"), recorded("auth_wrong_secret"), url=url)
    with pytest.raises(RemoteError) as caught:
        await client.get_customer("1")
    shown = "".join(traceback.format_exception(caught.value)) + repr(client) + caplog.text
    assert "customers/1" in caplog.text
    for secret in (SECRET, "oauth_signature", "Basic "):
        assert secret not in shown

"""How calls reach the shop, whatever address was set, and what comes back that is no record."""

import pytest

from app.domain import ConfigError, InvalidInput
from app.domain import ResponseUnreadable as Unreadable
from app.woocommerce.client import WooClient
from tests.scripted import json_answer
from tests.woocommerce.shop import open_shop

pytestmark = pytest.mark.anyio


async def test_a_listing_without_totals_is_unreadable() -> None:
    client, _ = open_shop(json_answer([]))
    with pytest.raises(Unreadable, match="x-wp-total"):
        await client.search_customers()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://shop.test", "/wp-json/wc/v3/customers/1"),
        ("https://shop.test/", "/wp-json/wc/v3/customers/1"),
        (" https://shop.test/fr/shop/ ", "/fr/shop/wp-json/wc/v3/customers/1"),
        ("https://shop.test/fr/wp-json/wc/v3/", "/fr/wp-json/wc/v3/customers/1"),
        ("https://user:pass@shop.test/wp-json?x=1#y", "/wp-json/wc/v3/customers/1"),
    ],
)
async def test_the_shop_is_found_from_any_of_its_addresses(url: str, path: str) -> None:
    client, shop = open_shop(json_answer({"id": 1}), url=url)
    await client.get_customer("1")
    assert shop.asked[0].path == path
    assert str(shop.asked[0].url) == f"https://shop.test{path}"


@pytest.mark.parametrize(
    "url", ["", "shop.test", "ftp://shop.test", "https://", "https://shop.test:port"]
)
def test_an_address_that_is_none_is_a_setting_to_mend(url: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        WooClient(url, consumer_key="ck", consumer_secret="cs")


@pytest.mark.parametrize("customer_id", ["", "0", "-1", "1/../2", "1?force=true", "x"])
async def test_an_id_that_is_none_reaches_no_address(customer_id: str) -> None:
    client, shop = open_shop(json_answer({"id": 1}))
    with pytest.raises(InvalidInput):
        await client.get_customer(customer_id)
    assert shop.asked == []


@pytest.mark.parametrize("data", [[], {}, {"id": 0}, {"id": "x"}, {"id": True}, "text", 5])
async def test_an_answer_without_an_id_is_unreadable(data: object) -> None:
    client, _ = open_shop(json_answer(data))
    with pytest.raises(Unreadable):
        await client.get_customer("1")

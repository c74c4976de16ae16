"""Whatever is asked for by id is refused where the shop answers with another record."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.domain import RemoteError, WrongRecord
from app.reasons import REASONS
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooProduct
from tests.scripted import json_answer
from tests.woocommerce.shop import listing, open_shop

pytestmark = pytest.mark.anyio

Call = Callable[[WooClient], Awaitable[Any]]
PRODUCT = WooProduct.parse({"id": 12})
CALLS: tuple[Call, ...] = (
    lambda shop: shop.get_customer("12"),
    lambda shop: shop.get_order("12"),
    lambda shop: shop.get_product("12"),
    lambda shop: shop.get_tax_rate("12"),
    lambda shop: shop.update_customer("12", {}),
    lambda shop: shop.update_order("12", {}),
    lambda shop: shop.update_product(PRODUCT, {}),
    lambda shop: shop.update_tax_rate("12", {}),
    lambda shop: shop.update_webhook("12", {}),
    lambda shop: shop.delete_customer("12"),
    lambda shop: shop.trash_order("12"),
    lambda shop: shop.trash_product(PRODUCT),
    lambda shop: shop.delete_tax_rate("12"),
    lambda shop: shop.delete_webhook("12"),
)


@pytest.mark.parametrize("call", CALLS)
async def test_another_record_is_refused(call: Call) -> None:
    client, _ = open_shop(json_answer({"id": 13}))
    with pytest.raises(WrongRecord, match=r"12.* 13") as refused:
        await call(client)
    assert (refused.value.record_id, refused.value.retryable) == ("12", False)
    assert refused.value.reason in REASONS


@pytest.mark.parametrize("given", [12, "12", "012"])
async def test_an_id_may_be_written_in_any_way(given: object) -> None:
    client, _ = open_shop(json_answer({"id": given}))
    assert (await client.get_customer("012")).data["id"] == given


async def test_of_a_list_by_ids_others_are_left_out() -> None:
    client, _ = open_shop(listing({"id": 12}, {"id": 13}, {"id": 14}, total=3))
    assert [order.id for order in await client.search_orders_by_id(["12", "14"])] == ["12", "14"]


async def test_in_a_batch_only_the_item_fails_that_was_answered_for_another() -> None:
    answer = {
        "create": [{"id": 99}],
        "update": [{"id": 12}, {"id": 77}],
        "delete": [{"id": 15}, {"id": 16}],
    }
    client, _ = open_shop(json_answer(answer))
    found = await client.batch_customers(
        create=[{}], update={"12": {}, "13": {}}, delete=["14", "16"]
    )
    told = [each.reason if isinstance(each, RemoteError) else each.id for each in found]
    assert told == ["99", "12", "wrong_record", "wrong_record", "16"]

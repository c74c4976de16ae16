"""What stands before a shop's JSON, and rows of a listing that are no records."""

import json

import httpx
import pytest

from app.domain import ResponseUnreadable
from app.woocommerce.schemas import WooOrder
from tests.cases import case
from tests.woocommerce.shop import listing, open_shop

pytestmark = pytest.mark.anyio


async def test_a_byte_order_mark_before_the_shops_json_is_none_of_it() -> None:
    mark = bytes.fromhex(case("bom-before-json-shop").feed["prefix_hex"])
    client, _ = open_shop(httpx.Response(200, content=mark + b'{"id": 7, "email": "a@x.example"}'))
    assert (await client.get_customer("7")).email == "a@x.example"


async def test_a_notice_before_the_json_is_shown_with_its_place() -> None:
    client, _ = open_shop(httpx.Response(200, content=b'<br /><b>Notice</b>: x in y {"id": 7}'))
    with pytest.raises(ResponseUnreadable, match="line 1, column 1, near '<br /><b>Not"):
        await client.get_customer("7")


async def test_a_row_that_is_no_record_keeps_no_other_from_being_listed() -> None:
    odd = case("amount-with-comma").feed["order"]
    rows = [None, odd, {"total": "1"}, {**odd, "id": 502, "total": "30.00"}]
    page = listing(*json.loads(json.dumps(rows)), total=4, pages=1)
    client, _ = open_shop(page)
    found = [order async for order in client.each_order()]
    assert [(order.id, isinstance(order, WooOrder)) for order in found] == [
        ("501", True),
        ("502", True),
    ]
    assert found[0].faults


async def test_a_search_for_a_twin_is_not_content_with_rows_that_are_none() -> None:
    client, _ = open_shop(httpx.Response(200, json=[None]))
    with pytest.raises(ResponseUnreadable):
        await client.search_customers_by_email("a@x.example")

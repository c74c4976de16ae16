"""The calls about orders: what each asks of the shop, and what it makes of recorded answers."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from app.domain import NotFound, Rejected, RemoteError
from app.domain import ResponseUnreadable as Unreadable
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooOrder
from tests.scripted import json_answer
from tests.woocommerce.shop import listing, open_shop, recorded, recorded_json

pytestmark = pytest.mark.anyio

ROOT = "/wp-json/wc/v3/orders"
PAGE = {"orderby": "id", "order": "asc", "per_page": "100"}

Call = Callable[[WooClient], Awaitable[WooOrder]]


async def test_get_order() -> None:
    client, shop = open_shop(recorded("order_get_guest_storefront"))
    found = await client.get_order("47")
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == ("GET", f"{ROOT}/47", {})
    assert (found.id, found.status, found.customer_id) == ("47", "processing", None)
    assert found.text("billing", "email") == "guest2@lab.example"


async def test_a_trashed_order_says_so() -> None:
    client, _ = open_shop(recorded("order_get_trashed"))
    assert (await client.get_order("40")).status == "trash"


async def test_all_orders_are_listed_by_id() -> None:
    client, shop = open_shop(listing({"id": 29}, {"id": 30}, total=2))
    assert [one.id async for one in client.each_order()] == ["29", "30"]
    asked = shop.asked[0]
    assert (asked.method, asked.path) == ("GET", ROOT)
    assert asked.query == {**PAGE, "status": "any", "page": "1"}


async def test_changes_are_asked_for_in_bare_utc_whatever_the_zone_of_the_moment() -> None:
    moment = datetime(2026, 11, 23, 16, 20, 46, tzinfo=timezone(timedelta(hours=-5)))
    client, shop = open_shop(recorded("orders_list_modified_after_gmt"))
    assert [one.id async for one in client.each_order(moment)] == ["29", "30"]
    assert shop.asked[0].query == {
        **PAGE,
        "status": "any",
        "modified_after": "2026-11-23T21:20:46",
        "dates_are_gmt": "true",
        "page": "1",
    }


async def test_no_order_is_missed_when_one_leaves_the_listing_meanwhile() -> None:
    def rows(*numbers: int) -> list[dict[str, Any]]:
        return [{"id": number} for number in numbers]

    client, shop = open_shop(
        listing(*rows(*range(1, 101)), total=102),
        listing(*rows(102), total=101),  # 50 went to the trash: 101 moved up
        listing(*rows(*range(1, 50), *range(51, 102)), total=101),
        listing(*rows(102), total=101),
    )
    assert [int(one.id) async for one in client.each_order()] == list(range(1, 103))
    assert [asked.query["page"] for asked in shop.asked] == ["1", "2", "1", "2"]


async def test_a_listing_that_fills_its_last_page_ends_there() -> None:
    """The page after it would tell a total of 0, as if all had been deleted meanwhile."""
    rows = [{"id": number} for number in range(1, 101)]
    client, shop = open_shop(listing(*rows, total=100, pages=1))
    assert len([one async for one in client.each_order()]) == 100
    assert len(shop.asked) == 1


async def test_the_trash_is_a_listing_of_its_own() -> None:
    client, shop = open_shop(listing(recorded_json("order_get_trashed"), total=1))
    assert [(one.id, one.status) async for one in client.each_trashed_order()] == [("40", "trash")]
    assert shop.asked[0].query == {**PAGE, "status": "trash", "page": "1"}


async def test_orders_of_an_email_are_compared_by_it() -> None:
    guest = recorded_json("order_get_guest_storefront")
    others = [recorded_json("order_create_full_excl_tax"), recorded_json("order_create_guest_usd")]
    client, shop = open_shop(json_answer([guest, *others]))
    found = await client.search_orders_of(" Guest2@LAB.example ")
    assert [one.id for one in found] == ["47"]
    asked = shop.asked[0]
    assert (asked.method, asked.path) == ("GET", ROOT)
    assert asked.query == {
        "search": "Guest2@LAB.example",
        "orderby": "id",
        "order": "desc",
        "page": "1",
        "per_page": "100",
    }
    assert [one.id for one in await client.search_orders_of("guest@lab.example")] == ["33"]
    assert await client.search_orders_of("uest2@lab.example") == []


@pytest.mark.parametrize("email", ["", "  "])
async def test_orders_without_an_email_are_nobodys(email: str) -> None:
    client, shop = open_shop(recorded("orders_list_modified_after_gmt"))
    assert await client.search_orders_of(email) == []
    assert shop.asked == []


async def test_create_order() -> None:
    client, shop = open_shop(recorded("order_create_created_via"))
    body = {
        "created_via": "vtiger-sync",
        "transaction_id": "VT-1",
        "currency": "EUR",
        "line_items": [{"product_id": 10, "quantity": 1}],
    }
    made = await client.create_order(body)
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query, asked.json) == ("POST", ROOT, {}, body)
    assert (made.id, made.text("created_via")) == ("262", "vtiger-sync")


async def test_update_order() -> None:
    client, shop = open_shop(recorded("order_update_status"))
    changed = await client.update_order("27", {"status": "completed"})
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == ("PUT", f"{ROOT}/27", {})
    assert asked.json == {"status": "completed"}
    assert changed.data == recorded_json("order_update_status")


async def test_an_order_goes_to_the_trash_and_not_for_good() -> None:
    client, shop = open_shop(recorded("order_trash"))
    gone = await client.trash_order("40")
    asked = shop.asked[0]
    assert (asked.method, asked.path) == ("DELETE", f"{ROOT}/40")
    assert (asked.query, asked.json) == ({"force": "false"}, None)
    assert (gone.id, gone.status) == ("40", "processing")


def get(client: WooClient) -> Awaitable[WooOrder]:
    return client.get_order("999999")


def create(client: WooClient) -> Awaitable[WooOrder]:
    return client.create_order({"customer_id": 99999})


def update(client: WooClient) -> Awaitable[WooOrder]:
    return client.update_order("27", {"status": "bogus"})


def trash(client: WooClient) -> Awaitable[WooOrder]:
    return client.trash_order("40")


@pytest.mark.parametrize(
    ("call", "recording", "kind", "told"),
    [
        (get, "err_order_404", NotFound, "Invalid ID"),
        (create, "err_order_bad_customer", Rejected, "Customer ID"),
        (create, "err_order_bad_billing_email", Rejected, "Invalid email address"),
        (create, "err_order_total_number_type", Rejected, r"line_items\[0\]\[total\]"),
        (create, "order_create_line_without_product", Rejected, "Product ID or SKU"),
        (update, "err_order_bad_status", Rejected, "status is not one of"),
        (update, "err_order_404", NotFound, "Invalid ID"),
        (trash, "err_order_404", NotFound, "Invalid ID"),
    ],
)
async def test_recorded_refusals(
    call: Call, recording: str, kind: type[RemoteError], told: str
) -> None:
    client, shop = open_shop(recorded(recording))
    with pytest.raises(RemoteError, match=told) as caught:
        await call(client)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.ambiguous) == (recorded_json(recording)["code"], False)
    assert len(shop.asked) == 1


async def test_an_order_in_the_trash_already_is_as_good_as_gone() -> None:
    answer = {"code": "woocommerce_rest_already_trashed", "message": "m", "data": {"status": 410}}
    client, _ = open_shop(json_answer(answer, status=410))
    with pytest.raises(NotFound):
        await client.trash_order("40")


@pytest.mark.parametrize("data", [{}, [{"amount": "1.00"}], [5]])
async def test_an_answer_that_is_no_list_of_orders(data: object) -> None:
    client, _ = open_shop(json_answer(data))
    with pytest.raises(Unreadable):
        await client.search_orders_of("a@b.c")

"""Each call of the client: what it asks of the shop, and what it makes of recorded answers."""

from typing import Any

import pytest

from app.domain import Duplicate, NotFound, Rejected, RemoteError
from app.domain import ResponseUnreadable as Unreadable
from tests.scripted import Step, json_answer
from tests.woocommerce.shop import open_shop, recorded, recorded_json

pytestmark = pytest.mark.anyio

ROOT = "/wp-json/wc/v3"


def customer(number: int) -> dict[str, Any]:
    return {"id": number, "email": f"c{number}@shop.test", "role": "customer"}


def listing(*numbers: int, total: int) -> Step:
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": "9"}
    return json_answer([customer(number) for number in numbers], headers=headers)


async def test_get_customer() -> None:
    client, shop = open_shop(recorded("customer_get"))
    found = await client.get_customer("2")
    assert (shop.asked[0].method, shop.asked[0].path) == ("GET", f"{ROOT}/customers/2")
    assert (found.id, found.role) == ("2", "customer")
    assert found.data == recorded_json("customer_get")
    assert shop.asked[0].headers["user-agent"].startswith("woo-vtiger/")


async def test_search_customers_by_email_asks_for_every_role() -> None:
    client, shop = open_shop(recorded("customer_search_email"))
    found = await client.search_customers_by_email(" ZOE.Muller@lab.example")
    assert shop.asked[0].path == f"{ROOT}/customers"
    assert shop.asked[0].query == {
        "email": "ZOE.Muller@lab.example",
        "role": "all",
        "per_page": "100",
    }
    assert [one.email for one in found] == ["zoe.muller@lab.example"]
    await client.search_customers_by_email("zoe+a&b@lab.example")
    assert b"zoe%2Ba%26b" in shop.asked[1].url.query


async def test_nobody_has_an_address_that_is_none() -> None:
    client, shop = open_shop(recorded("err_customer_update_empty_email"))
    assert await client.search_customers_by_email("not an address") == []
    assert await client.search_customers_by_email(" ") == []
    assert len(shop.asked) == 1
    client, _ = open_shop(recorded("customer_search_email"))
    assert await client.search_customers_by_email("zoe*@lab.example") == []
    client, _ = open_shop(recorded("err_bad_json"))
    with pytest.raises(Rejected):
        await client.search_customers_by_email("a@b.c")


async def test_search_customers_pages_by_id() -> None:
    client, shop = open_shop(recorded("customer_paging"))
    page = await client.search_customers(page=2, per_page=1, role="customer")
    assert shop.asked[0].query == {
        "role": "customer",
        "orderby": "id",
        "order": "asc",
        "page": "2",
        "per_page": "1",
    }
    assert (page.total, page.pages, [one.id for one in page.items]) == (2, 2, ["2"])


async def test_a_page_past_the_end_is_empty() -> None:
    client, _ = open_shop(recorded("err_page_beyond"))
    assert (await client.search_customers(page=50)).items == ()


async def test_each_customer_reads_all_pages() -> None:
    client, shop = open_shop(listing(1, 2, total=5), listing(3, 4, total=5), listing(5, total=5))
    found = [one.id async for one in client.each_customer(per_page=2)]
    assert found == ["1", "2", "3", "4", "5"]
    assert [asked.query["page"] for asked in shop.asked] == ["1", "2", "3"]


async def test_each_customer_misses_nobody_when_one_is_deleted_meanwhile() -> None:
    client, shop = open_shop(
        listing(1, 2, total=5),
        listing(4, 5, total=4),  # 1 was deleted: 3 moved to the first page
        listing(2, 3, total=4),
        listing(4, 5, total=4),
        listing(total=4),
    )
    found = [one.id async for one in client.each_customer(per_page=2)]
    assert found == ["1", "2", "3", "4", "5"]
    assert [asked.query["page"] for asked in shop.asked] == ["1", "2", "1", "2", "3"]


async def test_create_customer() -> None:
    client, shop = open_shop(recorded("customer_create"))
    made = await client.create_customer({"email": "zoe.muller@lab.example", "first_name": "Zoë"})
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == ("POST", f"{ROOT}/customers", {})
    assert asked.json == {"email": "zoe.muller@lab.example", "first_name": "Zoë"}
    assert asked.headers["content-type"] == "application/json"
    assert made.id == "2"


async def test_update_customer() -> None:
    client, shop = open_shop(recorded("customer_update_partial_billing"))
    await client.update_customer("2", {"billing": {"city": "Paris"}})
    asked = shop.asked[0]
    assert (asked.method, asked.path) == ("PUT", f"{ROOT}/customers/2")
    assert asked.json == {"billing": {"city": "Paris"}}


async def test_delete_customer_is_forced() -> None:
    client, shop = open_shop(recorded("customer_delete_force"))
    gone = await client.delete_customer("3")
    asked = shop.asked[0]
    assert (asked.method, asked.path, asked.query) == (
        "DELETE",
        f"{ROOT}/customers/3",
        {"force": "true"},
    )
    assert gone.id == "3"


async def test_a_batch_answers_item_by_item() -> None:
    client, shop = open_shop(recorded("customers_batch_mixed_errors"))
    results = await client.batch_customers(
        create=[{"email": "a@x.y"}, {"email": "zoe.muller@lab.example"}, {"first_name": "nomail"}],
        update={"2": {"first_name": "Zoë"}, "999999": {"first_name": "x"}},
        delete=["999998"],
    )
    assert (shop.asked[0].method, shop.asked[0].path) == ("POST", f"{ROOT}/customers/batch")
    assert shop.asked[0].json["update"] == [
        {"first_name": "Zoë", "id": 2},
        {"first_name": "x", "id": 999999},
    ]
    assert shop.asked[0].json["delete"] == [999998]
    kinds = [one.id if not isinstance(one, RemoteError) else type(one) for one in results]
    assert kinds == ["150", Duplicate, Rejected, "2", NotFound, NotFound]


async def test_a_batch_is_cut_into_hundreds_and_a_failed_hundred_fails_its_items() -> None:
    good = {"create": [customer(number) for number in range(1, 101)]}
    client, shop = open_shop(json_answer(good), recorded("err_batch_limit_101"))
    results = await client.batch_customers(create=[{"email": f"{n}@x.y"} for n in range(150)])
    assert [len(asked.json["create"]) for asked in shop.asked] == [100, 50]
    assert [isinstance(one, Rejected) for one in results] == [False] * 100 + [True] * 50


async def test_a_batch_that_answers_for_other_items_is_doubtful() -> None:
    client, _ = open_shop(json_answer({"create": []}))
    (result,) = await client.batch_customers(create=[{"email": "a@x.y"}])
    assert isinstance(result, Unreadable)
    assert result.ambiguous


async def test_webhook_calls() -> None:
    steps = ("webhooks_create_order_created", "webhook_reactivate", "webhook_get_disabled")
    client, shop = open_shop(*map(recorded, steps))
    made = await client.create_webhook(
        name="n", topic="order.created", delivery_url="https://us.test/h", secret="s"
    )
    assert (made.id, made.topic, made.status) == ("7", "order.created", "active")
    changed = await client.update_webhook("17", {"secret": "t"})
    assert changed.name == "f500"
    gone = await client.delete_webhook("17")
    assert (gone.status, gone.delivery_url) == ("disabled", "http://127.0.0.1:8099/status/500")
    asked = [(one.method, one.path, one.query, one.json) for one in shop.asked]
    body = {
        "name": "n",
        "topic": "order.created",
        "delivery_url": "https://us.test/h",
        "secret": "s",
    }
    assert asked == [
        ("POST", f"{ROOT}/webhooks", {}, body),
        ("PUT", f"{ROOT}/webhooks/17", {}, {"secret": "t"}),
        ("DELETE", f"{ROOT}/webhooks/17", {"force": "true"}, None),
    ]


async def test_search_webhooks() -> None:
    client, shop = open_shop(
        json_answer(
            recorded_json("webhooks_list"), headers={"X-WP-Total": "15", "X-WP-TotalPages": "1"}
        )
    )
    page = await client.search_webhooks()
    assert shop.asked[0].path == f"{ROOT}/webhooks"
    assert shop.asked[0].query == {"page": "1", "per_page": "100"}
    assert page.items[0].topic == "action.woocommerce_tax_rate_deleted"


async def test_get_index() -> None:
    client, shop = open_shop(json_answer({"namespace": "wc/v3", "routes": {"/wc/v3": {}}}))
    index = await client.get_index()
    assert shop.asked[0].path == ROOT
    assert (index.namespace, index.routes) == ("wc/v3", frozenset({"/wc/v3"}))


async def test_an_index_of_something_else_is_unreadable() -> None:
    client, _ = open_shop(json_answer({"hello": "world"}))
    with pytest.raises(Unreadable):
        await client.get_index()

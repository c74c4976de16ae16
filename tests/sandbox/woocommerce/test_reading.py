"""Lists and single objects of a loaded shop: filters, orders, the trap of two time zones."""

from typing import Any

import httpx
import pytest

from sandbox.woocommerce.shopdata import check_shop_data
from tests.sandbox.woocommerce.shopfront import MANAGER, Front, read_month

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def month() -> dict[str, Any]:
    return read_month()


@pytest.fixture
def front(month: dict[str, Any]) -> Front:
    return Front(check_shop_data(month))


async def listed(front: Front, path: str, **params: Any) -> list[int]:
    answer = await front.api.get(path, params={"per_page": 100, **params})
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()]


async def test_rows_modified_after_a_moment_in_each_way_of_saying_it(front: Front) -> None:
    # Site time is an hour ahead of UTC on that day.
    utc, local = "2026-11-23T22:20:00", "2026-11-23T23:20:00"
    expected = await listed(front, "/products", modified_after=local)

    assert 0 < len(expected) < 33
    assert await listed(front, "/products", modified_after=utc, dates_are_gmt=True) == expected
    assert await listed(front, "/products", modified_after=f"{utc}Z") == expected
    assert await listed(front, "/products", modified_after=f"{local}+01:00") == expected


async def test_a_zone_together_with_the_gmt_flag_loses_rows(front: Front) -> None:
    after = "2026-11-23T22:20:00Z"

    assert await listed(front, "/products", modified_after=after, dates_are_gmt=True) == []


async def test_the_bounds_of_a_window_are_outside_it(front: Front) -> None:
    newest = (
        await front.api.get("/products", params={"orderby": "modified", "per_page": 1})
    ).json()[0]
    moment = newest["date_modified"]

    after = await listed(front, "/products", modified_after=moment)
    before = await listed(front, "/products", modified_before=moment)

    assert newest["id"] not in after
    assert newest["id"] not in before


async def test_a_date_that_is_none_is_refused(front: Front) -> None:
    answer = await front.api.get("/orders", params={"modified_after": "yesterday"})

    assert (answer.status_code, answer.json()["data"]["params"]) == (
        400,
        {"modified_after": "Invalid date."},
    )


async def test_variations_are_found_by_id_and_sku_but_not_listed(front: Front) -> None:
    variation = (await front.api.get("/products/448/variations/449")).json()

    assert 449 not in await listed(front, "/products")
    assert await listed(front, "/products", sku=variation["sku"].lower()) == [449]
    product = (await front.api.get("/products/449")).json()
    assert (product["type"], product["parent_id"], product["sku"]) == (
        "variation",
        448,
        variation["sku"],
    )
    assert product["_links"]["up"][0]["href"] == "https://shop.example/wp-json/wc/v3/products/448"


async def test_several_skus_may_be_asked_for_and_trash_is_not_found(
    front: Front, month: dict[str, Any]
) -> None:
    live = [p for p in month["products"] if p["status"] == "publish" and p["sku"]][:2]
    trashed = next(p for p in month["products"] if p["status"] == "trash")
    skus = ",".join(product["sku"] for product in [*live, trashed] if "," not in product["sku"])

    assert sorted(await listed(front, "/products", sku=skus)) == [p["id"] for p in live]


async def test_orders_are_filtered_by_status_and_customer(
    front: Front, month: dict[str, Any]
) -> None:
    completed = {o["id"] for o in month["orders"] if o["status"] == "completed"}
    failed = {o["id"] for o in month["orders"] if o["status"] == "failed"}
    customer = next(o["customer_id"] for o in month["orders"] if o["customer_id"])

    assert set(await listed(front, "/orders", status="completed,failed")) == completed | failed
    assert set(await listed(front, "/orders", customer=customer)) == {
        o["id"] for o in month["orders"] if o["customer_id"] == customer and o["status"] != "trash"
    }


async def test_past_the_last_page_orders_lose_their_count(front: Front) -> None:
    orders = await front.api.get("/orders", params={"page": 99})
    products = await front.api.get("/products", params={"page": 99})

    assert (orders.json(), orders.headers["X-WP-Total"]) == ([], "0")
    assert (products.json(), products.headers["X-WP-Total"]) == ([], "34")


async def test_lists_are_sorted_as_asked(front: Front) -> None:
    for orderby in ("id", "date", "modified", "title", "slug"):
        up = await listed(front, "/products", orderby=orderby, order="asc")
        assert sorted(up) == await listed(front, "/products", orderby="id", order="asc")
    chosen = [up[3], up[1]]
    assert await listed(front, "/products", include="415,413", orderby="include") == [415, 413]
    assert chosen[0] not in await listed(front, "/products", exclude=chosen[0])


async def test_products_are_found_by_words_slug_and_type(front: Front) -> None:
    product = (await front.api.get("/products/448")).json()

    assert 448 in await listed(front, "/products", search=product["name"][:6])
    assert await listed(front, "/products", slug=product["slug"]) == [448]
    assert 413 not in await listed(front, "/products", type="variable")


async def test_a_deleted_customer_leaves_guest_orders_without_an_event(front: Front) -> None:
    await front.subscribe("order.updated", "customer.deleted")
    order = next(o for o in front.shop.trade.orders if o.customer_id)
    await front.api.delete(f"/customers/{order.customer_id}", params={"force": True})

    assert (await front.api.get(f"/orders/{order.id}")).json()["customer_id"] == 0
    assert await front.flushed() == ["customer.deleted"]


@pytest.mark.parametrize("resource", ["product", "order", "coupon"])
async def test_deliveries_of_loaded_records_equal_what_is_read(
    front: Front, month: dict[str, Any], resource: str
) -> None:
    await front.subscribe(f"{resource}.updated")
    number = month[f"{resource}s"][0]["id"]
    front.shop.webhooks.emit(f"{resource}.updated", number)
    await front.flushed()

    assert front.receiver.bodies == [(await front.api.get(f"/{resource}s/{number}")).json()]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/products/9999", "woocommerce_rest_product_invalid_id"),
        ("/products/413/variations/449", "woocommerce_rest_invalid_variation_parent"),
        ("/products/448/variations/9999", "woocommerce_rest_product_variation_invalid_id"),
        ("/orders/9999", "woocommerce_rest_shop_order_invalid_id"),
        ("/orders/457/refunds/9999", "woocommerce_rest_shop_order_refund_invalid_id"),
        ("/coupons/9999", "woocommerce_rest_shop_coupon_invalid_id"),
        ("/taxes/9999", "woocommerce_rest_invalid_id"),
        ("/taxes/classes/none", "woocommerce_rest_tax_class_invalid_slug"),
        ("/settings/general/none", "rest_setting_setting_invalid"),
        ("/settings/none", "rest_setting_setting_group_invalid"),
        ("/customers/2/orders", "rest_no_route"),
    ],
)
async def test_what_is_not_there_is_a_404_of_its_kind(front: Front, path: str, code: str) -> None:
    answer = await front.api.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_settings_show_the_shop_s_values(front: Front) -> None:
    rounding = (await front.api.get("/settings/tax/woocommerce_tax_round_at_subtotal")).json()
    group = (await front.api.get("/settings/general")).json()

    assert (rounding["value"], rounding["type"]) == ("no", "checkbox")
    assert "woocommerce_currency" in {setting["id"] for setting in group}


async def test_coupons_and_refunds_are_readable_one_by_one(
    front: Front, month: dict[str, Any]
) -> None:
    coupon = month["coupons"][0]
    refund = month["refunds"]["457"][0]

    assert await listed(front, "/coupons", code=coupon["code"].upper()) == [coupon["id"]]
    shown = (await front.api.get(f"/orders/457/refunds/{refund['id']}")).json()
    assert shown["amount"] == refund["amount"]
    classes = (await front.api.get("/taxes/classes/zero-rate")).json()
    assert classes[0]["name"] == "Zero rate"


async def test_the_index_names_the_routes_without_a_key(front: Front) -> None:
    visitor = httpx.AsyncClient(transport=httpx.ASGITransport(front.app))
    root = (await visitor.get("https://shop.example/wp-json/")).json()
    shop = (await visitor.get("https://shop.example/wp-json/wc/v3")).json()

    assert "wc/v3" in root["namespaces"]
    assert shop["namespace"] == "wc/v3"
    assert "GET" in shop["routes"]["/wc/v3/customers/(?P<id>[\\d]+)"]["methods"]


async def test_plain_permalinks_reach_the_same_routes(front: Front) -> None:
    api = httpx.AsyncClient(transport=httpx.ASGITransport(front.app), auth=("ck_admin", "cs_admin"))
    query = {"rest_route": "/wc/v3/customers/208"}

    assert (await api.get("https://shop.example/", params=query)).json()["id"] == 208
    assert (await api.get("https://shop.example/my-account")).status_code == 404


async def test_a_shop_manager_may_read_everything(front: Front) -> None:
    api = front.client(MANAGER)
    for path in ("customers", "products", "orders", "coupons", "taxes", "taxes/classes"):
        assert (await api.get(f"/{path}")).status_code == 200

"""Orders as a sync meets them: how they are computed, and what an update does to their lines."""

from typing import Any

import pytest

from sandbox.woocommerce.php import integer
from tests.sandbox.woocommerce.orderdesk import GERMAN, Desk, line

pytestmark = pytest.mark.anyio

SHIPPING = {"method_id": "flat_rate", "method_title": "Post", "total": "4.90"}


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_lines_are_priced_and_taxed_by_the_shop(desk: Desk) -> None:
    order = await desk.order(line(1, 2), line(2), line(3), shipping_lines=[SHIPPING], total="1")

    assert [row["total_tax"] for row in order["line_items"]] == ["4.00", "1.10", "0.00"]
    assert (order["shipping_tax"], order["total_tax"], order["total"]) == ("0.98", "6.08", "100.98")
    assert [(t["rate_id"], t["tax_total"]) for t in order["tax_lines"]] == [
        (1, "4.00"),
        (2, "1.10"),
    ]


async def test_the_address_decides_the_rate_and_pickup_is_taxed_at_home(desk: Desk) -> None:
    pickup = {"method_id": "local_pickup", "total": "0"}

    german = await desk.order(line(1), billing=GERMAN)
    fetched = await desk.order(line(1), billing=GERMAN, shipping_lines=[pickup])
    shipped = await desk.order(line(1), shipping=GERMAN)
    nowhere = await desk.order(line(1), billing={})

    taxes = [order["total_tax"] for order in (german, fetched, shipped, nowhere)]
    assert taxes == ["1.90", "2.00", "1.90", "2.00"]


async def test_a_line_without_id_is_added_and_quantity_alone_changes_no_total(desk: Desk) -> None:
    order = await desk.order(line(1, 2))
    known = order["line_items"][0]["id"]

    added = await desk.put(order["id"], line_items=[line(2)])
    assert [row["product_id"] for row in added["line_items"]] == [1, 2]
    changed = await desk.put(order["id"], line_items=[{"id": known, "quantity": 9}])

    first = changed["line_items"][0]
    assert (first["quantity"], first["total"], changed["total"]) == (9, "20.00", added["total"])


@pytest.mark.parametrize("change", [{"quantity": 0}, {"product_id": None}, {"name": None}])
async def test_a_line_is_removed_by_nothing(desk: Desk, change: dict[str, Any]) -> None:
    order = await desk.order(line(1, 2), line(2), status="processing")
    assert await desk.stock() == 3

    left = await desk.put(order["id"], line_items=[{"id": order["line_items"][0]["id"], **change}])

    assert [row["product_id"] for row in left["line_items"]] == [2]
    assert await desk.stock() == 5


async def test_a_line_of_another_order_is_refused(desk: Desk) -> None:
    other, order = await desk.order(line(1)), await desk.order(line(2))

    body = {"line_items": [{"id": other["line_items"][0]["id"], "quantity": 3}]}
    answer = await desk.api.put(f"/orders/{order['id']}", json=body)

    assert answer.json()["code"] == "woocommerce_rest_invalid_item_id"


async def test_unknown_products_make_free_text_lines(desk: Desk) -> None:
    order = await desk.order(
        {"sku": "nope", "name": "By hand <b>", "total": "5", "subtotal": "5"}, line(999, total="1")
    )

    free, unknown = order["line_items"]
    assert (free["product_id"], free["name"], free["sku"]) == (0, "By hand <b>", None)
    assert (unknown["product_id"], unknown["name"], unknown["total_tax"]) == (0, "", "0.20")


async def test_a_line_names_a_product_or_a_known_tax_class(desk: Desk) -> None:
    for item, code in (
        ({"name": "free", "total": "1"}, "woocommerce_rest_required_product_reference"),
        (line(0), "woocommerce_rest_required_product_reference"),
        (line(1, tax_class="nope"), "order_item_product_invalid_tax_class"),
    ):
        answer = await desk.api.post("/orders", json={"line_items": [item]})
        assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_billing_is_merged_and_a_customer_lends_its_address(desk: Desk) -> None:
    order = await desk.order(customer_id=5, billing={"city": "Lyon", "first_name": "Ann"})
    assert order["billing"]["email"] == "ann@shop.example"

    changed = await desk.put(order["id"], billing={"city": "Nice"})

    assert (changed["billing"]["city"], changed["billing"]["first_name"]) == ("Nice", "Ann")


async def test_coupons_of_an_update_are_spread_anew_over_manual_totals(desk: Desk) -> None:
    order = await desk.order(line(1, 2), line(2), coupon_lines=[{"code": "TENTH"}])
    assert (order["discount_total"], order["coupon_lines"][0]["discount"]) == ("4.00", "4")
    first = order["line_items"][0]["id"]
    manual = await desk.put(order["id"], line_items=[{"id": first, "total": "7.00"}])
    assert manual["line_items"][0]["total"] == "7.00"

    again = await desk.put(order["id"], coupon_lines=[{"code": "five"}])

    assert [row["total"] for row in again["line_items"]] == ["16.67", "18.33"]
    assert [row["code"] for row in again["coupon_lines"]] == ["five"]
    without = await desk.put(order["id"], coupon_lines=[])
    assert (without["discount_total"], without["line_items"][0]["total"]) == ("0.00", "20.00")


async def test_coupons_are_known_and_used_once(desk: Desk) -> None:
    for lines in ([{"code": "nope"}], [{"code": "five"}, {"code": "FIVE"}]):
        answer = await desk.api.post(
            "/orders", json={"line_items": [line(1)], "coupon_lines": lines}
        )
        assert answer.json()["code"] == "woocommerce_rest_invalid_coupon"
    by_id = await desk.api.post("/orders", json={"coupon_lines": [{"id": 3, "code": "five"}]})
    assert by_id.json()["code"] == "woocommerce_rest_coupon_item_id_readonly"


async def test_a_negative_fee_takes_tax_off_but_never_more_than_there_is(desk: Desk) -> None:
    fee = {"name": "Rebate", "total": "-5"}
    order = await desk.order(line(1), fee_lines=[fee])
    assert (order["fee_lines"][0]["total_tax"], order["total"]) == ("-1.00", "6.00")

    much = await desk.order(line(1), fee_lines=[{**fee, "total": "-500"}])

    assert (much["fee_lines"][0]["total"], much["total"]) == ("-10.00", "0.00")


async def test_a_fee_that_is_no_number_dies_but_is_written(desk: Desk) -> None:
    order = await desk.order(line(1), fee_lines=[{"name": "Fee", "total": "3"}])
    fee = {"id": order["fee_lines"][0]["id"], "total": "abc"}

    answer = await desk.api.put(f"/orders/{order['id']}", json={"fee_lines": [fee]})

    assert answer.status_code == 500
    assert (await desk.read(order["id"]))["fee_lines"][0]["total"] == "0.00"


async def test_decimals_follow_the_shop_and_currencies_the_order(desk: Desk) -> None:
    order = await desk.order(line(1, 3, total="10.0049", subtotal="10.0049"), currency="JPY")
    exact = (await desk.api.get(f"/orders/{order['id']}", params={"dp": 4})).json()

    assert (order["currency_symbol"], order["total"]) == ("¥", "12.00")
    assert exact["line_items"][0]["total"] == "10.0049"
    changed = await desk.put(order["id"], currency="USD")
    assert (changed["currency"], changed["total"]) == ("USD", "12.00")


async def test_the_creator_may_be_named_but_only_when_creating(desk: Desk) -> None:
    order = await desk.order(line(1), created_via="vtiger-sync")
    changed = await desk.put(order["id"], created_via="other")

    assert changed["created_via"] == "vtiger-sync"
    assert (await desk.order(line(1)))["created_via"] == "rest-api"


async def test_batches_of_orders_check_no_types(desk: Desk) -> None:
    order = await desk.order(line(1))
    items = [
        {"id": order["id"], "billing": {"city": 42, "company": None}},
        {"id": 4711, "status": "completed"},
    ]

    answer = (await desk.api.post("/orders/batch", json={"update": items})).json()["update"]

    assert answer[0]["billing"]["city"] == "42"
    assert answer[1]["error"]["code"] == "woocommerce_rest_shop_order_invalid_id"


async def test_modified_after_finds_the_changed_ones_and_loses_them_with_both_zones(
    desk: Desk,
) -> None:
    first = await desk.order(line(1))
    desk.front.clock.pass_seconds(60)
    second = await desk.order(line(1))
    moment = first["date_modified_gmt"]

    async def listed(**params: Any) -> list[int]:
        rows = (await desk.api.get("/orders", params=params)).json()
        return [integer(row["id"]) for row in rows]

    assert await listed(modified_after=moment, dates_are_gmt="true") == [second["id"]]
    assert await listed(modified_after=f"{moment}Z") == [second["id"]]
    assert await listed(modified_after=f"{moment}Z", dates_are_gmt="true") == []


async def test_a_half_cent_shows_by_the_settings_of_the_day(desk: Desk) -> None:
    order = await desk.order(line(1, total="40.375", subtotal="40.375"))
    assert order["line_items"][0]["total_tax"] == "8.08"

    await desk.api.put("/settings/tax/woocommerce_prices_include_tax", json={"value": "yes"})

    assert (await desk.read(order["id"]))["line_items"][0]["total_tax"] == "8.07"

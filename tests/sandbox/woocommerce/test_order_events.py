"""What orders bring about: stock that moves, refunds, deletions, and who is told of it."""

import pytest

from tests.sandbox.woocommerce.orderdesk import Desk, line

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_paid_order_takes_stock_counts_sales_and_marks_its_customer(desk: Desk) -> None:
    await desk.front.subscribe(
        "order.created", "order.updated", "product.updated", "customer.updated"
    )
    order = await desk.order(line(1, 2), customer_id=5, set_paid=True, transaction_id="T-1")

    told = ["order.created", "order.updated", "product.updated", "customer.updated"]
    assert await desk.front.flushed() == told
    assert (order["status"], order["transaction_id"]) == ("processing", "T-1")
    assert order["date_paid"] is not None
    product = (await desk.api.get("/products/1")).json()
    assert (product["stock_quantity"], product["total_sales"]) == (3, 2)
    assert (await desk.api.get("/customers/5")).json()["is_paying_customer"] is True


async def test_cash_on_delivery_is_paid_once_completed(desk: Desk) -> None:
    order = await desk.order(line(1), payment_method="cod", status="processing")
    assert order["date_paid"] is None

    completed = await desk.put(order["id"], status="completed")

    assert completed["date_paid"] == completed["date_completed"] is not None


async def test_a_cancelled_order_gives_its_stock_back_once(desk: Desk) -> None:
    order = await desk.order(line(1, 2), status="on-hold")
    assert await desk.stock() == 3

    for status in ("cancelled", "pending", "cancelled"):
        await desk.put(order["id"], status=status)

    assert await desk.stock() == 5
    assert (await desk.api.get("/products/1")).json()["total_sales"] == 0


async def test_changing_a_line_of_a_processing_order_moves_the_difference(desk: Desk) -> None:
    order = await desk.order(line(1, 2), status="processing")

    await desk.put(order["id"], line_items=[{"id": order["line_items"][0]["id"], "quantity": 4}])
    assert await desk.stock() == 1
    await desk.put(order["id"], line_items=[line(1, 1)])

    assert await desk.stock() == 0


async def test_notes_and_refund_deletes_are_silent(desk: Desk) -> None:
    order = await desk.order(line(1))
    refund = (await desk.api.post(f"/orders/{order['id']}/refunds", json={"amount": "1"})).json()
    modified = (await desk.read(order["id"]))["date_modified"]
    await desk.front.subscribe("order.updated")
    desk.front.clock.pass_seconds(60)

    path = f"/orders/{order['id']}"
    await desk.api.post(f"{path}/notes", json={"note": "called", "customer_note": True})
    await desk.api.delete(f"{path}/refunds/{refund['id']}", params={"force": True})

    assert await desk.front.flushed() == []
    after = await desk.read(order["id"])
    assert (after["date_modified"], after["refunds"]) == (modified, [])


async def test_refunds_bring_goods_back_and_a_full_one_ends_the_order(desk: Desk) -> None:
    order = await desk.order(line(1, 2), status="processing")
    await desk.front.subscribe("order.updated", "product.updated")
    known = order["line_items"][0]["id"]
    taxes = [{"id": 1, "refund_total": 2.0}]
    piece = {"id": known, "quantity": 1, "refund_total": 10.0, "refund_tax": taxes}
    body = {"amount": "12.00", "reason": "broken", "line_items": [piece]}

    refund = await desk.api.post(f"/orders/{order['id']}/refunds", json=body)

    assert refund.json()["line_items"][0]["total_tax"] == "-2.00"
    assert await desk.stock() == 4
    assert await desk.front.flushed() == ["product.updated", "order.updated"]
    partly = await desk.read(order["id"])
    assert (partly["status"], partly["total"]) == ("processing", "24.00")
    assert partly["refunds"][0]["total"] == "-12.00"
    await desk.api.post(f"/orders/{order['id']}/refunds", json={"amount": "12"})
    assert (await desk.read(order["id"]))["status"] == "refunded"


async def test_the_status_refunded_refunds_what_is_left_and_no_more_can_be(desk: Desk) -> None:
    order = await desk.order(line(1), status="processing")
    refunded = await desk.put(order["id"], status="refunded")
    assert [r["reason"] for r in refunded["refunds"]] == ["Order fully refunded."]

    answer = await desk.api.post(f"/orders/{order['id']}/refunds", json={"amount": "1"})

    assert (answer.status_code, answer.json()["data"]) == (500, 500)


async def test_trash_restore_and_forced_delete_of_an_order(desk: Desk) -> None:
    topics = ("order.updated", "order.deleted", "order.restored", "action.woocommerce_delete_order")
    order_id = (await desk.order(line(1)))["id"]
    await desk.front.subscribe(*topics)

    answer = await desk.api.delete(f"/orders/{order_id}")
    assert (answer.json()["status"], await desk.front.flushed()) == ("pending", ["order.deleted"])
    assert (await desk.api.delete(f"/orders/{order_id}")).status_code == 410
    await desk.put(order_id, customer_note="still here")
    await desk.put(order_id, status="processing")
    assert await desk.front.flushed() == []
    await desk.api.delete(f"/orders/{order_id}")
    desk.front.shop.admin.restore_order(order_id)
    await desk.api.delete(f"/orders/{order_id}", params={"force": True})

    assert await desk.front.flushed() == [
        "order.deleted",
        "order.restored",
        "action.woocommerce_delete_order",
    ]


async def test_an_order_that_leaves_its_draft_is_created_again(desk: Desk) -> None:
    order = await desk.order(line(1), status="checkout-draft")
    await desk.front.subscribe("order.created", "order.updated")

    await desk.put(order["id"], status="pending")

    assert await desk.front.flushed() == ["order.created"]


async def test_a_deleted_product_leaves_nameless_ids_and_names(desk: Desk) -> None:
    order = await desk.order(line(1), line(2))
    await desk.front.subscribe("order.updated")

    await desk.api.delete("/products/1", params={"force": True})

    gone = (await desk.read(order["id"]))["line_items"][0]
    assert (gone["product_id"], gone["sku"], gone["name"]) == (0, None, "Mug")
    assert await desk.front.flushed() == []


async def test_a_deleted_customer_leaves_modified_guest_orders_untold(desk: Desk) -> None:
    order = await desk.order(line(1), customer_id=5)
    await desk.front.subscribe("order.updated")
    desk.front.clock.pass_seconds(60)

    await desk.api.delete("/customers/5", params={"force": True})

    after = await desk.read(order["id"])
    assert (after["customer_id"], await desk.front.flushed()) == (0, [])
    assert after["date_modified"] > order["date_modified"]

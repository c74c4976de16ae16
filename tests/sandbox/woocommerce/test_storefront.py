"""Customers at the checkout and staff in wp-admin: orders that tell of their update first."""

import pytest

from sandbox.woocommerce.storefront import Purchase
from tests.sandbox.woocommerce.orderdesk import FRENCH, Desk

pytestmark = pytest.mark.anyio

TOPICS = (
    "customer.created",
    "customer.updated",
    "order.created",
    "order.updated",
    "product.updated",
)
BUYER = {**FRENCH, "first_name": "Zoë", "last_name": "Müller", "company": "Ü & Co"}
PURCHASE = Purchase(billing={**BUYER, "email": "zoe@mail.example"}, shipping_total="5")


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_guest_checkout_is_updated_before_it_is_created(desk: Desk) -> None:
    await desk.front.subscribe(*TOPICS)
    order = desk.front.shop.storefront.checkout([(1, 2)], PURCHASE)

    told = await desk.front.flushed()

    assert told == ["order.updated", "order.created", "product.updated"]
    shown = await desk.read(order.id)
    assert (shown["status"], shown["created_via"]) == ("processing", "store-api")
    assert (shown["total"], shown["total_tax"], shown["date_paid"]) == ("30.00", "5.00", None)
    assert shown["billing"]["company"] == "Ü &amp; Co"
    assert "email" not in shown["shipping"]


async def test_opening_the_checkout_tells_of_a_draft(desk: Desk) -> None:
    await desk.front.subscribe(*TOPICS)
    draft = desk.front.shop.storefront.open_checkout([(1, 1)])
    assert await desk.front.flushed() == ["order.updated"]
    assert desk.front.receiver.bodies[0]["status"] == "checkout-draft"

    desk.front.shop.storefront.place(draft, PURCHASE)

    assert await desk.front.flushed() == ["order.updated", "order.created", "product.updated"]


async def test_who_registers_at_the_checkout_is_told_after_the_order(desk: Desk) -> None:
    await desk.front.subscribe(*TOPICS)
    order = desk.front.shop.storefront.checkout([(2, 1)], PURCHASE, create_account=True)

    told = await desk.front.flushed()

    assert told == ["order.updated", "customer.created", "customer.updated", "order.created"]
    customer = (await desk.api.get(f"/customers/{order.customer_id}")).json()
    assert (customer["email"], customer["username"]) == ("zoe@mail.example", "zoe.muller")


async def test_a_registered_customer_may_use_a_coupon_and_pay_by_transfer(desk: Desk) -> None:
    purchase = Purchase(billing=BUYER, payment_method="bacs", coupons=("tenth",))

    order = desk.front.shop.storefront.checkout([(2, 2)], purchase, customer_id=5)

    shown = await desk.read(order.id)
    assert (shown["status"], shown["discount_total"]) == ("on-hold", "4.00")
    assert shown["billing"]["email"] == "ann@shop.example"


async def test_an_order_of_the_admin_has_no_total_until_it_is_recalculated(desk: Desk) -> None:
    await desk.front.subscribe(*TOPICS)
    admin = desk.front.shop.admin
    order = admin.create_order([(1, 1)], customer_id=5, billing=BUYER, status="processing")

    assert await desk.front.flushed() == ["order.updated", "order.created", "product.updated"]
    created = await desk.read(order.id)
    assert (created["created_via"], created["total"]) == ("admin", "0.00")
    admin.recalculate_order(order.id)

    assert (await desk.read(order.id))["total"] == "12.00"
    assert await desk.front.flushed() == ["order.updated"]

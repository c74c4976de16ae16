"""Vtiger orders as WooCommerce writes: new ones, and changes of what is there."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.mapping.values import Patch, Value
from app.modules.orders.lines import Buyer, OrderRefs, WooItem, vtiger_sold, woo_sold
from app.modules.orders.mapping import vtiger_order, woo_order
from app.modules.orders.to_woocommerce import adjusting_fee, total_delta, woo_order_patch
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.orders import (
    FEE_SERVICE,
    PLACEHOLDER,
    made_item,
    made_line,
    made_order,
    made_sales_order,
    recorded_orders,
    refs_for,
)

ITEMS = {"14x5": WooItem("5"), "14x6": WooItem("61", parent_id="6"), "14x50": WooItem("5")}
REFS = OrderRefs("main", PLACEHOLDER, FEE_SERVICE, "EUR", "21x1", items=ITEMS)


def created(record: VtigerRecord, buyer: Buyer | None = None) -> Patch:
    values = vtiger_order(record, REFS).values
    return woo_order_patch(values, REFS, current=None, buyer=buyer)


def reasons(patch: Patch) -> list[tuple[str, str]]:
    return [(note.field, note.reason) for note in patch.notes]


def test_a_new_vtiger_order_is_a_whole_woocommerce_order() -> None:
    record = made_sales_order(
        made_item(discount_amount="1.00000000"),
        made_item(productid="14x6", quantity="1.000"),
        made_item(productid="26x3", entity_type="Services", product_name="Set up", quantity="1"),
        sostatus="Approved",
        hdnS_H_Amount="7.50000000",
        description="by phone",
        subject="Order of Ann",
        bill_street="1 Way\nback door",
        bill_city="Los Angeles",
        bill_state="California",
        bill_country="United States",
        ship_street="-",
    )
    buyer = Buyer("8", "Ann", "B", "", "ann@x.example", "123")
    patch = created(record, buyer)
    assert patch.notes == ()
    assert patch.body == {
        "created_via": "vtiger-sync",
        "status": "processing",
        "currency": "EUR",
        "customer_id": 8,
        "customer_note": "by phone",
        "billing": {
            "address_1": "1 Way",
            "address_2": "back door",
            "city": "Los Angeles",
            "state": "CA",
            "country": "US",
            "first_name": "Ann",
            "last_name": "B",
            "email": "ann@x.example",
            "phone": "123",
        },
        "line_items": [
            {"product_id": 5, "quantity": 2, "subtotal": "20", "total": "19"},
            {"product_id": 6, "variation_id": 61, "quantity": 1, "subtotal": "10", "total": "10"},
        ],
        "fee_lines": [{"name": "Set up", "total": "10"}],
        "shipping_lines": [{"method_id": "flat_rate", "method_title": "Shipping", "total": "7.5"}],
    }


def test_a_buyer_whose_address_woocommerce_refuses_goes_without_it() -> None:
    patch = created(made_sales_order(made_item()), Buyer(email="a&b@x.example", phone="1" * 101))
    assert "billing" not in patch.body
    assert "customer_id" not in patch.body


@pytest.mark.parametrize("quantity", ["0.000", "1.500"])
def test_a_quantity_that_woocommerce_does_not_take_leaves_the_lines_alone(quantity: str) -> None:
    patch = created(made_sales_order(made_item(), made_item(quantity=quantity)))
    assert reasons(patch) == [("lines", "not_integer")]
    assert patch.unwritten == {"lines"}
    assert "line_items" not in patch.body


def test_a_product_that_the_shop_does_not_have_leaves_the_lines_alone() -> None:
    patch = created(made_sales_order(made_item(), made_item(productid="14x999")))
    assert reasons(patch) == [("lines", "unknown_product")]
    assert "line_items" not in patch.body


def changed(order: WooRecord, **changes: Value) -> Patch:
    return woo_order_patch(changes, refs_for(order), current=order)


def with_lines(order: WooRecord, *lines: Any, **changes: Any) -> str:
    """The neutral lines of an order of those rows."""
    other = WooRecord({**order.data, "line_items": list(lines), **changes})
    return woo_sold(other, refs_for(order)).to_text()


@pytest.mark.parametrize(
    ("held", "wanted", "expected"),
    [
        ("pending", "Created", None),
        ("on-hold", "Created", None),
        ("refunded", "Cancelled", None),
        ("failed", "Cancelled", None),
        ("processing", "Created", "on-hold"),
        ("pending", "Approved", "processing"),
        ("awaiting-parcel", "Delivered", "completed"),
        ("processing", "Cancelled", "cancelled"),
    ],
)
def test_a_status_is_only_written_where_the_present_one_means_another(
    held: str, wanted: str, expected: str | None
) -> None:
    assert changed(made_order(status=held), status=wanted).body.get("status") == expected


def test_a_status_of_the_crms_own_is_left_alone_and_told() -> None:
    patch = changed(made_order(status="pending"), status="Awaiting stock")
    assert (patch.body, reasons(patch)) == ({}, [("status", "status_not_mapped")])


def test_a_change_that_woocommerce_has_no_place_for_is_told() -> None:
    order = made_order()
    patch = changed(order, lines=with_lines(order, made_line(), total="12.00"))
    assert patch.body == {}
    assert patch.unwritten == {"lines"}
    assert reasons(patch) == [("lines", "unsafe_in_woocommerce")]


def test_a_shipping_address_that_was_the_billing_one_becomes_a_whole_one() -> None:
    billing = {"address_1": "1 Way", "city": "Los Angeles", "state": "CA", "country": "US"}
    order = made_order(billing=billing, shipping={"first_name": "Ann", "address_1": ""})
    patch = changed(order, shipping_city="San Diego")
    assert patch.body == {
        "shipping": {"address_1": "1 Way", "city": "San Diego", "state": "CA", "country": "US"}
        | {"address_2": ""}
    }
    assert changed(order, shipping_city="Los Angeles").body == {}


def test_texts_stay_as_they_are_unless_woocommerce_would_change_them() -> None:
    order = made_order(customer_note="", billing={"city": "Rome"})
    patch = changed(order, note="a \\ b & <b>c</b>", billing_city="x &amp;amp; y")
    assert patch.body == {"customer_note": "a \\ b & <b>c</b>"}
    assert patch.unwritten == {"billing_city"}
    assert changed(order, note="x" * 70_000).unwritten == {"note"}


def test_an_emoji_survives_an_edit_in_vtiger() -> None:
    order = made_order(customer_note="Hi \U0001f600!")
    assert changed(order, note="Hi there \ufffd!").body == {"customer_note": "Hi there \U0001f600!"}


def test_what_was_read_and_is_written_back_changes_nothing() -> None:
    for name, order in recorded_orders():
        refs = refs_for(order)
        values = woo_order(order, refs).values
        patch = woo_order_patch(values, refs, current=order)
        assert patch.body == {}, (name, order.id)


def test_a_differing_total_is_told_and_can_be_levelled_by_a_fee() -> None:
    record = made_sales_order(hdnGrandTotal="12.34000000")
    delta = total_delta(made_order(), record)
    assert delta == Decimal("2.34")
    fee = {"name": "Adjustment from Vtiger", "total": "2.34", "tax_status": "none"}
    assert adjusting_fee(delta, places=2) == {"fee_lines": [fee]}


def test_an_order_made_from_vtiger_reads_the_same() -> None:
    record = made_sales_order(made_item(comment="Thing"), hdnGrandTotal="20", hdnS_H_Amount="0")
    body = created(record).body
    rows = [{"id": 1, "name": "Thing", "variation_id": 0, **row} for row in body["line_items"]]
    order = WooRecord({**body, "id": 3, "line_items": rows, "total": "20.00"})
    refs = replace(REFS, products={"5": "14x5"})
    assert woo_sold(order, refs) == vtiger_sold(record, refs)

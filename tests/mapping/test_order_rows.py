"""Changed lines, fees and shipping of an order as WooCommerce rows."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.modules.orders.lines import Sold, WooItem, woo_sold
from app.modules.orders.to_woocommerce import woo_order_patch
from app.woocommerce.schemas import WooRecord
from tests.mapping.generated_orders import orders
from tests.mapping.orders import (
    PLACEHOLDER,
    after_put,
    made_line,
    made_order,
    recorded_order,
    refs_for,
)
from tests.mapping.test_order_back import changed, with_lines


def test_lines_are_addressed_by_id_added_and_removed() -> None:
    order = recorded_order("order_create_full_excl_tax")
    first, second = order.data["line_items"]
    more = {**first, "quantity": 4, "subtotal": "86.00", "total": "80.00"}
    new = {**second, "name": "T-shirt - Bleu, M", "quantity": 1, "subtotal": "11", "total": "11"}
    text = with_lines(order, more, second, new)
    patch = changed(order, lines=text)
    assert patch.body == {
        "line_items": [
            {"id": 1, "quantity": 4, "subtotal": "86", "total": "80"},
            {"product_id": 17, "variation_id": 19, "quantity": 1, "subtotal": "11", "total": "11"},
        ]
    }
    patch = changed(order, lines=with_lines(order, second))
    assert patch.body == {"line_items": [{"id": 1, "quantity": 0}]}


def test_fees_are_changed_by_id_removed_by_a_name_of_null_and_negative_ones_stay() -> None:
    fees = [
        {"id": 3, "name": "Wrap", "total": "2.00"},
        {"id": 4, "name": "Gone", "total": "1.00"},
        {"id": 5, "name": "Bonus", "total": "-3.00"},
    ]
    order = made_order(fee_lines=fees)
    dearer = {**fees[0], "total": "2.50"}
    patch = changed(order, lines=with_lines(order, made_line(), fee_lines=[dearer]))
    assert patch.body == {
        "fee_lines": [{"id": 3, "name": "Wrap", "total": "2.5"}, {"id": 4, "name": None}]
    }
    more = [*fees, {"name": "New", "total": "4.00"}]
    patch = changed(order, lines=with_lines(order, made_line(), fee_lines=more))
    assert patch.body == {"fee_lines": [{"name": "New", "total": "4"}]}


@pytest.mark.parametrize(
    ("held", "wanted", "expected"),
    [
        ([], "0", []),
        ([], "5", [{"method_id": "flat_rate", "method_title": "Shipping", "total": "5"}]),
        (["5.00"], "5", []),
        (["5.00"], "0", [{"id": 1, "total": "0"}]),
        (["5.00", "2.50"], "9", [{"id": 1, "total": "6.5"}]),
        (["5.00", "2.50"], "2", [{"id": 1, "total": "2"}, {"id": 2, "total": "0"}]),
    ],
)
def test_shipping_comes_to_what_vtiger_says(
    held: list[str], wanted: str, expected: list[dict[str, Any]]
) -> None:
    rows = [{"id": number, "total": total} for number, total in enumerate(held, start=1)]
    total = str(sum(map(Decimal, held)))
    order = made_order(shipping_lines=rows, shipping_total=total)
    text = with_lines(order, made_line(), shipping_total=wanted)
    assert changed(order, lines=text).body.get("shipping_lines", []) == expected


def test_a_line_on_the_placeholder_keeps_its_row() -> None:
    order = made_order(line_items=[made_line(product_id=0, name="Old"), made_line(id=2)])
    gone = with_lines(order, made_line(product_id=0, name="Old", quantity=3))
    assert changed(order, lines=gone).body == {
        "line_items": [
            {"id": 1, "quantity": 3, "subtotal": "10", "total": "10"},
            {"id": 2, "quantity": 0},
        ]
    }


@given(orders(), st.data())
@settings(max_examples=100, deadline=None)
def test_what_was_written_is_what_is_read(order: WooRecord, data: st.DataObject) -> None:
    """Any other order's lines, of products that the shop has, brought into this one."""
    other = data.draw(orders())
    refs = refs_for(other, decimals=3)
    items = {**refs.items, PLACEHOLDER: WooItem("0")}
    known = replace(refs, items=items)
    wanted = Sold.from_text(woo_sold(other, refs).to_text())
    patch = woo_order_patch({"lines": wanted.to_text()}, known, current=order)
    found = woo_sold(after_put(order, patch.body), refs)
    assert sorted((g.product, g.quantity, g.subtotal, g.total) for g in found.goods) == sorted(
        (g.product, g.quantity, g.subtotal, g.total) for g in wanted.goods
    )
    assert sorted(fee.total for fee in found.fees) == sorted(fee.total for fee in wanted.fees)
    assert found.shipping == wanted.shipping

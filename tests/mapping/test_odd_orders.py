"""Orders of public bug reports, as plug-ins and PHP make them: each arrives right, or is named."""

from typing import Any

import pytest

from app.domain import RecordUnreadable
from app.modules.contacts.mapping import CONTACT_RULES, woo_contact
from app.modules.orders.lines import Sold, SoldLine
from app.modules.orders.mapping import account_name, woo_order
from app.modules.orders.to_vtiger import OrderPlan, plan_order
from app.modules.orders.to_woocommerce import woo_order_patch
from app.woocommerce.schemas import WooCustomer, WooOrder
from tests.cases import case
from tests.mapping.orders import TAX_FIELDS, refs_for


def planned(data: dict[str, Any]) -> OrderPlan:
    order = WooOrder.parse(data).checked()
    return plan_order(order, refs_for(order))


@pytest.mark.parametrize(
    ("name", "place"), [("amount-null", "total"), ("amount-with-comma", "total")]
)
def test_an_amount_that_is_no_number_fails_its_order(name: str, place: str) -> None:
    with pytest.raises(RecordUnreadable, match="order 501 of WooCommerce") as caught:
        planned(case(name).feed["order"])
    assert (caught.value.record_id, caught.value.place) == ("501", place)


@pytest.mark.parametrize("name", ["billing-empty-list", "billing-without-street"])
def test_an_order_without_an_address_has_the_stand_ins(name: str) -> None:
    order = WooOrder.parse(case(name).feed["order"]).checked()
    fields = plan_order(order, refs_for(order)).fields
    assert (fields["bill_street"], fields["ship_street"]) == ("-", "-")
    assert account_name(order) == ("Guest" if "empty" in name else "Mia Sample")


@pytest.mark.parametrize("billing", [None, [], {}, "", {"address_1": None}, {"address_1": ""}])
@pytest.mark.parametrize("shipping", [None, [], {"address_1": "", "city": None}])
def test_absent_null_and_empty_addresses_are_alike(billing: Any, shipping: Any) -> None:
    fields = planned(
        {**case("amount-null").feed["order"], "total": "30.00"}
        | {
            "billing": billing,
            "shipping": shipping,
        }
    ).fields
    assert (fields["bill_street"], fields["ship_street"]) == ("-", "-")


def test_an_order_whose_lines_have_a_gap_keeps_its_line_and_is_not_doubled() -> None:
    order = WooOrder.parse(case("line-items-gaps").feed["order"]).checked()
    refs = refs_for(order)
    plan = plan_order(order, refs)
    [line] = plan.fields["LineItems"]
    assert (line["quantity"], line["listprice"]) == ("1", "30")
    assert plan.fields["txtAdjustment"] == "0"

    sold = Sold.from_text(woo_order(order, refs).values["lines"] or "")
    [held] = sold.goods
    mended = SoldLine(held.product, held.text, "2", "36", "36")
    changes = {"lines": Sold((mended,), sold.shipping, "36").to_text()}
    rows = woo_order_patch(changes, refs, current=order).body["line_items"]
    assert rows == [{"id": 11, "quantity": 2, "subtotal": "36", "total": "36"}]


def test_a_gap_in_a_lines_meta_keeps_what_it_says() -> None:
    plan = planned(case("line-meta-gaps").feed["order"])
    assert "Engraving: For Mia" in plan.fields["LineItems"][0]["comment"]


def test_meta_rows_that_are_no_objects_are_left_out() -> None:
    order = WooOrder.parse(case("line-meta-rows-empty-lists").feed["order"]).checked()
    assert plan_order(order, refs_for(order)).fields["LineItems"][0]["comment"] == "Tea"
    assert order.dropped == tuple(f"line_items[0].meta_data[{index}]" for index in (0, 1))


def test_a_gap_in_the_refunds_keeps_them() -> None:
    order = WooOrder.parse(case("refunds-gaps").feed["order"]).checked()
    assert woo_order(order, refs_for(order)).values["refunded"] == "5.00 EUR"
    described = plan_order(order, refs_for(order)).fields["description"]
    assert described == "Refunded in WooCommerce: 5.00 EUR"


def test_a_gap_in_the_tax_lines_keeps_the_tax() -> None:
    order = WooOrder.parse(case("tax-lines-gaps").feed["order"]).checked()
    plan = plan_order(order, refs_for(order))
    [line] = plan.fields["LineItems"]
    assert {line[name] for name in TAX_FIELDS} == {"20", "0"}
    assert plan.money is not None
    assert plan.money.predicted.grand_total == 36
    assert (plan.fields["txtAdjustment"], plan.notes) == ("0", ())


def test_a_customers_meta_rows_that_are_no_objects_are_left_out() -> None:
    customer = WooCustomer.parse(case("customer-meta-rows-empty-lists").feed["customer"]).checked()
    assert woo_contact(customer, CONTACT_RULES).get("last_name") == "Sample"
    assert customer.dropped == ("meta_data[0]", "meta_data[1]")


def test_a_null_row_beside_lines_that_add_up_is_left_out() -> None:
    data = case("line-items-gaps").feed["order"]
    lines = [None, data["line_items"]["1"], []]
    order = WooOrder.parse({**data, "line_items": lines}).checked()
    assert order.dropped == ("line_items[0]", "line_items[2]")
    assert len(plan_order(order, refs_for(order)).fields["LineItems"]) == 1


def test_a_line_of_which_nothing_is_left_is_not_taken_for_none() -> None:
    data = {**case("line-items-gaps").feed["order"], "line_items": [None]}
    with pytest.raises(RecordUnreadable, match=r"line_items\[0\] is missing"):
        WooOrder.parse(data).checked()


@pytest.mark.parametrize("lines", [None, "", "none", 0, {"a": {}}])
def test_lines_that_cannot_be_read_are_not_taken_for_none(lines: Any) -> None:
    with pytest.raises(RecordUnreadable, match="line_items"):
        WooOrder.parse({**case("line-items-gaps").feed["order"], "line_items": lines}).checked()


@pytest.mark.parametrize("total", ["30,00", None, "", "NaN", "1e999", "3" * 80, [], {}, True])
def test_a_lines_total_that_is_no_number_fails_its_order(total: Any) -> None:
    data = case("line-items-gaps").feed["order"]
    line = {**data["line_items"]["1"], "total": total}
    with pytest.raises(RecordUnreadable, match=r"line_items\[0\]\.total"):
        WooOrder.parse({**data, "line_items": [line]}).checked()

"""Orders of both systems in neutral space: equal after a sync, whichever way it went."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mapping.values import Mapped
from app.modules.orders.lines import (
    UNKNOWN_PRODUCT,
    OrderRefs,
    Sold,
    SoldLine,
    kept_products,
    vtiger_sold,
)
from app.modules.orders.mapping import (
    ORDER_RULES,
    account_name,
    find_order_id,
    join_description,
    order_refusal,
    purchase_order,
    split_description,
    vtiger_order,
    woo_order,
)
from app.modules.orders.to_vtiger import plan_order
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.generated_orders import orders
from tests.mapping.orders import (
    FEE_SERVICE,
    PLACEHOLDER,
    made_item,
    made_line,
    made_order,
    made_sales_order,
    month_orders,
    read_lines,
    recorded_order,
    recorded_orders,
    refs_for,
    retrieved,
)

RECORDINGS = Path(__file__).parents[1] / "recordings"


def differing(woo: Mapped, vtiger: Mapped) -> list[tuple[str, str | None, str | None]]:
    found = ((rule, woo.get(rule.name), vtiger.get(rule.name)) for rule in ORDER_RULES)
    return [(rule.name, w, v) for rule, w, v in found if w is not None and not rule.same(w, v)]


def apart_after_sync(order: WooRecord, refs: OrderRefs) -> list[tuple[str, str | None, str | None]]:
    """What differs once the order was created in Vtiger, but for what a note tells of."""
    plan = plan_order(order, refs)
    record = retrieved(plan.fields, refs)
    after = vtiger_order(record, refs, account=account_name(order))
    altered = {note.field for note in plan.notes} - {"lines"}
    found = differing(woo_order(order, refs), after)
    return [difference for difference in found if difference[0] not in altered]


def test_every_recorded_order_reads_the_same_after_its_sync() -> None:
    for name, order in recorded_orders():
        assert apart_after_sync(order, refs_for(order)) == [], (name, order.id)


@given(orders())
@settings(max_examples=100, deadline=None)
def test_put_get_of_any_order(order: WooRecord) -> None:
    assert apart_after_sync(order, refs_for(order)) == []


@given(orders())
@settings(max_examples=50, deadline=None)
def test_the_composite_is_its_own_text(order: WooRecord) -> None:
    text = woo_order(order, refs_for(order)).get("lines")
    assert text is not None
    assert Sold.from_text(text).to_text() == text


def test_the_order_of_lines_is_no_difference() -> None:
    one, two = made_line(name="A"), made_line(id=2, name="B")
    refs = refs_for(made_order(line_items=[one, two]))
    texts = {
        woo_order(made_order(line_items=rows), refs).get("lines")
        for rows in ([one, two], [two, one])
    }
    assert len(texts) == 1


def value(order: WooRecord, name: str, **changes: Any) -> str | None:
    return woo_order(order, refs_for(order, **changes)).get(name)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("pending", "Created"), ("on-hold", "Created"), ("processing", "Approved"),
        ("completed", "Delivered"), ("cancelled", "Cancelled"), ("refunded", "Cancelled"),
        ("failed", "Cancelled"), ("awaiting-parcel", None), ("trash", None),
    ],
)  # fmt: skip
def test_status_is_vtigers_word_and_unknown_ones_say_nothing(
    status: str, expected: str | None
) -> None:
    assert value(made_order(status=status), "status") == expected


def test_refunds_add_up_and_stay_apart_from_the_note() -> None:
    order = recorded_order("order_get_with_refund")
    refunds = [*order.data["refunds"], {"id": 1, "total": "-1.00"}]
    order = WooRecord({**order.data, "refunds": refunds, "customer_note": "Ring\n\ntwice"})
    assert value(order, "refunded") == "12.39 EUR"
    description = plan_order(order, refs_for(order)).fields["description"]
    assert description == "Ring\n\ntwice\n\nRefunded in WooCommerce: 12.39 EUR"
    assert split_description(description) == ("Ring\n\ntwice", "12.39 EUR")


@pytest.mark.parametrize(
    ("refunds", "currency", "text"),
    [
        (["-1.50"], "EUR", "1.50 EUR"),
        (["-1.00", "-0.5"], "EUR", "1.50 EUR"),
        (["-100"], "EUR", "100.00 EUR"),
        (["-150.00"], "JPY", "150 JPY"),
        (["-1518.52"], "JPY", "1518.52 JPY"),
        (["-1.50"], "KWD", "1.500 KWD"),
        (["0.00"], "EUR", ""),
    ],
)
def test_a_refund_has_the_decimals_of_its_currency(
    refunds: list[str], currency: str, text: str
) -> None:
    order = made_order(refunds=[{"total": total} for total in refunds], currency=currency)
    assert value(order, "refunded") == text


@given(st.text(alphabet="ab \n", max_size=12), st.sampled_from(["", "5 EUR", "0.5 JPY"]))
def test_note_and_refund_share_a_field_without_loss(note: str, refunded: str) -> None:
    assert split_description(join_description(note, refunded)) == (note, refunded)


def test_a_blank_shipping_address_is_the_billing_address() -> None:
    billing = {"address_1": "1 Way", "city": "Lyon", "country": "FR"}
    order = made_order(billing=billing, shipping={"first_name": "Ann", "address_1": " "})
    fields = plan_order(order, refs_for(order)).fields
    assert (fields["ship_street"], fields["ship_city"], fields["ship_country"]) == (
        "1 Way", "Lyon", "France",
    )  # fmt: skip


def test_an_order_without_any_address_has_a_dash_for_a_street() -> None:
    order = recorded_order("order_create_no_address")
    refs = refs_for(order)
    fields = plan_order(order, refs).fields
    assert (fields["bill_street"], fields["ship_street"]) == ("-", "-")
    read = vtiger_order(retrieved(fields, refs), refs)
    assert read.get("billing_street") == ""


@pytest.mark.parametrize(
    ("billing", "expected"),
    [
        ({"company": " Ünï &amp; Cø ", "first_name": "Zoë"}, "Ünï & Cø"),
        ({"first_name": "Zoë", "last_name": "Müller"}, "Zoë Müller"),
        ({"last_name": "Müller"}, "Müller"),
        ({"email": "a@x.example"}, "a@x.example"),
        ({}, "Guest"),
    ],
)
def test_who_an_order_is_accounted_to(billing: dict[str, str], expected: str) -> None:
    assert account_name(made_order(billing=billing)) == expected


def test_purchase_orders_name_store_and_order_exactly() -> None:
    assert purchase_order("shop-fr", "77") == "WC-shop-fr-77"
    assert find_order_id("shop-fr", "WC-shop-fr-77") == "77"
    assert find_order_id("shop", "WC-shop-fr-77") is None
    assert find_order_id("shop-fr", "wc-shop-fr-77") is None
    assert find_order_id("shop-fr", "WC-shop-fr-77 ") is None


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (made_order(status="checkout-draft"), "draft"),
        (made_order(status="auto-draft"), "draft"),
        (made_order(status="failed"), "filtered"),
        (made_order(status="completed", currency="SEK"), "currency_unavailable"),
        (made_order(status="completed"), None),
    ],
)
def test_orders_that_are_not_synced(order: WooRecord, reason: str | None) -> None:
    refusal = order_refusal(order, statuses={"completed"}, currencies={"EUR"})
    assert (refusal and refusal.reason) == reason


def test_all_statuses_but_drafts_are_synced_unless_told() -> None:
    found = [order_refusal(o, statuses=None, currencies={"EUR", "USD", "JPY"}) for _, o in
             month_orders()]  # fmt: skip
    assert set(found) == {None}


REFS = OrderRefs("main", PLACEHOLDER, FEE_SERVICE, "EUR", "21x1")


def test_a_recorded_vtiger_order_in_neutral_form() -> None:
    path = "00-REFERENCE-so-retrieve-full-group"
    record = VtigerRecord("6x936", "SalesOrder", answer(path))
    sold = vtiger_sold(record, REFS)
    assert sold == Sold(
        lines=(
            SoldLine("14x125", "size: L", "2", "20", "18.22"),
            SoldLine("14x126", "Widget B", "3", "60", "51.78"),
        ),
        shipping="7.5",
        total="93",
    )


def answer(name: str) -> dict[str, Any]:
    rows = read_lines("vtiger/sales-order-exchanges.jsonl.gz")
    result: dict[str, Any] = next(row for row in rows if row["name"] == name)["answer"]["result"]
    return result


def goods(record: VtigerRecord, **changes: Any) -> list[tuple[str, str, str]]:
    sold = vtiger_sold(record, replace(REFS, **changes))
    return [(line.quantity, line.subtotal, line.total) for line in sold.goods]


def test_an_order_discount_is_spread_to_the_last_cent() -> None:
    items = [made_item(quantity="1.000", listprice=price) for price in ("10", "10", "10")]
    record = made_sales_order(*items, hdnDiscountAmount="10.00000000")
    assert goods(record) == [("1", "10", "6.67"), ("1", "10", "6.66"), ("1", "10", "6.67")]
    record = made_sales_order(*items, hdnDiscountPercent="50.000")
    assert goods(record) == [("1", "10", "5")] * 3


def test_a_line_discount_in_percent_is_an_amount() -> None:
    record = made_sales_order(made_item(discount_percent="12.500"))
    assert goods(record) == [("2", "20", "17.5")]


def test_amounts_have_the_decimals_of_the_shop() -> None:
    record = made_sales_order(made_item(listprice="3.33333333", quantity="3.000"))
    assert goods(record) == [("3", "10", "10")]
    assert goods(record, decimals=0) == [("3", "10", "10")]
    assert goods(made_sales_order(made_item(listprice="0.126")), decimals=0) == [("2", "0", "0")]


def test_services_are_fees_by_their_names() -> None:
    own = made_item(productid=FEE_SERVICE, comment="WooCommerce fee: Gift wrap", quantity="1")
    other = made_item(productid="26x7", entity_type="Services", product_name="Set up")
    sold = vtiger_sold(made_sales_order(own, other), REFS)
    assert [(fee.text, fee.total) for fee in sold.fees] == [("Gift wrap", "10"), ("Set up", "20")]
    assert sold.goods == ()


def test_a_deleted_products_line_keeps_the_product_that_it_had() -> None:
    order = recorded_order("order_create_full_excl_tax")
    refs = refs_for(order)
    record = retrieved(plan_order(order, refs).fields, refs)
    rows = [{**row, "product_id": 0, "variation_id": 0} for row in order.data["line_items"]]
    later = WooRecord({**order.data, "line_items": rows})
    assert woo_order(later, refs) != woo_order(order, refs)
    kept = replace(refs, kept=kept_products(later, vtiger_sold(record, refs).goods, refs=refs))
    assert woo_order(later, kept) == woo_order(order, refs)


def test_a_line_of_a_deleted_product_keeps_the_products_id() -> None:
    """Recording deleted-product-retrieve: no productid, but the edit screen's number."""
    path = RECORDINGS / "vtiger-8.2" / "deleted-product-retrieve.json"
    data = json.loads(path.read_text())["response"]["result"]
    number = data["LineItems_FinalDetails"]["1"]["hdnProductId1"]
    record, refs = VtigerRecord(data["id"], "SalesOrder", data), refs_for(made_order())

    assert [line.product for line in vtiger_sold(record, refs).lines] == [
        f"14x{number}",
        data["LineItems"][1]["productid"],
    ]
    bare = VtigerRecord(data["id"], "SalesOrder", {**data, "LineItems_FinalDetails": {}})
    assert vtiger_sold(bare, refs).lines[0].product == UNKNOWN_PRODUCT
    assert vtiger_sold(bare, refs).fees == ()

"""Products as writes: nothing wiped in Vtiger, nothing given away in WooCommerce."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.domain import Direction
from app.mapping.rules import FieldRule
from app.mapping.values import FieldNote, Patch, PatchOptions, Value
from app.modules.products.mapping import (
    PRODUCT_RULES,
    carry_taxes,
    vtiger_product,
    vtiger_product_patch,
    woo_product,
    woo_product_patch,
)
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.test_products import made_product, made_vtiger, recorded_product, recorded_vtiger

OPTIONS = PatchOptions()
TAXES = ("tax1", "tax2", "tax3")


def to_vtiger(current: VtigerRecord | None, **changes: Value) -> Patch:
    return vtiger_product_patch(
        changes, PRODUCT_RULES, current=current, tax_fields=TAXES, currency_id="21x1",
        options=OPTIONS,
    )  # fmt: skip


def to_woo(current: WooRecord | None, **changes: Value) -> Patch:
    return woo_product_patch(changes, PRODUCT_RULES, current=current, options=OPTIONS)


def reasons(patch: Patch) -> list[tuple[str, str]]:
    return [(note.field, note.reason) for note in patch.notes]


def test_a_new_vtiger_product_is_active_and_whole() -> None:
    patch = to_vtiger(
        None, name="Mug", sku="M-1", price="19.90", stock="7", status="1", category="Cups",
        taxes='{"tax1":"20"}', website="https://x.example/mug", description="A mug",
    )  # fmt: skip
    assert patch.notes == ()
    assert patch.body == {
        "productname": "Mug",
        "productcode": "M-1",
        "unit_price": "19.9",
        "currency_id": "21x1",
        "qtyinstock": "7",
        "discontinued": "1",
        "productcategory": "Cups",
        "tax1": "20",
        "website": "https://x.example/mug",
        "description": "A mug",
    }


def test_a_new_product_is_active_unless_told_otherwise() -> None:
    assert to_vtiger(None, name="Mug").body["discontinued"] == "1"
    assert to_vtiger(None, name="Mug", status="0").body["discontinued"] == "0"


def test_any_change_sends_price_currency_and_taxes_again() -> None:
    current = made_vtiger(
        tax1="20.000", tax2="", tax3="0.000", currency1="9.9", currency2="11.50", currency3=""
    )  # fmt: skip
    assert to_vtiger(current, name="Cup").body == {
        "productname": "Cup",
        "unit_price": "9.90000000",
        "currency_id": "21x1",
        "tax1": "20",
        "tax3": "0",
        "currency2": "11.50",
    }


def test_a_product_in_another_currency_stays_in_it() -> None:
    body = to_vtiger(made_vtiger(currency_id="21x2"), price="5").body
    assert (body["unit_price"], body["currency_id"]) == ("5", "21x2")


def test_other_taxes_replace_the_rates_and_stay_carried_for_orders() -> None:
    current = made_vtiger(tax1="20.000", tax3="0.000")
    body = to_vtiger(current, taxes='{"tax2":"5.5"}').body
    assert (body["tax1"], body["tax2"], body["tax3"]) == ("0", "5.5", "0")
    assert body["unit_price"] == "9.90000000"


def test_the_same_taxes_are_nothing_to_write() -> None:
    assert to_vtiger(made_vtiger(tax1="20.000", tax3="0.000"), taxes='{"tax1":"20"}').body == {}


def test_taxes_that_vtiger_does_not_have_are_not_sent() -> None:
    assert "tax9" not in to_vtiger(None, name="Mug", taxes='{"tax9":"5"}').body


def test_an_empty_price_is_never_zero_in_vtiger() -> None:
    patch = to_vtiger(None, name="Mug", price="")
    assert "unit_price" not in patch.body
    assert "currency_id" not in patch.body
    patch = to_vtiger(made_vtiger(), price="")
    assert (patch.body.get("unit_price"), reasons(patch)) == (None, [("price", "unsafe_in_vtiger")])
    assert patch.unwritten == {"price"}


def test_a_price_beyond_five_decimals_is_rounded_and_told() -> None:
    patch = to_vtiger(made_vtiger(), price="12.345675")
    assert patch.body["unit_price"] == "12.34568"
    assert reasons(patch) == [("price", "unsafe_in_vtiger")]
    assert patch.unwritten == frozenset()


@pytest.mark.parametrize("price", ["1-2", "12,5", "9" * 20])
def test_a_price_that_vtiger_does_not_take_is_left_out(price: str) -> None:
    patch = to_vtiger(made_vtiger(), price=price)
    assert patch.body.get("unit_price") is None
    assert patch.unwritten == {"price"}


def test_a_name_may_not_be_emptied() -> None:
    assert reasons(to_vtiger(made_vtiger(), name=" ")) == [("name", "missing_required_field")]
    assert reasons(to_woo(made_product(), name=" ")) == [("name", "missing_required_field")]


def test_long_names_are_cut_and_a_long_address_is_left_out() -> None:
    patch = to_vtiger(made_vtiger(), name="word " * 30, website="https://x.example/" + "a" * 100)
    assert len(patch.body["productname"]) <= 100
    assert "website" not in patch.body
    assert reasons(patch) == [("name", "value_too_long"), ("website", "value_too_long")]


def test_taxes_can_be_carried_for_orders_without_changing_anything_else() -> None:
    record = recorded_vtiger("30-create-product-with-tax1")
    assert carry_taxes(record, ["tax1", "tax3"], currency_id="21x1") == {
        "tax1": "4.5",
        "tax3": "0",
        "unit_price": "10.00000000",
        "currency_id": "21x1",
    }
    assert carry_taxes(record, ["tax1"], currency_id="21x1") == {}


def test_taxes_are_carried_with_the_shops_currency_where_a_product_shows_none() -> None:
    record = made_vtiger(currency_id="")
    assert carry_taxes(record, ["tax1"], currency_id="21x3")["currency_id"] == "21x3"


def test_a_new_woocommerce_product() -> None:
    patch = to_woo(
        None, name="Mug & cup", sku="M-1", price="19.90000000", stock="7.000", status="1",
        category="Cups", taxes="{}",
    )  # fmt: skip
    assert patch.notes == ()
    assert patch.body == {
        "name": "Mug & cup",
        "sku": "M-1",
        "regular_price": "19.9",
        "manage_stock": True,
        "stock_quantity": 7,
        "status": "publish",
    }


def test_a_new_product_without_stock_or_price_is_neither_sold_out_nor_free() -> None:
    assert to_woo(None, name="Mug", price="", stock="0.000").body == {"name": "Mug"}


@pytest.mark.parametrize("price", ["", "0", "0.00"])
def test_an_empty_price_in_vtiger_takes_nothing_off_sale_and_gives_nothing_away(price: str) -> None:
    patch = to_woo(made_product(), price=price)
    assert patch.body == {}
    assert reasons(patch) == [("price", "unsafe_in_woocommerce")]


@pytest.mark.parametrize(
    ("managed", "stock", "body", "reason"),
    [
        (True, "7.000", {"manage_stock": True, "stock_quantity": 7}, None),
        (True, "0.000", {"manage_stock": True, "stock_quantity": 0}, None),
        (True, "7.500", {}, "not_integer"),
        (True, "x", {}, "not_integer"),
        (False, "7.000", {}, "filtered"),
        ("parent", "7.000", {}, "filtered"),
    ],
)
def test_stock(managed: object, stock: str, body: dict[str, object], reason: str | None) -> None:
    patch = to_woo(made_product(manage_stock=managed), stock=stock)
    assert patch.body == body
    assert reasons(patch) == ([("stock", reason)] if reason else [])


def test_an_inactive_product_is_private() -> None:
    assert to_woo(made_product(), status="0").body == {"status": "private"}


def test_a_variations_name_is_its_parents_business() -> None:
    patch = to_woo(recorded_product("product_get_variation_by_id"), name="Other", price="13")
    assert patch.body == {"regular_price": "13"}
    assert reasons(patch) == [("name", "unsafe_in_woocommerce")]


def test_text_that_woocommerce_would_change_is_left_out() -> None:
    patch = to_woo(made_product(), name="a\\b", sku="a%20b")
    assert patch.body == {}
    assert patch.unwritten == {"name", "sku"}


def test_what_goes_one_way_is_not_written_back() -> None:
    changes = {"description": "x", "category": "x", "website": "x", "taxes": "{}"}
    assert to_woo(made_product(), **changes).body == {}


def test_a_recorded_product_reads_the_same_in_vtiger() -> None:
    product = recorded_product("product_get_simple")
    values = woo_product(product, PRODUCT_RULES, parent=None, taxes='{"tax1":"20"}').values
    record = VtigerRecord("14x5", "Products", to_vtiger(None, **values).body)
    after = vtiger_product(record, PRODUCT_RULES)
    for rule in PRODUCT_RULES:
        assert rule.same(values[rule.name], after.get(rule.name)), rule.name


def test_a_negative_price_is_left_out_and_told() -> None:
    patch = to_woo(made_product(), price="-5.00000000", name="Cup")
    assert patch.body == {"name": "Cup"}
    assert reasons(patch) == [("price", "unsafe_in_woocommerce")]


@pytest.mark.parametrize(("price", "ends"), [("8", True), ("7.50", True), ("8.01", False)])
def test_a_price_that_ends_a_sale_is_sent_and_told(price: str, ends: bool) -> None:
    patch = to_woo(made_product(sale_price="8.00"), price=price)
    assert float(patch.body["regular_price"]) == float(price)
    assert [note.message for note in patch.notes if "8" in note.message] == [
        note.message for note in patch.notes
    ]
    assert bool(patch.notes) is ends
    assert patch.unwritten == frozenset()


@pytest.mark.parametrize("kind", ["variation", "subscription_variation", "event-ticket-variant"])
def test_a_variation_of_any_type_keeps_its_name(kind: str) -> None:
    patch = to_woo(made_product(type=kind, parent_id=70), name="Other", price="13")
    assert patch.body == {"regular_price": "13"}
    assert reasons(patch) == [("name", "unsafe_in_woocommerce")]


@pytest.mark.parametrize(
    ("name", "value", "reason", "message"),
    [
        ("name", " ", "missing_required_field", "Vtiger needs it."),
        (
            "price", "", "unsafe_in_vtiger",
            "An empty price means not for sale, and 0 would give the product away.",
        ),
        ("price", "12,5", "unsafe_in_vtiger", "It is not a number that Vtiger accepts."),
        (
            "price", "1.234567", "unsafe_in_vtiger",
            "Vtiger stores 5 decimals of a price: rounded.",
        ),
        ("stock", "many", "unsafe_in_vtiger", "It is not a number that Vtiger accepts."),
    ],
)  # fmt: skip
def test_what_vtiger_gets_otherwise_is_noted_with_its_value(
    name: str, value: str, reason: str, message: str
) -> None:
    notes = to_vtiger(made_vtiger(), **{name: value}).notes
    assert notes == (FieldNote(name, reason, message, value),)


def test_the_largest_price_is_sent_and_an_emptied_stock_is_none() -> None:
    largest = "99999999999999999.99999999"
    patch = to_vtiger(made_vtiger(), price=largest, stock="")
    assert patch.body["unit_price"] == "100000000000000000"
    assert patch.body["qtyinstock"] == "0"
    assert to_vtiger(made_vtiger(), price="1" + "0" * 17).unwritten == {"price"}


PARENTS_STOCK = "The variation sells from its parent's stock: change that, or give it its own."
UNMANAGED = "WooCommerce does not manage this product's stock: switch that on there."
SALE = "The shop's sale price 8 is not below this price: WooCommerce ends the sale and erases it."


@pytest.mark.parametrize(
    ("held", "name", "value", "reason", "message"),
    [
        ({}, "name", " ", "missing_required_field", "WooCommerce needs it."),
        (
            {"type": "variation", "parent_id": 70}, "name", "Cup", "unsafe_in_woocommerce",
            "A variation is named after its parent and its attributes.",
        ),
        (
            {}, "price", "", "unsafe_in_woocommerce",
            "An empty price means not for sale, and 0 would give the product away.",
        ),
        (
            {}, "price", "-1", "unsafe_in_woocommerce",
            "WooCommerce would pay the buyer: a price must not be below 0.",
        ),
        ({"sale_price": "8.00"}, "price", "8", "unsafe_in_woocommerce", SALE),
        ({}, "stock", "7.5", "not_integer", "WooCommerce accepts whole numbers only."),
        ({"manage_stock": "parent"}, "stock", "7", "filtered", PARENTS_STOCK),
        ({}, "stock", "7", "filtered", UNMANAGED),
        (
            {}, "name", "a \\ b", "unsafe_in_woocommerce",
            "WooCommerce removes a product's backslashes, more with every change.",
        ),
    ],
)  # fmt: skip
def test_what_woocommerce_gets_otherwise_is_noted_with_its_value(
    held: dict[str, Any], name: str, value: str, reason: str, message: str
) -> None:
    notes = to_woo(made_product(**held), **{name: value}).notes
    assert notes == (FieldNote(name, reason, message, value),)


def test_a_price_of_less_than_one_is_a_price() -> None:
    assert to_woo(made_product(), price="0.50").body == {"regular_price": "0.5"}


def test_an_empty_value_of_a_new_product_hides_none_that_follows() -> None:
    assert to_woo(None, name="Mug", sku="", price="5").body == {"name": "Mug", "regular_price": "5"}


def test_characters_that_vtiger_does_not_hold_are_the_shops_after_an_edit_there() -> None:
    assert to_woo(made_product(name="Mug \U0001f375"), name="Cup \ufffd").body == {
        "name": "Cup \U0001f375"
    }


COUNTRY = FieldRule(
    "made_in", ("meta:made_in",), "cf_1", transform="country", custom=True
)  # fmt: skip
STATE = FieldRule(
    "made_in_state", ("meta:state",), "cf_2", transform="state", given="made_in", custom=True
)  # fmt: skip
ROWS: Sequence[FieldRule] = (STATE, COUNTRY)
MADE = [{"key": "made_in", "value": "US"}, {"key": "state", "value": "CA"}]


def test_a_custom_state_is_read_and_written_by_its_country() -> None:
    product = made_product(meta_data=MADE)
    values = woo_product(product, ROWS, parent=None, taxes=None).values
    assert values == {"made_in": "US", "made_in_state": "US-CA"}
    patch = vtiger_product_patch(
        values, ROWS, current=None, tax_fields=(), currency_id="21x1", options=OPTIONS
    )
    assert (patch.body["cf_1"], patch.body["cf_2"]) == ("United States", "California")
    record = VtigerRecord("14x5", "Products", patch.body)
    assert vtiger_product(record, ROWS).values == values


@pytest.mark.parametrize("held", [None, made_product(meta_data=MADE)])
def test_a_custom_state_is_written_to_the_shop_by_its_country(held: WooRecord | None) -> None:
    """The country is that of the same change, or the one that the product has."""
    changes: dict[str, Value] = {"made_in_state": "US-NV"}
    if held is None:
        changes["made_in"] = "US"
    patch = woo_product_patch(changes, ROWS, current=held, options=OPTIONS)
    assert patch.notes == ()
    assert {"key": "state", "value": "NV"} in patch.body["meta_data"]


def test_a_custom_row_that_the_shop_does_not_take_is_noted() -> None:
    rows = (FieldRule("code", ("meta:code",), "cf_3", transform="integer", custom=True),)
    patch = woo_product_patch({"code": "twelve"}, rows, current=made_product(), options=OPTIONS)
    assert patch.body == {}
    assert patch.unwritten == {"code"}
    assert [(note.field, note.reason, note.value) for note in patch.notes] == [
        ("code", "wrong_type", "twelve")
    ]


def test_a_custom_row_that_goes_to_the_shop_alone_is_written_there() -> None:
    row = FieldRule(
        "code", ("meta:code",), "cf_3", direction=Direction.VTIGER_TO_WOO, custom=True
    )  # fmt: skip
    patch = woo_product_patch({"code": "A1"}, [row], current=made_product(), options=OPTIONS)
    assert patch.body == {"meta_data": [{"key": "code", "value": "A1"}]}
    assert vtiger_product_patch(
        {"code": "A1"}, [row], current=made_vtiger(), tax_fields=(), currency_id="", options=OPTIONS
    ).body == {}  # fmt: skip

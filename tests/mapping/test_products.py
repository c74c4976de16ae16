"""Products of both systems in neutral space, and the writes that follow from changes."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mapping.rules import Fitted
from app.mapping.values import Mapped, Refusal, canonical_text, plain
from app.modules.products.mapping import (
    PRODUCT_RULES,
    fit_product_text,
    product_filtered,
    product_foreign_id,
    product_key,
    product_refusal,
    taxes_from_text,
    taxes_text,
    vtiger_product,
    woo_product,
)
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.cases import case
from tests.mapping.orders import read_lines


def recorded_product(name: str) -> WooRecord:
    rows = read_lines("woocommerce/products.jsonl.gz")
    return WooRecord(next(row["body"] for row in rows if row["name"] == name))


def recorded_vtiger(name: str) -> VtigerRecord:
    rows = read_lines("vtiger/sales-order-exchanges.jsonl.gz")
    data = next(row["answer"]["result"] for row in rows if row["name"] == name)
    return VtigerRecord(data["id"], "Products", data)


def made_product(**fields: Any) -> WooRecord:
    whole = {"id": 7, "name": "Mug", "type": "simple", "status": "publish", "sku": "M-1"}
    return WooRecord({**whole, "regular_price": "9.90", "manage_stock": False, **fields})


def made_vtiger(**fields: str) -> VtigerRecord:
    whole = {"id": "14x5", "productname": "Mug", "unit_price": "9.90000000", "qtyinstock": "0.000"}
    return VtigerRecord("14x5", "Products", {**whole, "currency_id": "21x1", **fields})


def woo(product: WooRecord, parent: WooRecord | None = None, taxes: str | None = None) -> Mapped:
    return woo_product(product, PRODUCT_RULES, parent=parent, taxes=taxes)


def test_a_recorded_simple_product() -> None:
    product = recorded_product("product_get_simple")
    values = woo(product, taxes="{}").values
    assert values["name"] == "Café “Spécial” & Thé 日本"
    assert values["sku"] == "LAB-SIMPLE-1"
    assert values["price"] == "19.99"
    assert values["status"] == "1"
    assert values["taxes"] == "{}"
    assert "<" not in (values["description"] or "")


def test_a_recorded_variation_is_named_after_its_parent() -> None:
    variation = recorded_product("product_get_variation_by_id")
    parent = made_product(name="T-shirt", type="variable", categories=[{"name": "Tops"}])
    values = woo(variation, parent).values
    assert values["name"] == "T-shirt – Rouge, S"
    assert (values["sku"], values["price"], values["stock"]) == ("TS-R-S", "12.00", None)
    assert values["category"] == "Tops"


def test_a_variation_of_any_choice_is_named_as_its_parent() -> None:
    variation = made_product(type="variation", attributes=[])
    assert woo(variation, made_product(name="T-shirt")).get("name") == "T-shirt"


def test_a_variation_of_a_parent_that_is_gone_is_named_by_the_shop() -> None:
    variation = made_product(type="variation", name="T-shirt - Red", categories=[])
    values = woo(variation).values
    assert (values["name"], values["category"]) == ("T-shirt - Red", None)


def test_names_are_plain_text() -> None:
    product = made_product(**case("markup-in-product-name").feed["product"])
    assert woo(product).get("name") == "Serum 30 ml NEW & ®"
    variation = made_product(type="variation", attributes=[{"option": "30&nbsp;ml<br>blue"}])
    assert woo(variation, product).get("name") == "Serum 30 ml NEW & ® – 30\xa0ml blue"


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"name": "Tom &amp; Jerry"}, "name", "Tom & Jerry"),
        ({"regular_price": ""}, "price", ""),
        ({"regular_price": "0"}, "price", "0"),
        ({"manage_stock": True, "stock_quantity": 7}, "stock", "7"),
        ({"manage_stock": True, "stock_quantity": -2}, "stock", "-2"),
        ({"manage_stock": False, "stock_quantity": None}, "stock", None),
        ({"manage_stock": "parent", "stock_quantity": 3}, "stock", "3"),
        ({"status": "private"}, "status", "0"),
        ({"status": "draft"}, "status", "0"),
        ({"status": None}, "status", None),
        ({"manage_stock": False, "stock_quantity": 3}, "stock", None),
        ({"name": 7}, "name", "7"),
        ({"categories": ["Tea"]}, "category", None),
        ({"name": "Tea <3 &amp; cake <b>"}, "name", "Tea <3 & cake"),
        ({"name": "a &lt;b&gt; c"}, "name", "a <b> c"),
        ({"categories": [{"name": "<i>Tea</i>"}]}, "category", "Tea"),
        ({"categories": [{"name": "Cups &amp; mugs"}, {"name": "x"}]}, "category", "Cups & mugs"),
        ({"description": "<p>a</p><p>b &amp; c</p>"}, "description", "a\n\nb & c"),
        (
            {"permalink": "https://x.example/p?a=1&amp;b=2"},
            "website",
            "https://x.example/p?a=1&b=2",
        ),
    ],
)
def test_what_a_product_says(fields: dict[str, Any], name: str, expected: str | None) -> None:
    assert woo(made_product(**fields)).get(name) == expected


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"unit_price": "0.00000000"}, "price", ""),
        ({"unit_price": "9.90000000"}, "price", "9.90000000"),
        ({"discontinued": "1"}, "status", "1"),
        ({"discontinued": "0"}, "status", "0"),
        ({"discontinued": ""}, "status", "0"),
        ({"tax1": "20.000", "tax2": "", "tax3": "0.000"}, "taxes", '{"tax1":"20"}'),
        ({}, "taxes", ""),
        ({}, "sku", None),
    ],
)
def test_what_a_vtiger_product_says(
    fields: dict[str, str], name: str, expected: str | None
) -> None:
    assert vtiger_product(made_vtiger(**fields), PRODUCT_RULES).get(name) == expected


def test_a_recorded_vtiger_product() -> None:
    values = vtiger_product(recorded_vtiger("30-create-product-with-tax1"), PRODUCT_RULES).values
    assert (values["name"], values["sku"], values["price"]) == ("Widget A", "SKU-A", "10.00000000")
    assert (values["status"], values["stock"], values["taxes"]) == (
        "0",
        "100.000",
        '{"tax1":"4.5"}',
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "variable"}, "filtered"),
        ({"type": "grouped"}, "filtered"),
        ({"status": "auto-draft"}, "draft"),
        ({"type": "variation"}, None),
        ({}, None),
    ],
)
def test_what_is_no_product_of_its_own(fields: dict[str, str], reason: str | None) -> None:
    refusal = product_refusal(made_product(**fields))
    assert (refusal and refusal.reason) == reason


def test_what_is_no_product_of_its_own_says_why_and_retires_its_twin() -> None:
    family = "A variable product is not sold itself: the products in it are synced one by one."
    unsaved = "The product has not been saved yet: it is synced once it is."
    assert product_refusal(made_product(type="variable")) == Refusal(
        "filtered", family, retires=True
    )
    assert product_refusal(made_product(status="auto-draft")) == Refusal("draft", unsaved)


def test_skus_are_one_key_in_any_case() -> None:
    left, right = (woo(made_product(sku=sku)) for sku in ("Ab-1 ", "aB-1"))
    assert product_key(left) == product_key(right) == "ab-1"
    assert product_key(woo(made_product(sku=""))) == ""


def test_our_id_is_in_the_products_meta() -> None:
    assert product_foreign_id(recorded_product("product_get_variation_by_id")) == "14x80"
    assert product_foreign_id(made_product()) is None


@given(
    st.dictionaries(st.sampled_from(["tax1", "tax2", "tax9"]), st.decimals("0.001", 99, places=3))
)
def test_taxes_are_their_own_text(rates: dict[str, Decimal]) -> None:
    assert taxes_from_text(taxes_text(rates)) == rates


def test_texts_that_are_sent_come_back_as_recorded() -> None:
    """Every recorded probe of a product's name or SKU that is fit to be sent was kept."""
    sent = 0
    for probe in read_lines("woocommerce/readback-products.jsonl.gz"):
        text, path, read = probe["sent"], probe["field"], probe["read_back"]
        if path not in ("name", "sku") or not isinstance(text, str) or not text.strip():
            continue
        if fit_product_text(text, path).text == text and read != "AUTO-DRAFT":
            sent += 1
            assert canonical_text(plain(read)) == canonical_text(text), (path, probe["op"])
    assert sent > 250


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a \\ b", "name"), ("<script>x</script>", "name"), ("<b onclick=x>", "name"),
        ("< b >", "name"), ("<?php x ?>", "name"), ("x &amp;amp; y", "name"), ("0", "name"),
        ("a%20b", "sku"), ("a<b>", "sku"), ("a&#65", "sku"), ("\ud83d", "meta:x"),
        ("x" * 70_000, "name"),
    ],
)  # fmt: skip
def test_texts_that_woocommerce_would_change_are_not_sent(text: str, path: str) -> None:
    fitted = fit_product_text(text, path)
    assert fitted.text is None
    assert fitted.reason


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("\ud83d", "name", "It is not valid Unicode: WooCommerce refuses the whole record."),
        (
            "x &amp;amp; y", "name",
            "It contains a doubly encoded HTML entity, which would lose a level on the way back.",
        ),
        (
            "", "short_description",
            "WooCommerce cannot empty a short description once it has one.",
        ),
        (
            "0", "short_description",
            "WooCommerce cannot empty a short description once it has one.",
        ),
        ("a \\ b", "name", "WooCommerce removes a product's backslashes, more with every change."),
        ("<script>", "name", "WooCommerce removes markup that could be active."),
        ("a%20b", "sku", "WooCommerce removes entities and percent codes from a SKU."),
        ("0", "name", 'WooCommerce treats the name "0" as empty.'),
    ],
)  # fmt: skip
def test_a_text_that_is_not_sent_says_why(text: str, path: str, message: str) -> None:
    assert fit_product_text(text, path) == Fitted(None, "unsafe_in_woocommerce", message)


def test_the_longest_text_is_sent_and_one_byte_more_is_not() -> None:
    longest = "x" * 65_535
    message = "WooCommerce ignores a text of more than 65535 bytes."
    assert fit_product_text(longest, "name").text == longest
    assert fit_product_text(longest + "x", "name") == Fitted(None, "value_too_long", message)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("1 < 2 & 3", "name"), ("<b>bold</b>", "name"), ("a\\b", "sku"), ("a \\ b", "meta:x"),
        ("a  b", "name"), ("", "name"), ("0", "sku"), ("Tea", "short_description"),
        ("<<b>", "name"),
    ],
)  # fmt: skip
def test_harmless_texts_are_sent(text: str, path: str) -> None:
    assert fit_product_text(text, path).text == text


def test_of_a_sku_blanks_are_sent_as_the_shop_keeps_them() -> None:
    assert fit_product_text(" a  b ", "sku") == Fitted("a b")


@pytest.mark.parametrize(
    ("statuses", "categories", "passes"),
    [
        ((), (), True),
        (("publish",), (), True),
        (("private",), (), False),
        ((), ("kitchen ware",), True),
        ((), ("kitchen-ware", "garden"), True),
        ((), ("garden",), False),
        (("publish",), ("garden",), False),
    ],
)
def test_filters_go_by_status_and_category(
    statuses: tuple[str, ...], categories: tuple[str, ...], passes: bool
) -> None:
    category = {"id": 9, "name": "Kitchen ware", "slug": "kitchen-ware"}
    kettle = WooRecord({"id": 1, "status": "publish", "categories": [category]})
    found = product_filtered(kettle, kettle, statuses=statuses, categories=categories)
    assert (found is None) is passes


def test_a_variation_is_in_its_parents_categories_and_as_hidden_as_it() -> None:
    parent = WooRecord({"id": 1, "status": "draft", "categories": [{"name": "Garden"}]})
    red = WooRecord({"id": 2, "status": "publish", "categories": []})
    assert product_filtered(red, parent, statuses=(), categories=("garden",)) is None
    assert product_filtered(red, parent, statuses=("publish",), categories=()) is not None


def test_what_a_filter_leaves_out_says_which_setting_to_change() -> None:
    parent = WooRecord({"id": 1, "status": "draft"})
    red = WooRecord({"id": 2, "status": "private"})
    status = "Products of status draft, private are not synced: add it to `product_statuses`."
    category = "The product is in none of `product_categories`: add one of its categories."
    assert product_filtered(red, parent, statuses=("publish",), categories=()) == Refusal(
        "filtered", status
    )
    assert product_filtered(red, parent, statuses=(), categories=("garden",)) == Refusal(
        "filtered", category
    )


def test_a_product_without_a_status_or_a_slug_is_in_none_of_the_filters() -> None:
    bare = WooRecord({"id": 1, "categories": [{"name": "Garden"}]})
    assert product_filtered(bare, bare, statuses=("publish",), categories=()) is None
    assert product_filtered(bare, bare, statuses=(), categories=("kitchen",)) is not None


def test_a_variation_is_named_by_what_its_parent_and_its_choices_say() -> None:
    red = made_product(type="variation", attributes=[{"option": None}, {"option": "Red"}])
    assert woo(red, made_product(name="T-shirt")).get("name") == "T-shirt – Red"
    assert woo(red, made_product(name=None)).get("name") == " – Red"


def test_taxes_have_three_decimals_as_vtiger_keeps_them() -> None:
    assert taxes_text({"tax1": Decimal("5.50049")}) == '{"tax1":"5.5"}'

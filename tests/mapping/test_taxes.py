"""Tax rates and Vtiger's taxes: labels, matching, use, and the writes that are safe."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mapping.tax_labels import label_forms, tax_labels
from app.mapping.tax_use import (
    ShopBase,
    order_rates,
    order_tax_fields,
    product_rates,
    product_taxes,
    used_rates,
)
from app.mapping.taxes import (
    TAX_RULES,
    match_rate,
    match_tax,
    vtiger_tax,
    vtiger_tax_patch,
    woo_tax,
    woo_tax_patch,
)
from app.mapping.values import Mapped, PatchOptions
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.orders import made_order, month_orders, read_lines, recorded_order
from tests.mapping.test_products import made_product

FRANCE = ShopBase("FR", postcode="75001", city="Paris")
OPTIONS = PatchOptions()


def rate(rate_id: int, **fields: Any) -> WooRecord:
    whole = {"id": rate_id, "name": "VAT", "country": "FR", "state": "", "class": "standard"}
    return WooRecord({**whole, "rate": "20.0000", "priority": 1, "compound": False, **fields})


def tax(number: int, label: str, percentage: str, **fields: str) -> VtigerRecord:
    data = {"id": f"34x{number}", "taxname": f"tax{number}", "taxlabel": label, "deleted": "0"}
    return VtigerRecord(data["id"], "Tax", {**data, "percentage": percentage, **fields})


def recorded_rate(name: str) -> WooRecord:
    rows = read_lines("woocommerce/taxes.jsonl.gz")
    return WooRecord(next(row["body"] for row in rows if row["name"] == name))


def recorded_taxes(name: str) -> list[VtigerRecord]:
    rows = read_lines("vtiger/sales-order-exchanges.jsonl.gz")
    found = next(row["answer"]["result"] for row in rows if row["name"] == name)
    return [VtigerRecord.parse(data, "Tax") for data in found]


def test_a_name_that_is_alone_is_the_label() -> None:
    names = ("tax_create", "tax_create_compound", "tax_create_reduced", "tax_create_postcodes")
    labels = tax_labels([recorded_rate(name) for name in names])
    assert labels == {"1": "TVA 20", "2": "Éco-taxe composée", "3": "TVA réduite", "4": "MwSt"}


def test_as_much_is_added_as_tells_rates_apart() -> None:
    rates = [
        rate(1),
        rate(2, **{"class": "reduced-rate", "rate": "5.5000"}),
        rate(3, country="DE", rate="19.0000"),
        rate(4, name="Sales", country="US", state="CA"),
        rate(5, name="Sales", country="US", state="NY"),
        rate(6, name=""),
    ]
    assert tax_labels(rates) == {
        "1": "VAT FR",
        "2": "VAT FR reduced",
        "3": "VAT DE",
        "4": "Sales US CA",
        "5": "Sales US NY",
        "6": "Tax",
    }


def test_a_label_in_use_stays_when_others_come() -> None:
    rates = [rate(1), rate(2, country="DE")]
    assert tax_labels(rates, kept={"1": "VAT"}) == {"1": "VAT", "2": "VAT DE"}
    assert tax_labels(rates, kept={"1": "TVA"}) == {"1": "VAT FR", "2": "VAT DE"}


@given(st.lists(st.tuples(st.sampled_from(["VAT", "vat", ""]), st.sampled_from(["FR", "DE", ""]),
                          st.sampled_from(["20.0000", "5.5000"]), st.sampled_from(["1*", ""])),
                max_size=12))  # fmt: skip
def test_no_two_rates_have_one_label(shapes: list[tuple[str, str, str, str]]) -> None:
    rates = [
        rate(n, name=name, country=country, rate=percent, postcodes=[code])
        for n, (name, country, percent, code) in enumerate(shapes, start=1)
    ]
    labels = tax_labels(rates)
    assert len({label.casefold() for label in labels.values()}) == len(labels) == len(rates)
    assert all(labels[r.id] in label_forms(r) for r in rates)


@pytest.mark.parametrize(
    ("label", "percentage", "expected"),
    [
        ("VAT", "4.5", "34x1"),
        ("vat ", "4.5000", "34x1"),
        ("VAT", "4.5004", "34x1"),
        ("VAT", "5", None),
        ("Sales", "10.0000", "34x2"),
        ("Other", "4.5", None),
    ],
)
def test_taxes_match_by_label_and_percentage(
    label: str, percentage: str, expected: str | None
) -> None:
    match = match_tax(label, percentage, recorded_taxes("70-tax-query"))
    assert (match.tax and match.tax.id, match.ambiguous) == (expected, ())


def test_a_label_that_vtiger_has_twice_is_ambiguous() -> None:
    taxes = [tax(1, "VAT", "20.000"), tax(2, "VAT", "20.000"), tax(3, "VAT", "5.500")]
    match = match_tax("VAT", "20", taxes)
    assert match.tax is None
    assert [found.id for found in match.ambiguous] == ["34x1", "34x2"]


def test_deleted_and_broken_taxes_do_not_count() -> None:
    taxes = [tax(1, "VAT", "20.000", deleted="1"), tax(2, "VAT", "20.000", taxname="")]
    assert match_tax("VAT", "20", taxes).tax is None


def test_a_vtiger_tax_finds_its_rate_by_unique_label_or_bare_name() -> None:
    rates = [rate(1), rate(2, country="DE")]
    labels = tax_labels(rates)
    assert match_rate(vtiger_tax(tax(1, "VAT DE", "20.000")), rates, labels) == ["2"]
    assert match_rate(vtiger_tax(tax(1, "VAT", "20.000")), rates, labels) == ["1", "2"]
    assert match_rate(vtiger_tax(tax(1, "VAT", "19.000")), rates, labels) == []


def test_both_sides_say_the_same_of_a_percentage() -> None:
    woo = woo_tax(rate(1, rate="8.8755"), label="VAT")
    vtiger = vtiger_tax(tax(1, "VAT", "8.876"))
    assert woo == Mapped({"label": "VAT", "percentage": "8.8755"})
    assert all(rule.same(woo.get(rule.name), vtiger.get(rule.name)) for rule in TAX_RULES)


def test_a_new_vtiger_tax() -> None:
    changes = {"label": "VAT FR", "percentage": "20.0000"}
    patch = vtiger_tax_patch(changes, current=None, options=OPTIONS)
    assert patch.body == {"taxlabel": "VAT FR", "percentage": "20"}
    assert patch.notes == ()


def test_of_a_vtiger_tax_only_the_percentage_is_written() -> None:
    changes = {"label": "TVA", "percentage": "20.12345"}
    patch = vtiger_tax_patch(changes, current=tax(1, "VAT", "20.000"), options=OPTIONS)
    assert patch.body == {"percentage": "20.123"}
    assert patch.unwritten == {"label"}
    assert {note.reason for note in patch.notes} == {"unsafe_in_vtiger"}
    assert "'TVA'" in patch.notes[0].message


def test_a_new_rate_is_of_the_configured_country() -> None:
    patch = woo_tax_patch({"label": "VAT", "percentage": "4.500"}, current=None, country="FR")
    assert patch.body == {"name": "VAT", "rate": "4.5", "country": "FR", "class": "standard"}


def test_a_label_that_only_tells_apart_is_no_new_name() -> None:
    changes = {"label": "VAT FR", "percentage": "21.000"}
    assert woo_tax_patch(changes, current=rate(1), country="FR").body == {"rate": "21"}
    renamed = woo_tax_patch({"label": "TVA"}, current=rate(1), country="FR")
    assert renamed.body == {"name": "TVA"}


@pytest.mark.parametrize("percentage", ["abc", "-1", "10000"])
def test_what_is_no_percentage_is_not_written(percentage: str) -> None:
    patch = woo_tax_patch({"percentage": percentage}, current=rate(1), country="FR")
    assert patch.body == {}
    assert patch.unwritten == {"percentage"}


def test_a_name_that_woocommerce_would_clean_is_not_written() -> None:
    assert woo_tax_patch({"label": "a<b>"}, current=rate(1), country="FR").unwritten == {"label"}


def test_an_order_tells_its_rates_itself() -> None:
    simple, compound = order_rates(recorded_order("order_create_full_excl_tax"))
    assert (simple.id, simple.label, simple.percentage, simple.compound) == (
        "1", "TVA 20", "20", False,
    )  # fmt: skip
    assert (compound.id, compound.percentage, compound.compound) == ("2", "2.5", True)


def test_a_deleted_rate_is_found_by_label_and_percentage() -> None:
    order = recorded_order("order_create_full_excl_tax")
    taxes = [tax(4, "Éco-taxe composée", "2.500"), tax(5, "TVA 20", "19.000")]
    assert order_tax_fields(order, {"1": "tax9"}, taxes) == {"1": "tax9", "2": "tax4"}
    assert order_tax_fields(order, {}, taxes) == {"2": "tax4"}
    twice = [*taxes, tax(6, "TVA 20", "20.000"), tax(7, "TVA 20", "20.000")]
    assert order_tax_fields(order, {}, twice) == {"1": "tax6", "2": "tax4"}


def test_only_rates_that_are_used() -> None:
    order = recorded_order("order_create_full_excl_tax")
    assert used_rates([order, made_order()], [[rate(7)]]) == {"1", "2", "7"}
    assert "24" in used_rates((order for _, order in month_orders()), [])


RATES = [
    rate(1),
    rate(2, country="", rate="1.0000"),
    rate(3, priority=2, compound=True, rate="2.5000"),
    rate(4, country="DE"),
    rate(5, **{"class": "reduced-rate", "rate": "5.5000"}),
    rate(6, state="IDF"),
    rate(7, postcodes=["1*"]),
]


@pytest.mark.parametrize(
    ("fields", "base", "expected"),
    [
        ({"tax_class": ""}, FRANCE, ["1", "3"]),
        ({"tax_class": "standard"}, FRANCE, ["1", "3"]),
        ({"tax_class": "reduced-rate"}, FRANCE, ["5"]),
        ({"tax_class": "zero-rate"}, FRANCE, []),
        ({"tax_status": "none"}, FRANCE, []),
        ({"tax_class": ""}, ShopBase("FR", "IDF"), ["6", "3"]),
        ({"tax_class": ""}, ShopBase("FR", postcode="13001"), ["7", "3"]),
        ({"tax_class": ""}, ShopBase("DE"), ["4"]),
        ({"tax_class": ""}, ShopBase("CH"), ["2"]),
    ],
)
def test_a_products_rates_at_the_shops_base(
    fields: dict[str, str], base: ShopBase, expected: list[str]
) -> None:
    assert [r.id for r in product_rates(made_product(**fields), RATES, base)] == expected


@pytest.mark.parametrize(
    ("postcode", "fits"),
    [("10115", True), ("20000", True), ("29999", True), ("30000", False), ("", False)],
)
def test_postcodes_and_ranges(postcode: str, fits: bool) -> None:
    narrow = recorded_rate("tax_create_postcodes")
    base = ShopBase("DE", postcode=postcode, city="berlin")
    assert bool(product_rates(made_product(), [narrow], base)) is fits


def test_a_products_taxes_by_tax_field() -> None:
    linked = {"1": "tax4", "3": "tax5", "8": "tax4"}
    found = product_taxes([RATES[2], RATES[0], rate(8, rate="1.0000")], linked)
    assert {k: Decimal(v) for k, v in json.loads(found).items()} == {
        "tax4": Decimal(21),
        "tax5": Decimal("3.025"),
    }
    assert product_taxes([RATES[0]], {}) == "{}"

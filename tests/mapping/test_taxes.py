"""Tax rates and Vtiger's taxes: labels, matching, use, and the writes that are safe."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mapping.values import Mapped, PatchOptions
from app.modules.taxes.mapping import (
    TAX_RULES,
    label_forms,
    match_rate,
    match_tax,
    tax_labels,
    tax_leaders,
    vtiger_tax,
    vtiger_tax_patch,
    woo_tax,
    woo_tax_patch,
)
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.cases import case
from tests.mapping.orders import read_lines

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


def postcode_rates() -> list[WooRecord]:
    """One rate for each postcode, by automated taxes."""
    rows = case("tax-for-each-postcode").feed["rates"]
    return [
        rate(n, country=country, state=state, postcodes=[code], rate=percent, name=name)
        for n, (country, state, code, percent, name) in enumerate(rows, start=1)
    ]


def test_rates_that_differ_in_their_postcodes_alone_are_one_tax() -> None:
    rates = [*postcode_rates(), rate(4, name="CA Tax", country="US", state="CA", cities=["LA"],
                                     rate="7.00004")]  # fmt: skip
    assert tax_leaders(rates, paired=()) == dict.fromkeys("1234", "1")
    assert tax_labels(rates) == dict.fromkeys("1234", "CA Tax")
    assert tax_leaders(rates, paired={"2", "3"}) == {"1": "2", "2": "2", "3": "3", "4": "2"}


@pytest.mark.parametrize(
    "fields",
    [
        {"rate": "7.2500"},
        {"name": "Other"},
        {"state": "NY"},
        {"country": "CA"},
        {"class": "reduced-rate"},
        {"compound": True},
    ],
)
def test_rates_that_differ_in_more_are_taxes_of_their_own(fields: dict[str, Any]) -> None:
    first, second, *_ = postcode_rates()
    rates = [first, WooRecord({**second.data, **fields})]
    assert tax_leaders(rates, paired=()) == {"1": "1", "2": "2"}
    assert len({*tax_labels(rates).values()}) == 2


def test_a_label_in_use_stays_when_others_come() -> None:
    rates = [rate(1), rate(2, country="DE")]
    assert tax_labels(rates, kept={"1": "VAT"}) == {"1": "VAT", "2": "VAT DE"}
    assert tax_labels(rates, kept={"1": "TVA"}) == {"1": "VAT FR", "2": "VAT DE"}


@given(st.lists(st.tuples(st.sampled_from(["VAT", "vat", ""]), st.sampled_from(["FR", "DE", ""]),
                          st.sampled_from(["20.0000", "5.5000"]), st.sampled_from(["1*", ""])),
                max_size=12))  # fmt: skip
def test_rates_of_different_taxes_never_have_one_label(
    shapes: list[tuple[str, str, str, str]],
) -> None:
    rates = [
        rate(n, name=name, country=country, rate=percent, postcodes=[code])
        for n, (name, country, percent, code) in enumerate(shapes, start=1)
    ]
    labels, leaders = tax_labels(rates), tax_leaders(rates, paired=())
    own = {labels[leader].casefold() for leader in leaders.values()}
    assert len(own) == len({*leaders.values()})
    assert {r.id: labels[r.id] for r in rates} == {r.id: labels[leaders[r.id]] for r in rates}
    assert all(labels[r.id] in label_forms(r) for r in rates if leaders[r.id] == r.id)


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
    match = match_tax(label, percentage, taxes=recorded_taxes("70-tax-query"))
    assert (match.tax and match.tax.id, match.ambiguous) == (expected, ())


def test_a_label_that_vtiger_has_twice_is_ambiguous() -> None:
    taxes = [tax(1, "VAT", "20.000"), tax(2, "VAT", "20.000"), tax(3, "VAT", "5.500")]
    match = match_tax("VAT", "20", taxes=taxes)
    assert match.tax is None
    assert [found.id for found in match.ambiguous] == ["34x1", "34x2"]


def test_deleted_and_broken_taxes_do_not_count() -> None:
    taxes = [tax(1, "VAT", "20.000", deleted="1"), tax(2, "VAT", "20.000", taxname="")]
    assert match_tax("VAT", "20", taxes=taxes).tax is None


def test_a_vtiger_tax_finds_its_rate_by_unique_label_or_bare_name() -> None:
    rates = [rate(1), rate(2, country="DE")]
    labels = tax_labels(rates)
    assert match_rate(vtiger_tax(tax(1, "VAT DE", "20.000")), rates, labels=labels) == ["2"]
    assert match_rate(vtiger_tax(tax(1, "VAT", "20.000")), rates, labels=labels) == ["1", "2"]
    assert match_rate(vtiger_tax(tax(1, "VAT", "19.000")), rates, labels=labels) == []


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

"""Mapping tables: defaults, custom rows over them, and which custom rows are refused."""

from dataclasses import replace

import pytest

from app.errors import InvalidInput
from app.mapping.contact_rules import CONTACT_RULES
from app.mapping.limits import CONTACT_SIZES
from app.mapping.rules import FieldRule, effective_rules, validate_rule
from app.records import Direction

VAT = FieldRule("vat_number", ("meta:vat_number",), "cf_853", size=20)


def test_custom_row_is_added_after_the_defaults() -> None:
    assert effective_rules(CONTACT_RULES, [VAT]) == (*CONTACT_RULES, VAT)


def test_custom_row_replaces_the_default_of_its_name_in_its_place() -> None:
    phone = FieldRule("phone", ("billing.phone",), "homephone", direction=Direction.OFF)
    rules = effective_rules(CONTACT_RULES, [phone])
    assert [rule.name for rule in rules] == [rule.name for rule in CONTACT_RULES]
    assert phone in rules


@pytest.mark.parametrize("rule", CONTACT_RULES, ids=lambda rule: rule.name)
def test_every_default_is_a_possible_row_and_its_field_size_is_known(rule: FieldRule) -> None:
    if rule.name != "company":
        assert validate_rule(rule, CONTACT_RULES) is rule
        assert rule.vtiger in CONTACT_SIZES


def test_good_custom_row_passes() -> None:
    assert validate_rule(VAT, CONTACT_RULES) is VAT


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "VAT number"}, "name"),
        ({"woo": ("meta:_vat",)}, "woo"),
        ({"woo": ("meta:vtiger_id",)}, "woo"),
        ({"woo": ("username",)}, "woo"),
        ({"woo": ("billing.",)}, "woo"),
        ({"woo": ()}, "woo"),
        ({"transform": "street"}, "woo"),
        ({"vtiger": "cf 853"}, "vtiger"),
        ({"vtiger": "account_id"}, "vtiger"),
        ({"vtiger": "mailingcity"}, "vtiger"),
        ({"transform": "rot13"}, "transform"),
        ({"transform": "state"}, "given"),
        ({"size": 0}, "size"),
    ],
)
def test_bad_custom_row_is_refused_with_the_field_to_mend(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        validate_rule(replace(VAT, **changes), CONTACT_RULES)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert str(refused.value)


def test_field_of_a_row_that_was_switched_off_is_free() -> None:
    off = [replace(rule, direction=Direction.OFF) for rule in CONTACT_RULES]
    assert validate_rule(replace(VAT, vtiger="mailingcity"), off).vtiger == "mailingcity"


def test_absent_is_not_empty() -> None:
    assert not VAT.same(None, "")
    assert VAT.same(None, None)

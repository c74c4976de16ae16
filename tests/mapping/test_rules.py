"""Mapping tables: defaults, and custom rows over them."""

import pytest

from app.domain import Direction
from app.mapping.rules import CONTACT_SIZES, FieldRule, effective_rules
from app.modules.contacts.mapping import CONTACT_RULES

VAT = FieldRule("vat_number", ("meta:vat_number",), "cf_853", size=20)


def test_custom_row_is_added_after_the_defaults() -> None:
    assert effective_rules(CONTACT_RULES, [VAT]) == (*CONTACT_RULES, VAT)


def test_custom_row_replaces_the_default_of_its_name_in_its_place() -> None:
    phone = FieldRule("phone", ("billing.phone",), "homephone", direction=Direction.OFF)
    rules = effective_rules(CONTACT_RULES, [phone])
    assert [rule.name for rule in rules] == [rule.name for rule in CONTACT_RULES]
    assert phone in rules


@pytest.mark.parametrize("rule", CONTACT_RULES, ids=lambda rule: rule.name)
def test_the_size_of_every_default_field_is_known(rule: FieldRule) -> None:
    assert rule.name == "company" or rule.vtiger in CONTACT_SIZES


def test_absent_is_not_empty() -> None:
    assert not VAT.same(None, "")
    assert VAT.same(None, None)

"""Customers and contacts read as the same values; a missing name is derived."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain import Direction, System
from app.mapping.rules import FieldRule
from app.mapping.values import Mapped
from app.modules.contacts.mapping import (
    COMPANY,
    CONTACT_RULES,
    missing_required,
    vtiger_contact,
    woo_contact,
    woo_foreign_id,
)
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.records import contact, customer, recorded


def test_recorded_customer_is_read() -> None:
    mapped = woo_contact(WooRecord(recorded("woocommerce/customer_get.json")), CONTACT_RULES)
    assert dict(mapped.values) == {
        "first_name": "Zoë",
        "last_name": "Müller-Łukasz 日本",
        "email": "zoe.muller@lab.example",
        "phone": "+33 3 81 00 00 00",
        "mobile": "+49 221 000",
        "company": "Ünï & Cø <GmbH>",
        "mailing_street": '12 Rue de l’Été\nBât. "B"',
        "mailing_city": "Besançon",
        "mailing_zip": "25000",
        "mailing_state": "",
        "mailing_country": "FR",
        "other_street": "5 Straße",
        "other_city": "Köln",
        "other_zip": "50667",
        "other_state": "",
        "other_country": "DE",
    }
    assert mapped.derived == frozenset()


def test_recorded_contact_is_read() -> None:
    data = recorded("vtiger/21-retrieve-contact-full.json")["result"]
    record = VtigerRecord(data["id"], "Contacts", data)
    mapped = vtiger_contact(record, CONTACT_RULES, account_name="Fish &amp; Chips")
    assert mapped.get("last_name") == 'O\'Brien & "Co" <x>'
    assert mapped.get("mailing_street") == "12 Rue A\nBât. 3\r\nfin"
    assert mapped.get("mailing_country") == "X" * 40
    assert mapped.get(COMPANY) == "Fish & Chips"
    assert mapped.get("mobile") == ""


@pytest.mark.parametrize(
    ("fields", "name", "derived"),
    [
        ({"last_name": "Berg"}, "Berg", False),
        ({"billing": {"last_name": "Berg", "company": "ACME"}}, "Berg", False),
        ({"billing": {"company": "ACME"}}, "ACME", True),
        ({"last_name": "  "}, "anna", True),
    ],
)
def test_missing_last_name_is_derived(fields: dict[str, Any], name: str, *, derived: bool) -> None:
    mapped = woo_contact(customer(**fields), CONTACT_RULES)
    assert mapped.get("last_name") == name
    assert mapped.derived == (frozenset({"last_name"}) if derived else frozenset())


def test_state_is_understood_by_the_country_of_its_own_address() -> None:
    addresses = {
        "billing": {"country": "US", "state": "CA"},
        "shipping": {"country": "CA", "state": "CA"},
    }
    mapped = woo_contact(customer(**addresses), CONTACT_RULES)
    assert (mapped.get("mailing_state"), mapped.get("other_state")) == ("US-CA", "CA")


def test_field_that_a_side_does_not_have_is_absent_not_empty() -> None:
    assert woo_contact(WooRecord({"id": 1}), CONTACT_RULES).get("phone") is None
    assert vtiger_contact(contact(), CONTACT_RULES, account_name="").get("phone") is None


def test_foreign_id_is_read_from_meta() -> None:
    marked = customer(meta_data=[{"id": 1, "key": "vtiger_id", "value": "12x8"}])
    assert woo_foreign_id(marked) == "12x8"
    assert woo_foreign_id(customer()) is None
    assert woo_foreign_id(customer(meta_data=[{"key": "vtiger_id", "value": ""}])) is None


def test_required_values_that_are_missing_are_named() -> None:
    no_email = Mapped({"last_name": "Berg", "email": ""})
    assert missing_required(no_email, System.WOOCOMMERCE, CONTACT_RULES) == ["email"]
    assert missing_required(no_email, System.VTIGER, CONTACT_RULES) == []
    refused = Mapped({"email": "a&b@x.example"})
    assert missing_required(refused, System.WOOCOMMERCE, CONTACT_RULES) == ["email"]
    assert missing_required(refused, System.VTIGER, CONTACT_RULES) == ["last_name"]


def test_required_value_whose_rule_does_not_write_it_is_missing() -> None:
    off = [replace(rule, direction=Direction.OFF) for rule in CONTACT_RULES]
    full = Mapped({"last_name": "Berg", "email": "anna@x.example"})
    assert missing_required(full, System.VTIGER, off) == ["last_name"]


def test_meta_of_several_parts_is_no_value() -> None:
    vat = FieldRule("vat", ("meta:lab",), "cf_853")
    listed = customer(meta_data=[{"key": "lab", "value": [1, 2]}])
    assert woo_contact(listed, (vat,)).get("vat") is None
    numbered = customer(meta_data=[{"key": "lab", "value": 42}])
    assert woo_contact(numbered, (vat,)).get("vat") == "42"

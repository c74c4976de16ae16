"""Changes written as patches: only what the target takes, the rest with a note."""

from dataclasses import replace

import pytest

from app.domain import Direction
from app.mapping.rules import FieldRule, effective_rules
from app.mapping.values import Patch, PatchOptions, Value
from app.modules.contacts.mapping import (
    COMPANY,
    CONTACT_RULES,
    vtiger_contact,
    vtiger_patch,
    woo_contact,
    woo_patch,
)
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.records import contact, customer, recorded

CUT, SKIP = PatchOptions(too_long="cut"), PatchOptions(too_long="skip")


def to_woo(changes: dict[str, Value], current: WooRecord | None = None) -> Patch:
    return woo_patch(changes, CONTACT_RULES, current=current, options=CUT)


def to_vtiger(changes: dict[str, Value], current: VtigerRecord | None = None) -> Patch:
    return vtiger_patch(changes, CONTACT_RULES, current=current, options=CUT)


def test_every_mapped_value_of_a_recorded_customer_arrives_in_vtiger() -> None:
    mapped = woo_contact(WooRecord(recorded("woocommerce/customer_get.json")), CONTACT_RULES)
    patch = to_vtiger(dict(mapped.values))
    assert patch.notes == ()
    stored = VtigerRecord("12x9", "Contacts", patch.body)
    arrived = vtiger_contact(stored, CONTACT_RULES, account_name=patch.apart[COMPANY])
    sent = {name: value for name, value in mapped.values.items() if value}
    assert {name: arrived.get(name) for name in sent} == sent


def test_created_customer_gets_the_billing_email_and_no_empty_fields() -> None:
    patch = to_woo({"email": "anna@x.example", "first_name": "Anna", "phone": "", "mobile": None})
    assert patch.body == {
        "email": "anna@x.example",
        "first_name": "Anna",
        "billing": {"email": "anna@x.example"},
    }


def test_changed_email_leaves_the_billing_email_alone() -> None:
    assert to_woo({"email": "b@x.example"}, customer()).body == {"email": "b@x.example"}


def test_address_is_written_as_woocommerce_keeps_it() -> None:
    changes: dict[str, Value] = {
        "mailing_street": "1 Main St\nFlat 2",
        "mailing_country": "US",
        "mailing_state": "US-CA",
        "other_state": "DE-BY",
    }
    patch = to_woo(changes, customer(shipping={"country": "DE"}))
    assert patch.body == {
        "billing": {
            "address_1": "1 Main St",
            "address_2": "Flat 2",
            "country": "US",
            "state": "CA",
        },
        "shipping": {"state": "DE-BY"},
    }


def test_address_is_written_as_people_read_it_in_vtiger() -> None:
    changes: dict[str, Value] = {"mailing_country": "US", "mailing_state": "US-CA"}
    patch = to_vtiger(changes, contact())
    assert patch.body == {"mailingcountry": "United States", "mailingstate": "California"}


def test_state_is_written_beside_the_country_that_the_record_has() -> None:
    patch = to_vtiger({"mailing_state": "DE-BY"}, contact(mailingcountry="Germany"))
    assert patch.body == {"mailingstate": "Bayern"}
    lost = to_vtiger({"mailing_state": "DE-BY"}, contact(mailingcountry=""))
    assert lost.body == {"mailingstate": "DE-BY"}


def test_company_stands_apart_and_the_account_id_is_never_written() -> None:
    patch = to_vtiger({COMPANY: "ACME 😀", "phone": "1"}, contact())
    assert patch.body == {"phone": "1"}
    assert patch.apart == {COMPANY: "ACME \ufffd"}
    assert to_vtiger({COMPANY: ""}, contact()).apart == {COMPANY: ""}


def test_company_name_is_cut_to_what_an_account_keeps() -> None:
    assert to_vtiger({COMPANY: "x" * 120}, contact()).apart == {COMPANY: "x" * 100}


def test_required_value_cannot_be_emptied() -> None:
    woo = to_woo({"email": ""}, customer())
    vtiger = to_vtiger({"last_name": " "}, contact())
    assert (woo.body, woo.unwritten) == ({}, frozenset({"email"}))
    assert (vtiger.body, vtiger.unwritten) == ({}, frozenset({"last_name"}))
    assert [note.reason for note in (*woo.notes, *vtiger.notes)] == ["missing_required_field"] * 2


def test_cut_value_is_sent_with_the_full_value_in_the_note() -> None:
    city = "Llanfair " * 6
    patch = to_vtiger({"mailing_city": city}, contact())
    assert patch.body == {"mailingcity": "Llanfair Llanfair Llanfair Llanfair"}
    assert (patch.unwritten, patch.notes[0].reason, patch.notes[0].value) == (
        frozenset(),
        "value_too_long",
        city,
    )


def test_too_long_value_is_left_out_if_the_user_wants_so() -> None:
    changes = {"mailing_city": "x" * 41, "phone": "1"}
    patch = vtiger_patch(changes, CONTACT_RULES, current=contact(), options=SKIP)
    assert (patch.body, patch.unwritten) == ({"phone": "1"}, frozenset({"mailing_city"}))


def test_unsafe_half_of_a_street_leaves_the_whole_street_out() -> None:
    patch = to_woo({"mailing_street": "1 Main St\nFlat \\2", "phone": "1"}, customer())
    assert (patch.body, patch.unwritten) == (
        {"billing": {"phone": "1"}},
        frozenset({"mailing_street"}),
    )
    assert [note.reason for note in patch.notes] == ["unsafe_in_woocommerce"]


@pytest.mark.parametrize(
    ("changes", "last_name"),
    [
        ({"last_name": "<script>x</script>", COMPANY: "ACME", "email": "anna@x.example"}, "ACME"),
        ({"last_name": "&lt;b&gt;", COMPANY: "&amp;", "email": "anna@x.example"}, "anna"),
        ({"last_name": "&lt;b&gt;"}, "-"),
        ({"last_name": "word " * 20}, ("word " * 16).rstrip()),
    ],
)
def test_contact_whose_name_cannot_be_sent_is_created_with_a_stand_in(
    changes: dict[str, Value], last_name: str
) -> None:
    patch = vtiger_patch(changes, CONTACT_RULES, current=None, options=SKIP)
    assert patch.body["lastname"] == last_name
    assert [note.value for note in patch.notes if note.field == "last_name"] == [
        changes["last_name"]
    ]


def test_four_byte_characters_survive_an_edit_in_vtiger() -> None:
    patch = to_woo({"phone": "call \ufffd me"}, customer(billing={"phone": "call 😀"}))
    assert patch.body == {"billing": {"phone": "call 😀 me"}}


def test_emptied_first_name_is_emptied_where_it_would_be_read() -> None:
    current = customer(first_name="Anna", billing={"first_name": "Anne"})
    patch = to_woo({"first_name": ""}, current)
    assert patch.body == {"first_name": "", "billing": {"first_name": ""}}


def test_custom_row_carries_meta_and_a_custom_field() -> None:
    vat = FieldRule("vat", ("meta:vat_number",), "cf_853", size=5)
    rules = effective_rules(CONTACT_RULES, [vat])
    marked = customer(meta_data=[{"id": 4, "key": "vat_number", "value": "FR1234"}])
    assert woo_contact(marked, rules).get("vat") == "FR1234"
    sent = vtiger_patch({"vat": "FR1234"}, rules, current=contact(), options=CUT)
    assert sent.body == {"cf_853": "FR123"}
    back = woo_patch({"vat": "FR9"}, rules, current=marked, options=CUT)
    assert back.body == {"meta_data": [{"key": "vat_number", "value": "FR9"}]}


def test_value_is_not_written_against_the_direction_of_its_rule() -> None:
    one_way = [replace(rule, direction=Direction.WOO_TO_VTIGER) for rule in CONTACT_RULES]
    changes: dict[str, Value] = {"phone": "1"}
    assert woo_patch(changes, one_way, current=customer(), options=CUT).body == {}
    assert vtiger_patch(changes, one_way, current=contact(), options=CUT).body == {"phone": "1"}

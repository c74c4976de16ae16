"""Countries and states: every code has a text that leads back to it, other text stays text."""

import json
from functools import cache
from itertools import product

import pytest

from app.mapping.places import Places, shipped_places
from app.mapping.rules import CONTACT_SIZES, ORDER_SIZES
from app.mapping.values import Patch, PatchOptions, Value, cut_at_word
from app.modules.contacts.mapping import (
    CONTACT_RULES,
    vtiger_contact,
    vtiger_patch,
    woo_contact,
    woo_patch,
)
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.client import WooCountry
from tests.cases import case
from tests.mapping.records import customer

PLACES = shipped_places()
STATES = [(code, state) for code, country in PLACES.countries.items() for state in country.states]
ROOMS = (None, 20, *sorted({CONTACT_SIZES["mailingstate"], CONTACT_SIZES["mailingcountry"]}))


def to_crm(country: str, state: str = "") -> dict[str, str]:
    """What a new contact gets of a customer's billing country and state."""
    billing = {"country": country, "state": state}
    values = woo_contact(customer(billing=billing), CONTACT_RULES).values
    options = PatchOptions()
    return vtiger_patch(dict(values), CONTACT_RULES, current=None, options=options).body


def to_shop(country: str, state: str = "") -> Patch:
    """What a customer without an address gets of a contact's country and state."""
    fields = {"mailingcountry": country, "mailingstate": state}
    record = VtigerRecord("12x1", "Contacts", fields)
    values = vtiger_contact(record, CONTACT_RULES, account_name=None).values
    current = customer(billing={"country": "", "state": ""})
    return woo_patch(dict(values), CONTACT_RULES, current=current, options=PatchOptions())


@pytest.mark.parametrize("size", ROOMS)
def test_every_country_of_the_shop_survives_the_way_to_vtiger_and_back(size: int | None) -> None:
    texts = {code: PLACES.country_text(code, size=size) for code in PLACES.countries}
    assert {code: PLACES.find_country(text) for code, text in texts.items()} == {
        code: code for code in texts
    }
    assert size is None or max(map(len, texts.values())) <= size


@pytest.mark.parametrize("size", ROOMS)
def test_every_state_of_the_shop_survives_the_way_to_vtiger_and_back(size: int | None) -> None:
    lost, named = [], 0
    for country, state in STATES:
        value = PLACES.find_state(state, country) or ""
        text = PLACES.state_text(value, country, size=size)
        named += text != state
        back = PLACES.state_code(PLACES.find_state(text, country) or "", country)
        if back != state or (size is not None and len(text) > size):
            lost.append((country, state, text))
    assert lost == []
    assert size == 20 or named == len(STATES)


def test_neutral_states_of_a_country_are_all_different() -> None:
    values = {(country, PLACES.find_state(state, country)) for country, state in STATES}
    assert len(values) == len(STATES)


def test_fields_of_both_modules_are_among_the_tested_sizes() -> None:
    orders = {ORDER_SIZES[f"{a}_{b}"] for a, b in product(("bill", "ship"), ("state", "country"))}
    assert orders <= set(ROOMS)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FR", "FR"),
        ("fr", "FR"),
        ("FRA", "FR"),
        (" France ", "FR"),
        ("UNITED STATES", "US"),
        ("United States of America", "US"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("UK", "GB"),
        ("Czech Republic", "CZ"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        ("Frankreich", "FR"),
        ("Österreich", "AT"),
        ("Osterreich", "AT"),
        ("Suisse", "CH"),
        ("España", "ES"),
        ("Curaçao", "CW"),
        ("Cote d'Ivoire", "CI"),
        ("Côte d’Ivoire", "CI"),
        ("St. Lucia", "LC"),
        ("日本", "JP"),
        ("Россия", "RU"),
        ("Virgin Islands", None),
        ("", None),
        ("-", None),
        ("Narnia", None),
    ],
)
def test_country_is_read_by_name_and_code(text: str, code: str | None) -> None:
    assert PLACES.find_country(text) == code


@pytest.mark.parametrize(
    ("code", "name"),
    [("US", "United States"), ("TW", "Taiwan"), ("VN", "Vietnam"), ("XX", "XX")],
)
def test_country_is_named_as_people_do(code: str, name: str) -> None:
    assert PLACES.country_text(code, size=None) == name


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("CA", "US", "CA"),
        ("ca", "US", "CA"),
        ("US-CA", "US", "CA"),
        ("California", "US", "CA"),
        ("DE-BY", "DE", "DE-BY"),
        ("BY", "DE", "DE-BY"),
        ("Bayern", "DE", "DE-BY"),
        ("Bavaria", "DE", "DE-BY"),
        ("JP13", "JP", "JP13"),
        ("Tokyo", "JP", "JP13"),
        ("Cantabria", "ES", "S"),
        ("Dhaka", "BD", "BD-13"),
        ("JAL", "MX", "JA"),
        ("MX-JAL", "MX", "JA"),
        ("CG", "IN", "CT"),
        ("Puducherry", "IN", "PY"),
        ("北京", "CN", "CN2"),
        ("Ciudad Autónoma de Buenos Aire", "AR", "C"),
        ("Ciudad Autónoma", "AR", None),
        ("Armed Forces", "US", None),
        ("CA", "", None),
        ("California", "FR", None),
        ("Kent", "GB", None),
        ("Yevlax", "AZ", None),
        ("", "US", None),
    ],
)
def test_state_is_read_beside_its_country(text: str, country: str, code: str | None) -> None:
    value = PLACES.find_state(text, country)
    assert (value and PLACES.state_code(value, country)) == code


def test_every_code_of_iso_that_means_a_state_of_the_shop_means_that_one() -> None:
    """Where ISO's code is the shop's code of another state, the shop's own notation counts."""
    state = PLACES.find_state("MD-FL", "MD") or ""
    assert PLACES.countries["MD"].states[PLACES.state_code(state, "MD") or ""] == "Fălești"


@cache
def german_shop() -> Places:
    """A shop in German that lists one state of its own making."""
    california = {"CA": "Kalifornien", "ZZ": "Neustaat"}
    return Places.of(
        [WooCountry("US", "Vereinigte Staaten", california), WooCountry("XK", "Kosovo", {})]
    )


@pytest.mark.parametrize("text", ["Kalifornien", "California", "CA", "US-CA"])
def test_state_of_a_shop_in_another_language_is_read_in_both(text: str) -> None:
    assert german_shop().find_state(text, "US") == "US-CA"


def test_state_goes_by_the_shops_own_list_alone() -> None:
    shop = german_shop()
    assert shop.state_text("US-CA", "US", size=30) == "California"
    assert shop.state_text("US-ZZ", "US", size=30) == "Neustaat"
    assert shop.find_state("Neustaat", "US") == "US-ZZ"
    assert shop.find_state("Texas", "US") is None
    assert shop.country_text("XK", size=40) == "Kosovo"


@pytest.mark.parametrize("name", ["country-names", "country-names-local"])
def test_country_names_of_crm_people_are_understood(name: str) -> None:
    feed, expected = case(name).feed, case(name).expect
    codes = [to_shop(text).body.get("billing", {}).get("country") for text in feed["rows"]]
    assert codes == [text[:2] for text in expected]


def test_states_of_the_shop_reach_vtiger_by_name() -> None:
    known = case("states-not-iso-to-crm")
    for (country, state), expected in zip(known.feed["rows"], known.expect, strict=True):
        text = to_crm(country, state)["mailingstate"]
        assert text == cut_at_word(expected, CONTACT_SIZES["mailingstate"])


def test_states_typed_in_vtiger_reach_the_shop_by_its_own_codes() -> None:
    known = case("states-not-iso-to-shop")
    found = [to_shop(*row).body["billing"]["state"] for row in known.feed["rows"]]
    assert json.dumps(found) == json.dumps([text.split(" (")[0] for text in known.expect])


def test_country_that_is_not_understood_never_reaches_the_shop() -> None:
    patch = to_shop("Narnia", "Texas")
    assert patch.body == {}
    assert {(note.field, note.reason) for note in patch.notes} == {
        ("mailing_country", "unknown_place"),
        ("mailing_state", "unknown_place"),
    }
    assert patch.unwritten == {"mailing_country", "mailing_state"}


def test_state_that_the_shop_does_not_list_never_reaches_it() -> None:
    patch = to_shop("Mexico", "Texas")
    assert patch.body == {"billing": {"country": "MX"}}
    [note] = patch.notes
    assert (note.field, note.reason) == ("mailing_state", "unknown_place")
    assert "Mexico" in note.message


def test_state_that_was_read_beside_no_country_is_found_in_the_one_of_the_shop() -> None:
    current = customer(billing={"country": "US", "state": ""})
    changes: dict[str, Value] = {"mailing_state": "New York"}
    patch = woo_patch(changes, CONTACT_RULES, current=current, options=PatchOptions())
    assert (patch.body, patch.notes) == ({"billing": {"state": "NY"}}, ())


def test_state_of_a_country_without_a_list_is_any_text() -> None:
    patch = to_shop("United Kingdom", "Kent")
    assert (patch.body, patch.notes) == ({"billing": {"country": "GB", "state": "Kent"}}, ())


def test_emptied_country_and_state_empty_those_of_the_shop() -> None:
    current = customer(billing={"country": "US", "state": "CA"})
    changes: dict[str, Value] = {"mailing_country": "", "mailing_state": ""}
    patch = woo_patch(changes, CONTACT_RULES, current=current, options=PatchOptions())
    assert patch.body == {"billing": {"country": "", "state": ""}}

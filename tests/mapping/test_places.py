"""Countries and states: every code has a name that leads back to it, other text stays text."""

import pycountry
import pytest

from app.mapping.places import (
    country_name,
    find_country,
    find_subdivision,
    subdivision_name,
    woo_state,
)

COUNTRY_CODES = [country.alpha_2 for country in pycountry.countries]
SUBDIVISIONS = [(sub.code, sub.country_code) for sub in pycountry.subdivisions]


def test_every_country_survives_the_way_to_vtiger_and_back() -> None:
    assert [code for code in COUNTRY_CODES if find_country(country_name(code) or "") != code] == []


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
        ("UK", "GB"),
        ("Czech Republic", "CZ"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        ("Frankreich", None),
        ("", None),
        ("Narnia", None),
    ],
)
def test_country_is_read_by_name_and_code(text: str, code: str | None) -> None:
    assert find_country(text) == code


@pytest.mark.parametrize(
    ("code", "name"),
    [("US", "United States"), ("TW", "Taiwan"), ("VN", "Vietnam"), ("XX", None), ("France", None)],
)
def test_country_is_named_as_people_do(code: str, name: str | None) -> None:
    assert country_name(code) == name


def test_every_state_survives_the_way_to_vtiger_and_back() -> None:
    """By name, or by code where the name means another one."""
    lost = []
    for code, country in SUBDIVISIONS:
        name = subdivision_name(code, country)
        if find_subdivision(code if name is None else name, country) != code:
            lost.append(code)
    assert lost == []


def test_every_state_survives_the_way_to_woocommerce_and_back() -> None:
    assert [
        code
        for code, country in SUBDIVISIONS
        if find_subdivision(woo_state(code, country), country) != code
    ] == []


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("CA", "US", "US-CA"),
        ("ca", "US", "US-CA"),
        ("California", "US", "US-CA"),
        ("DE-BY", "DE", "DE-BY"),
        ("BY", "DE", "DE-BY"),
        ("Bayern", "DE", "DE-BY"),
        ("JP13", "JP", "JP-13"),
        ("DE-BY", "", "DE-BY"),
        ("CA", "", None),
        ("California", "FR", None),
        ("Bavaria", "DE", None),
        ("CN2", "CN", None),
        ("", "US", None),
        ("Cantabria", "ES", "ES-S"),
        ("Dhaka", "BD", "BD-13"),
        ("Yevlax", "AZ", None),
    ],
)
def test_state_is_read_beside_its_country(text: str, country: str, code: str | None) -> None:
    assert find_subdivision(text, country) == code


@pytest.mark.parametrize(
    ("value", "country", "text"),
    [
        ("US-CA", "US", "CA"),
        ("DE-BY", "DE", "DE-BY"),
        ("JP-13", "JP", "JP13"),
        ("US-CA", "FR", "US-CA"),
        ("Bavaria", "DE", "Bavaria"),
    ],
)
def test_state_is_written_as_woocommerce_lists_it(value: str, country: str, text: str) -> None:
    assert woo_state(value, country) == text

"""The laws of every transform: get-put, put-get, and no value of its own making."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mapping.transforms import TRANSFORMS
from app.mapping.values import Value
from tests.mapping.probes import probed_texts

PLACES = ["FR", "France", "fra", "US", "CA", "California", "DE-BY", "Bayern", "BY", "Narnia", ""]
TEXTS = st.one_of(
    st.sampled_from([text for text in probed_texts() if "\ud83d" not in text]),
    st.sampled_from(PLACES),
    st.text(max_size=12),
    st.text(alphabet="ab ,\n\r", max_size=12),
)
NAMES = st.sampled_from(sorted(TRANSFORMS))
COUNTRIES = st.sampled_from(["", "US", "DE", "FR", "JP", "MX", "GT", "UM", "Narnia"])


def paths(name: str) -> int:
    return TRANSFORMS[name].least_paths


def after_write(current: list[Value], written: tuple[Value, ...]) -> list[Value]:
    return [old if new is None else new for old, new in zip(current, written, strict=True)]


@given(NAMES, st.data(), COUNTRIES)
def test_get_put_in_woocommerce(name: str, data: st.DataObject, country: str) -> None:
    """What was read, written back, leaves every path alone."""
    transform = TRANSFORMS[name]
    count = data.draw(st.integers(transform.least_paths, min(2, transform.most_paths)))
    current: list[Value] = data.draw(st.lists(TEXTS | st.none(), min_size=count, max_size=count))
    value = transform.read_woo(current, country)
    if value is not None:
        assert set(transform.write_woo(value, current, country)) == {None}


@given(NAMES, TEXTS, TEXTS, COUNTRIES)
def test_put_get_in_woocommerce(name: str, text: str, old: str, country: str) -> None:
    """What was written is what is read."""
    transform = TRANSFORMS[name]
    value = transform.read(text, country)
    current: list[Value] = [old] * paths(name)
    written = after_write(current, transform.write_woo(value, current, country))
    found = transform.read_woo(written, country)
    assert found is not None
    assert transform.canonical(found) == transform.canonical(value)


@given(NAMES, TEXTS, COUNTRIES, st.sampled_from([None, 30, 40]))
def test_put_get_in_vtiger(name: str, text: str, country: str, size: int | None) -> None:
    transform = TRANSFORMS[name]
    value = transform.read(text, country)
    written = transform.vtiger_text(value, country, size=size)
    assert transform.canonical(transform.read(written, country)) == transform.canonical(value)


@given(NAMES, TEXTS, COUNTRIES)
def test_reading_the_neutral_value_again_changes_nothing(
    name: str, text: str, country: str
) -> None:
    transform = TRANSFORMS[name]
    value = transform.read(text, country)
    assert transform.read(value, country) == value


@given(NAMES, TEXTS)
def test_canonical_form_is_its_own(name: str, text: str) -> None:
    transform = TRANSFORMS[name]
    assert transform.canonical(transform.canonical(text)) == transform.canonical(text)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (("1 Main St", "Flat 2"), "1 Main St\nFlat 2"),
        (("1 Main St", ""), "1 Main St"),
        (("", "Flat 2"), "\nFlat 2"),
        (("", ""), ""),
        (("1 Main St", "Flat 2, Back yard"), "1 Main St\r\nFlat 2\r\nBack yard\r\n"),
    ],
)
def test_street_lines_are_joined_and_split(lines: tuple[str, str], text: str) -> None:
    street = TRANSFORMS["street"]
    assert street.write_woo(text, ("old", "old"), "") == lines
    joined = street.read_woo(lines, "")
    assert street.canonical(joined or "") == street.canonical(text)


def test_street_line_moved_to_the_second_line_is_a_change() -> None:
    street = TRANSFORMS["street"]
    assert street.canonical("A\nB") != street.canonical("A B")


def test_text_of_several_paths_reads_the_first_that_says_something() -> None:
    text = TRANSFORMS["text"]
    assert text.read_woo(["", "Anna"], "") == "Anna"
    assert text.read_woo([None, None], "") is None
    assert text.read_woo(["", None], "") is None  # the other may have been the one


def test_emptied_text_empties_every_path_that_would_be_read() -> None:
    text = TRANSFORMS["text"]
    assert text.write_woo("", ["Anna", "Anne"], "") == ("", "")
    assert text.write_woo("Berta", ["Anna", "Anne"], "") == ("Berta", None)


def test_place_whose_name_does_not_fit_is_written_as_far_as_it_is_understood() -> None:
    country, state = TRANSFORMS["country"], TRANSFORMS["state"]
    assert country.vtiger_text("GS", "", size=None).startswith("South Georgia and")
    assert country.vtiger_text("GS", "", size=30) == "South Georgia/Sandwich Islands"
    assert country.vtiger_text("GS", "", size=20) == "GS"
    assert state.vtiger_text("AR-C", "AR", size=50) == "Ciudad Autónoma de Buenos Aires"
    assert state.vtiger_text("AR-C", "AR", size=30) == "Ciudad Autónoma de Buenos"
    assert state.vtiger_text("AR-C", "AR", size=20) == "C"


def test_email_ignores_case_and_surrounding_blanks() -> None:
    email = TRANSFORMS["email"]
    assert email.read(" Anna@x.example ", "") == "Anna@x.example"
    assert email.canonical("Anna@X.example") == email.canonical("anna@x.example")

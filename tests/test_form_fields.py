"""Fields of forms: what `urllib` reads, up to a limit."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import InvalidInput
from app.parsing import LONGEST_NAME, decoded, read_fields

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def read(raw: bytes, *, most: int = 100, longest: int = 1000) -> list[tuple[str, str]]:
    fields = read_fields(raw, most=most, longest=longest)
    return [(name, decoded(value)) for name, value in fields]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=10))
def test_fields_are_what_a_browser_meant(fields: list[tuple[str, str]]) -> None:
    assert read(urlencode(fields).encode()) == [(name, value) for name, value in fields if value]


@given(st.text("ab=&+%41;é", max_size=30))
def test_odd_forms_are_read_as_urllib_reads_them(text: str) -> None:
    assert read(text.encode()) == parse_qsl(text)


def test_too_many_fields_are_refused_before_the_first() -> None:
    assert read(b"a=1&b=2", most=2) == [("a", "1"), ("b", "2")]
    with pytest.raises(InvalidInput, match="2 fields"):
        read_fields(b"a=1&b=2&", most=2, longest=10)


def test_long_names_and_values_are_passed_over() -> None:
    long = b"n" * (LONGEST_NAME + 1)
    assert read(long + b"=1&a=12345&b=1234", longest=4) == [("b", "1234")]

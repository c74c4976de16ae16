"""Numbers as texts: strict to read, plain to write."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import InvalidInput
from app.mapping.values import amount, canonical_json, canonical_number, decimal_text, rounded
from app.parsing import find_decimal


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("19.90", "19.90"), (" 7 ", "7"), ("-.5", "-0.5"), ("5.", "5"), (0.1, "0.1"), (1e16, "1E16")],
)
def test_numbers_are_read(raw: object, expected: str) -> None:
    assert find_decimal(raw) == Decimal(expected)


@pytest.mark.parametrize(
    "raw",
    [
        *("12,5", "1e2", "1e999", "abc", "NaN", "Infinity", "0x1A", "1.2.3", "١", "1" * 18),
        *("1" * 80, "0." + "1" * 80, True, [], {}, float("nan"), float("inf"), 1e22, 10**30),
    ],
)
def test_what_is_no_plain_number_is_never_taken_for_0(raw: object) -> None:
    assert find_decimal(raw) is None
    with pytest.raises(InvalidInput, match="is not a number"):
        amount(raw)


@pytest.mark.parametrize("raw", [None, "", " "])
def test_nothing_is_no_number_and_an_amount_of_0(raw: object) -> None:
    assert find_decimal(raw) is None
    assert amount(raw) == 0


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8))
def test_written_numbers_are_read_again(value: Decimal) -> None:
    assert find_decimal(decimal_text(value)) == value


@pytest.mark.parametrize(
    ("left", "right"), [("19.9", "19.90000000"), ("-0", "0.00"), ("x ", "x"), ("100", "1.e2")]
)
def test_equal_numbers_have_one_form(left: str, right: str) -> None:
    assert (canonical_number(left) == canonical_number(right)) is (right != "1.e2")


def test_halves_go_away_from_zero() -> None:
    assert rounded(Decimal("0.125"), 2) == Decimal("0.13")
    assert rounded(Decimal("-0.125"), 2) == Decimal("-0.13")


def test_json_of_the_same_content_is_the_same_text() -> None:
    assert canonical_json({"b": "é", "a": 1}) == canonical_json({"a": 1, "b": "é"})
    assert canonical_json({"b": "é", "a": 1}) == '{"a":1,"b":"é"}'


def test_numbers_of_any_length_keep_their_digits() -> None:
    """Python's own arithmetic has 28."""
    digits = "1" * 40
    assert decimal_text(Decimal(digits)) == digits
    assert rounded(Decimal(digits + ".125"), 2) == Decimal(digits + ".13")

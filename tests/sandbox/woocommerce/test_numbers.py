"""PHP's way with numbers, by property and by the cases that orders turn on."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.woocommerce.phpnumber import (
    cleaned_price,
    fixed_text,
    is_numeric,
    json_number,
    number,
    php_round,
    stored_number,
    whole_number,
)

money = st.integers(-(10**9), 10**9).map(lambda cents: cents / 100)


@pytest.mark.parametrize(
    ("value", "up", "down"),
    [
        (1.005, 1.01, 1.0),
        (2.675, 2.68, 2.67),
        (-1.005, -1.01, -1.0),
        (5.055, 5.06, 5.05),
        (0, 0, 0),
    ],
)
def test_a_half_cent_that_looks_like_one_is_rounded_as_one(
    value: float, up: float, down: float
) -> None:
    assert php_round(value, 2) == up
    assert php_round(value, 2, half_down=True) == down


@given(money)
def test_what_has_two_decimals_keeps_them(value: float) -> None:
    assert php_round(value, 2) == value
    assert Decimal(fixed_text(value, 2)) == Decimal(str(value))


@given(money)
def test_a_stored_number_is_read_back_as_it_was(value: float) -> None:
    assert number(stored_number(value)) == value


def test_zero_has_no_sign_and_fractions_of_zero_are_not_printed() -> None:
    assert fixed_text(-0.001, 2) == "0.00"
    assert (stored_number(27.50), stored_number(12.0)) == ("27.5", "12")
    assert (json_number(9.0), json_number(22.775)) == (9, 22.775)


@given(st.text())
def test_a_cleaned_price_has_digits_signs_and_at_most_one_dot(text: str) -> None:
    cleaned = cleaned_price(text)

    assert set(cleaned) <= set("0123456789.-")
    assert cleaned.count(".") <= 1


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        ("12345678901234567890", 2**63 - 1),
        (1e21, 3875820019684212736),
        ("1e400", 0),
        ("1e2", 100),
        (" 5 ", 5),
        (True, 1),
        (None, 0),
        ("x", 0),
    ],
)
def test_whole_numbers_saturate_or_wrap_as_in_php(value: object, whole: int) -> None:
    assert whole_number(value) == whole


def test_numeric_is_what_php_calls_numeric() -> None:
    assert all(map(is_numeric, ["1", ".5", "5.", " 5 ", "-1e3"]))
    assert not any(map(is_numeric, ["", "1-2", "--1", "0x1A", "٥", "1 2"]))

"""Vtiger's arithmetic by itself: the reference order, and laws that hold for any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.vtiger.totals import Item, Terms, total

amounts = st.decimals(0, 10_000, places=2).map(float)
rates = st.sampled_from([0.0, 5.5, 19.0, 20.0])
items = st.lists(st.builds(Item, price=amounts, quantity=amounts), min_size=1, max_size=6)


def test_the_reference_order_comes_to_93() -> None:
    lines = [Item(10, 2, discount_amount=1), Item(20, 3, discount_percent=10)]
    terms = Terms(
        "group", discount_amount=3, shipping=7.5, group_rates=[20, 0, 0], charge_taxes=[1.5]
    )
    assert total(lines, terms) == (73, 77.5, 93)


@given(items, rates, amounts)
def test_both_modes_agree_on_one_rate_without_a_discount(
    lines: list[Item], rate: float, shipping: float
) -> None:
    taxed = [Item(line.price, line.quantity, rates=[rate]) for line in lines]
    group = total(lines, Terms("group", shipping=shipping, group_rates=[rate]))
    individual = total(taxed, Terms("individual", shipping=shipping))
    assert individual.grand == pytest.approx(group.grand)
    assert individual.pre_tax == pytest.approx(group.pre_tax)


@given(items, amounts)
def test_an_adjustment_reaches_any_total(lines: list[Item], wanted: float) -> None:
    predicted = total(lines, Terms("group", group_rates=[20])).grand
    adjusted = Terms("group", group_rates=[20], adjustment=wanted - predicted)
    assert total(lines, adjusted).grand == pytest.approx(wanted, abs=1e-6)


@given(items, st.floats(-100, -0.01))
def test_a_negative_discount_counts_as_none(lines: list[Item], discount: float) -> None:
    assert total(lines, Terms(discount_amount=discount)) == total(lines, Terms())


def test_individual_mode_is_recognised_in_any_case_but_its_total_before_tax_is_not() -> None:
    lines = [Item(10, 1, rates=[20])]
    assert total(lines, Terms("individual")) == (12, 10, 12)
    assert total(lines, Terms("Individual")) == (12, 12, 12)

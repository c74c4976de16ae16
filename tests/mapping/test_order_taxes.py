"""The tax of an order line as percentages of Vtiger's tax fields."""

from decimal import Decimal
from typing import Any

import pytest

from app.modules.orders.lines import OrderTaxes, ratio
from app.modules.taxes.mapping import OrderRate

VAT = OrderRate("1", "VAT", "20", compound=False)
LEVY = OrderRate("2", "Levy", "2.5", compound=True)
UNTOLD = OrderRate("3", "Eco", "", compound=True)


def order_taxes(*rates: OrderRate, **fields: str) -> OrderTaxes:
    """Those of an order in cents; `fields` by the rate's number: r1="tax4"."""
    by_rate = {name.removeprefix("r"): field for name, field in fields.items()}
    return OrderTaxes({rate.id: rate for rate in rates}, by_rate, Decimal("0.01"))


def row(net: str, **taxes: str) -> dict[str, Any]:
    """A line of this net total, with the amount of each tax: r1="2.00"."""
    entries = [{"id": int(name.removeprefix("r")), "total": tax} for name, tax in taxes.items()]
    return {"total": net, "taxes": entries}


@pytest.mark.parametrize(
    ("net", "tax", "percent"),
    [
        ("9.99", "2.00", "20"),
        ("10.00", "2.01", "20"),
        ("10.00", "1.99", "20"),
        ("10.00", "2.02", "20.2"),
        ("3.00", "1.00", "33.333"),
        ("6.00", "4.00", "66.667"),
    ],
)
def test_a_rate_counts_as_it_is_if_it_explains_the_tax_to_a_cent(
    net: str, tax: str, percent: str
) -> None:
    found = order_taxes(VAT, r1="tax4").percentages(row(net, r1=tax))
    assert found == {"tax4": Decimal(percent)}


def test_a_compound_rate_counts_with_the_simple_ones_of_its_line_and_they_as_they_are() -> None:
    taxes = order_taxes(VAT, LEVY, r1="tax4", r2="tax5")
    assert taxes.percentages(row("9.99", r1="2.00", r2="0.30")) == {
        "tax4": Decimal("20"),
        "tax5": Decimal("3"),
    }
    assert taxes.percentages(row("9.99", r2="0.25")) == {"tax5": Decimal("2.5")}


@pytest.mark.parametrize("rates", [(), (UNTOLD,)])
def test_a_rate_of_which_no_percentage_is_known_is_worked_out(
    rates: tuple[OrderRate, ...],
) -> None:
    found = order_taxes(*rates, r3="tax7").percentages(row("9.99", r3="0.50"))
    assert found == {"tax7": Decimal("5.005")}


def test_rates_that_share_a_tax_field_add_up_and_one_without_is_left_out() -> None:
    city = OrderRate("4", "City", "1", compound=False)
    taxes = order_taxes(VAT, city, r1="tax4", r4="tax4")
    found = taxes.percentages(row("100.00", r1="20.00", r4="1.00", r9="5.00"))
    assert found == {"tax4": Decimal("21")}


def test_a_tax_of_nothing_is_no_percentage() -> None:
    assert order_taxes(r1="tax4").percentages(row("0.00", r1="2.00")) == {"tax4": 0}


@pytest.mark.parametrize(
    ("tax", "percent"), [("0.99", "9900"), ("1.00", "0"), ("-0.99", "-9900"), ("-1.00", "0")]
)
def test_a_percentage_that_the_column_cannot_hold_is_none(tax: str, percent: str) -> None:
    assert ratio(Decimal(tax), Decimal("0.01"), places=3) == Decimal(percent)


def test_rates_without_a_tax_field_are_lost_if_they_tax_the_line() -> None:
    """One that the order does not list is known by its number alone."""
    taxes = order_taxes(VAT, LEVY, r2="tax5")
    lost = taxes.unmapped(row("10.00", r1="2.00", r2="0.30", r8="0.50", r9="0.00"))
    assert lost == [VAT, OrderRate("8", "", "", compound=False)]

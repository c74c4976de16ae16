"""Which rates orders and products use, and the Vtiger tax fields that stand for them."""

import json
from decimal import Decimal

import pytest

from app.mapping.tax_use import (
    ShopBase,
    order_rates,
    order_tax_fields,
    product_rates,
    product_taxes,
    used_rates,
)
from tests.mapping.orders import made_order, month_orders, recorded_order
from tests.mapping.test_products import made_product
from tests.mapping.test_taxes import rate, recorded_rate, tax

FRANCE = ShopBase("FR", postcode="75001", city="Paris")


def test_an_order_tells_its_rates_itself() -> None:
    simple, compound = order_rates(recorded_order("order_create_full_excl_tax"))
    assert (simple.id, simple.label, simple.percentage, simple.compound) == (
        "1", "TVA 20", "20", False,
    )  # fmt: skip
    assert (compound.id, compound.percentage, compound.compound) == ("2", "2.5", True)


def test_a_deleted_rate_is_found_by_label_and_percentage() -> None:
    order = recorded_order("order_create_full_excl_tax")
    taxes = [tax(4, "Éco-taxe composée", "2.500"), tax(5, "TVA 20", "19.000")]
    assert order_tax_fields(order, {"1": "tax9"}, taxes=taxes) == {"1": "tax9", "2": "tax4"}
    assert order_tax_fields(order, {}, taxes=taxes) == {"2": "tax4"}
    twice = [*taxes, tax(6, "TVA 20", "20.000"), tax(7, "TVA 20", "20.000")]
    assert order_tax_fields(order, {}, taxes=twice) == {"1": "tax6", "2": "tax4"}


def test_only_rates_that_are_used() -> None:
    order = recorded_order("order_create_full_excl_tax")
    assert used_rates([order, made_order()], [[rate(7)]]) == {"1", "2", "7"}
    assert "24" in used_rates((order for _, order in month_orders()), [])


RATES = [
    rate(1),
    rate(2, country="", rate="1.0000"),
    rate(3, priority=2, compound=True, rate="2.5000"),
    rate(4, country="DE"),
    rate(5, **{"class": "reduced-rate", "rate": "5.5000"}),
    rate(6, state="IDF"),
    rate(7, postcodes=["1*"]),
]


@pytest.mark.parametrize(
    ("fields", "base", "expected"),
    [
        ({"tax_class": ""}, FRANCE, ["1", "3"]),
        ({"tax_class": "standard"}, FRANCE, ["1", "3"]),
        ({"tax_class": "reduced-rate"}, FRANCE, ["5"]),
        ({"tax_class": "zero-rate"}, FRANCE, []),
        ({"tax_status": "none"}, FRANCE, []),
        ({"tax_class": ""}, ShopBase("FR", "IDF"), ["6", "3"]),
        ({"tax_class": ""}, ShopBase("FR", postcode="13001"), ["7", "3"]),
        ({"tax_class": ""}, ShopBase("DE"), ["4"]),
        ({"tax_class": ""}, ShopBase("CH"), ["2"]),
    ],
)
def test_a_products_rates_at_the_shops_base(
    fields: dict[str, str], base: ShopBase, expected: list[str]
) -> None:
    assert [r.id for r in product_rates(made_product(**fields), RATES, base=base)] == expected


@pytest.mark.parametrize(
    ("postcode", "fits"),
    [("10115", True), ("20000", True), ("29999", True), ("30000", False), ("", False)],
)
def test_postcodes_and_ranges(postcode: str, fits: bool) -> None:
    narrow = recorded_rate("tax_create_postcodes")
    base = ShopBase("DE", postcode=postcode, city="berlin")
    assert bool(product_rates(made_product(), [narrow], base=base)) is fits


def test_a_products_taxes_by_tax_field() -> None:
    linked = {"1": "tax4", "3": "tax5", "8": "tax4"}
    found = product_taxes([RATES[2], RATES[0], rate(8, rate="1.0000")], linked)
    assert {k: Decimal(v) for k, v in json.loads(found).items()} == {
        "tax4": Decimal(21),
        "tax5": Decimal("3.025"),
    }
    assert product_taxes([RATES[0]], {}) == ""

"""Which rates orders and products use, and the Vtiger tax fields that stand for them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from app.modules.orders.money import plan_money
from app.modules.taxes.mapping import (
    OrderRate,
    ShopBase,
    order_rates,
    order_tax_fields,
    product_rates,
    product_taxes,
)
from app.woocommerce.schemas import WooRecord
from tests.mapping.orders import made_line, made_order, recorded_order, refs_for
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


def taxed(*rows: tuple[str, str, str], lines: Any = (), **fields: Any) -> WooRecord:
    """An order of lines of (net, rate id, tax), and what it tells of its rates."""
    items = [
        made_line(id=number, total=net, total_tax=tax, taxes=[{"id": int(rate_id), "total": tax}])
        for number, (net, rate_id, tax) in enumerate(rows, start=1)
    ]
    return made_order(line_items=items, tax_lines=list(lines), **fields)


@pytest.mark.parametrize("told", [None, "", 0, "n/a"])
@pytest.mark.parametrize(
    ("rows", "percentage"),
    [
        ([("10.00", "3", "2.00"), ("3.33", "3", "0.67")], "20"),
        ([("10.00", "3", "0.55")], "5.5"),
        ([("1000.00", "3", "72.50"), ("0.10", "3", "0.01")], "7.25"),
        ([("10.00", "3", "2.00"), ("10.00", "3", "0.50")], "12.5"),
        ([("10.00", "3", "0.00")], "0"),
        ([("0.00", "3", "1.00")], "0"),
    ],
)
def test_a_percentage_that_is_not_told_is_worked_out_of_the_amounts(
    told: object, rows: list[tuple[str, str, str]], percentage: str
) -> None:
    order = taxed(*rows, lines=[{"rate_id": 3, "label": "VAT", "rate_percent": told}])
    assert order_rates(order) == (OrderRate("3", "VAT", percentage, compound=False),)


def test_a_rate_that_no_tax_line_tells_of_is_known_by_the_rows() -> None:
    shipping = {"total": "5.00", "total_tax": "1.00", "taxes": [{"id": 8, "total": "1.00"}]}
    order = taxed(("10.00", "3", "2.00"), ("10.00", "9", "0.00"), shipping_lines=[shipping])
    assert [(rate.id, rate.percentage) for rate in order_rates(order)] == [("3", "20"), ("8", "20")]
    assert order_tax_fields(order, {"3": "tax4"}, taxes=[]) == {"3": "tax4"}
    known = [tax(5, "TVA", "7.000"), tax(6, "TVA", "20.000")]
    assert order_tax_fields(order, {"3": "tax4"}, taxes=known) == {"3": "tax4", "8": "tax6"}


@pytest.mark.parametrize("lines", [[], [{"rate_id": 3, "label": "VAT", "rate_percent": None}]])
def test_such_a_tax_does_not_end_in_the_adjustment(lines: list[dict[str, Any]]) -> None:
    order = taxed(("10.00", "3", "2.00"), lines=lines, total="12.00")
    fields = order_tax_fields(order, {"3": "tax4"}, taxes=[])
    refs = refs_for(order, tax_fields=fields)
    plan = plan_money(order, refs)
    assert plan.adjustment == 0
    assert not plan.notes
    assert [line["tax4"] for line in plan.fields["LineItems"]] == ["20"]


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

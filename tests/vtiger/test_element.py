"""Records as they are sent: all text, and no order that Vtiger would break over."""

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import InvalidInput
from app.vtiger.client import render_element
from tests.recorded import exchanges

LINE = {"productid": "14x1", "quantity": "2"}


def sent(fields: dict[str, Any]) -> Any:
    return orjson.loads(render_element(fields))


def test_values_travel_as_text() -> None:
    fields = {
        "unit_price": Decimal("1234.50"),
        "tiny": Decimal("1E-8"),
        "qtyinstock": 7,
        "discontinued": True,
        "donotcall": False,
        "description": None,
        "lastname": "Zoë & Co",
    }
    assert sent(fields) == {
        "unit_price": "1234.50",
        "tiny": "0.00000001",
        "qtyinstock": "7",
        "discontinued": "1",
        "donotcall": "0",
        "description": "",
        "lastname": "Zoë & Co",
    }


def test_lines_travel_as_flat_objects_of_text() -> None:
    lines = (
        {"productid": "14x1", "quantity": 2, "listprice": Decimal("0.10"), "comment": None},
        {"productid": "26x3", "quantity": Decimal("1.5"), "tax1": Decimal("-0"), "comment": "a,b"},
    )
    assert sent({"LineItems": lines})["LineItems"] == [
        {"productid": "14x1", "quantity": "2", "listprice": "0.10", "comment": ""},
        {"productid": "26x3", "quantity": "1.5", "tax1": "-0", "comment": "a,b"},
    ]


@pytest.mark.parametrize(
    "name", ["00-REFERENCE-so-create-full-group", "00-REFERENCE-so-revise-full-group"]
)
def test_an_order_as_recorded_is_sent_as_it_was(name: str) -> None:
    element = orjson.loads(exchanges("vtiger")[name].sent["element"])
    assert len(element["LineItems"]) >= 1
    assert sent(element) == element


@pytest.mark.parametrize(
    "value", [0.1, Decimal("NaN"), Decimal("Infinity"), object(), [1], ["a"], {"a": "b"}, b"a"]
)
@pytest.mark.parametrize("name", ["unit_price", "description"])
def test_what_is_neither_text_nor_exact_is_not_sent(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=name):
        render_element({name: value})


@pytest.mark.parametrize("lines", [[], (), None, "text", {"productid": "14x1"}, [None], [[LINE]]])
def test_lines_that_are_no_list_of_objects(lines: object) -> None:
    """An empty list is refused for creates (31-so-empty-lineitems)."""
    with pytest.raises(InvalidInput):
        render_element({"LineItems": lines})


@pytest.mark.parametrize(
    "line",
    [
        {"quantity": "2"},
        {"productid": "", "quantity": "2"},
        {"productid": "14", "quantity": "2"},
        {"productid": "14x1"},
        {**LINE, "comment": ["a"]},
        {**LINE, "tax1": 0.1},
    ],
)
def test_a_line_that_vtiger_would_take_in_silence(line: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        render_element({"LineItems": [LINE, line]})


@pytest.mark.parametrize("text", ["", None, "abc", "12,5", "1.234,50", "5abc", " 5", "1e2", "٣"])
@pytest.mark.parametrize(
    "name", ["quantity", "listprice", "discount_amount", "discount_percent", "tax1", "tax12"]
)
def test_a_line_whose_number_is_none_would_cost_the_order_its_lines(
    name: str, text: str | None
) -> None:
    with pytest.raises(InvalidInput, match=name):
        render_element({"LineItems": [{**LINE, name: text}]})


@pytest.mark.parametrize(
    "name",
    [
        "hdnDiscountAmount",
        "hdnS_H_Amount",
        "shtax1_sh_percent",
        "shipping_&_handling",
        "shipping_&_handling_shtax2",
    ],
)
def test_an_amount_that_is_none_would_leave_a_ghost(name: str) -> None:
    assert sent({name: Decimal("7.50")}) == {name: "7.50"}
    for text in ("", None, "7,50"):
        with pytest.raises(InvalidInput, match=name):
            render_element({name: text})


def test_elsewhere_an_empty_rate_means_not_assigned() -> None:
    assert sent({"tax1": None, "hdnDiscountPercent": ""}) == {"tax1": "", "hdnDiscountPercent": ""}


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_every_exact_number_can_be_sent_and_is_kept(number: Decimal) -> None:
    (line,) = sent({"LineItems": [{**LINE, "listprice": number}]})["LineItems"]
    assert Decimal(line["listprice"]) == number

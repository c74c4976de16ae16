"""Whether the orders of both systems sell the same and come to the same."""

from typing import Any

import pytest

from app.modules.orders.lines import Sold, SoldLine
from app.modules.orders.money import adds_up, same_goods, total_differences
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.orders import made_item, made_order, made_sales_order

MUG = SoldLine("14x5", "Mug", "2", "20", "18")
CAP = SoldLine("14x6", "Cap", "1", "5", "5")


def sold(*lines: SoldLine, shipping: str = "4.90", total: str = "30") -> str:
    return Sold(lines, shipping, total).to_text()


def test_goods_are_the_same_whatever_they_are_called_and_in_whatever_order() -> None:
    renamed = SoldLine("14x5", "Becher, blau", "2", "20", "18")
    first = SoldLine("14x6", "A cap", "1", "5", "5")
    assert same_goods(sold(MUG, CAP), sold(first, renamed, shipping="4.9", total="31"))


@pytest.mark.parametrize(
    "other",
    [
        sold(MUG),
        sold(MUG, CAP, CAP),
        sold(MUG, CAP, shipping="5"),
        sold(MUG, SoldLine("14x7", "Cap", "1", "5", "5")),
        sold(MUG, SoldLine("14x6", "Cap", "2", "5", "5")),
        sold(MUG, SoldLine("14x6", "Cap", "1", "6", "5")),
        sold(MUG, SoldLine("14x6", "Cap", "1", "5", "4")),
    ],
)
def test_goods_differ_by_product_quantity_amount_and_shipping(other: str) -> None:
    assert not same_goods(sold(MUG, CAP), other)
    assert not same_goods(other, sold(MUG, CAP))


def shop_order(**fields: Any) -> WooRecord:
    """10.00 and 2.00 tax."""
    return made_order(**{"total": "12.00", "total_tax": "2.00", **fields})


def crm_order(grand_total: str, pre_tax_total: str) -> VtigerRecord:
    return made_sales_order(hdnGrandTotal=grand_total, pre_tax_total=pre_tax_total)


def test_equal_totals_make_no_difference() -> None:
    assert total_differences(shop_order(), crm_order("12.00000000", "10.00"), places=2) == []


@pytest.mark.parametrize(
    ("grand_total", "pre_tax_total", "differences"),
    [
        ("13.50", "10.00", [("total", "12", "13.5"), ("total_tax", "2", "3.5")]),
        ("13.00", "11.00", [("total", "12", "13")]),
        ("12.00", "9.50", [("total_tax", "2", "2.5")]),
        ("12.004", "10.00", []),
        ("12.006", "10.00", [("total", "12", "12.006"), ("total_tax", "2", "2.006")]),
    ],
)
def test_totals_that_differ_are_named_with_both_values(
    grand_total: str, pre_tax_total: str, differences: list[tuple[str, str, str]]
) -> None:
    found = total_differences(shop_order(), crm_order(grand_total, pre_tax_total), places=2)
    assert found == differences


def test_totals_are_compared_to_the_decimals_of_the_shop() -> None:
    record = crm_order("12.30", "10.00")
    assert total_differences(shop_order(), record, places=0) == []
    assert len(total_differences(shop_order(), record, places=1)) == 2


def test_shipping_and_fees_are_part_of_the_net_amount() -> None:
    fees = [{"total": "3.00"}, {"total": "0.50"}]
    order = shop_order(total="20.40", total_tax="2.00", shipping_total="4.90", fee_lines=fees)
    assert total_differences(order, crm_order("20.40", "18.40"), places=2) == []


def test_a_negative_fee_is_not_in_the_net_amount_of_vtiger() -> None:
    """It is in the adjustment, its tax included."""
    fees = [{"total": "-2.00", "total_tax": "-0.40"}, {"total": "3.00"}]
    order = shop_order(total="12.60", total_tax="1.60", fee_lines=fees)
    assert total_differences(order, crm_order("12.60", "13.00"), places=2) == []


def test_what_the_shop_rounded_is_no_tax() -> None:
    """With round_at_subtotal a shop's total can be a cent more than its parts."""
    order = shop_order(total="12.01", total_tax="2.00")
    assert total_differences(order, crm_order("12.01", "10.00"), places=2) == []


@pytest.mark.parametrize(
    ("fields", "pre_tax_total"),
    [
        ({}, "20"),
        ({}, "20.005"),
        ({}, "19.995"),
        ({"hdnDiscountAmount": "5.00"}, "15"),
        ({"hdnDiscountAmount": "-5.00"}, "20"),
        ({"hdnDiscountAmount": "5.00", "hdnDiscountPercent": "50"}, "15"),
        ({"hdnDiscountPercent": "10.000", "hdnSubTotal": "24.00"}, "17.6"),
        ({"hdnS_H_Amount": "4.90"}, "24.9"),
    ],
)
def test_an_order_adds_up_to_half_a_cent(fields: dict[str, str], pre_tax_total: str) -> None:
    assert adds_up(made_sales_order(made_item(), **fields, pre_tax_total=pre_tax_total))
    assert not adds_up(made_sales_order(made_item(), **fields, pre_tax_total="7.77"))


@pytest.mark.parametrize(
    ("item", "net"),
    [
        ({"discount_amount": "2.50"}, "17.5"),
        ({"discount_percent": "10"}, "18"),
        ({"discount_amount": "2.50", "discount_percent": "10"}, "17.5"),
    ],
)
def test_an_order_adds_up_with_the_discounts_of_its_lines(item: dict[str, str], net: str) -> None:
    assert adds_up(made_sales_order(made_item(**item), pre_tax_total=net))
    assert not adds_up(made_sales_order(made_item(**item), pre_tax_total="20"))


def test_an_order_without_lines_does_not_add_up() -> None:
    assert not adds_up(made_sales_order(pre_tax_total="0"))

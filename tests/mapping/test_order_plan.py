"""One Vtiger write with WooCommerce's total: recorded orders, generated ones, and special cases."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mapping.values import rounded
from app.modules.orders.money import MoneyPlan, plan_money
from app.woocommerce.schemas import WooRecord
from tests.mapping.generated_orders import orders
from tests.mapping.orders import (
    EVERY_TAX,
    FEE_SERVICE,
    PLACEHOLDER,
    made_line,
    made_order,
    recorded_order,
    recorded_orders,
    refs_for,
)


def reasons(plan: MoneyPlan) -> list[str]:
    return [note.reason for note in plan.notes]


def unit(order: WooRecord) -> Decimal:
    return Decimal(1).scaleb(-len(order.text("total").partition(".")[2]))


def exact(plan: MoneyPlan, order: WooRecord) -> bool:
    return plan.predicted.grand_total == rounded(Decimal(order.text("total")), 8)


@pytest.mark.parametrize("carried", [True, False])
def test_every_recorded_order_gets_its_total(carried: bool) -> None:
    found = list(recorded_orders())
    assert len(found) > 600
    for name, order in found:
        plan = plan_money(order, refs_for(order, carried=carried))
        assert exact(plan, order), (name, order.id)


def test_recorded_orders_leave_rounding_to_the_adjustment() -> None:
    rests = sorted(abs(plan_money(o, refs_for(o)).rest) for _, o in recorded_orders())
    assert rests[len(rests) // 2] < Decimal("0.005")
    assert rests[len(rests) * 95 // 100] <= Decimal("0.03")


@given(orders(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_order_gets_its_total_in_one_write(order: WooRecord, carried: bool) -> None:
    plan = plan_money(order, refs_for(order, carried=carried))
    assert exact(plan, order)
    assert plan.adjustment == Decimal(plan.fields["txtAdjustment"])


@given(orders())
@settings(max_examples=200, deadline=None)
def test_in_individual_mode_the_adjustment_holds_rounding_alone(order: WooRecord) -> None:
    plan = plan_money(order, refs_for(order))
    taxes = sum(len(row["taxes"]) for key in ("line_items", "fee_lines") for row in order.data[key])
    assert plan.fields["hdnTaxType"] == "individual"
    assert not plan.lacking
    assert abs(plan.rest) <= unit(order) * (4 + taxes)


@given(orders())
@settings(max_examples=100, deadline=None)
def test_lines_show_the_net_of_woocommerce(order: WooRecord) -> None:
    plan = plan_money(order, refs_for(order))
    nets = [line.net for line in plan.predicted.lines]
    rows = [row for row in order.data["line_items"] if row["quantity"]]
    rows += [row for row in order.data["fee_lines"] if Decimal(row["total"]) > 0]
    for net, row in zip(nets, rows, strict=True):
        assert abs(net - Decimal(row["total"])) <= Decimal("0.0001")


def test_a_compound_rate_counts_with_what_it_compounds() -> None:
    order = recorded_order("order_create_full_excl_tax")
    plan = plan_money(order, refs_for(order))
    lines = plan.fields["LineItems"]
    assert [(line["tax3"], line["tax4"]) for line in lines] == [("20", "3")] * 3
    assert abs(plan.adjustment) <= Decimal("0.02")


def test_coupons_are_the_discount_of_their_lines() -> None:
    order = recorded_order("order_create_full_excl_tax")
    first, second, fee = plan_money(order, refs_for(order)).fields["LineItems"]
    assert (first["quantity"], first["listprice"], first["discount_amount"]) == (
        "3",
        "21.5",
        "6.45",
    )
    assert (second["listprice"], second["discount_amount"]) == ("11", "2.2")
    assert (fee["productid"], fee["listprice"]) == (FEE_SERVICE, "2")
    assert fee["comment"] == "WooCommerce fee: Emballage cadeau"


def test_a_line_tells_name_and_choice() -> None:
    order = recorded_order("order_create_full_excl_tax")
    first, second, _ = plan_money(order, refs_for(order)).fields["LineItems"]
    assert first["comment"] == "Café “Spécial” & Thé 日本"
    assert second["comment"] == "T-shirt - Bleu, M"


def test_shipping_goes_with_its_own_percentage() -> None:
    order = recorded_order("order_create_full_excl_tax")
    fields = plan_money(order, refs_for(order)).fields
    assert (fields["hdnS_H_Amount"], fields["shtax1_sh_percent"]) == ("7.5", "20")


def test_what_vtiger_would_blank_is_always_sent() -> None:
    fields = plan_money(made_order(), refs_for(made_order())).fields
    assert fields.keys() >= {
        "hdnTaxType", "hdnS_H_Amount", "txtAdjustment", "shtax1_sh_percent", "conversion_rate",
        "currency_id", "hdnDiscountAmount", "hdnDiscountPercent", "productid", "LineItems",
    }  # fmt: skip
    assert "" not in fields.values()
    assert fields["LineItems"][0].keys() >= EVERY_TAX.keys()


def taxed(**fields: Any) -> WooRecord:
    """20 % on 10.00."""
    return made_order(
        total="12.00",
        line_items=[made_line(taxes=[{"id": 1, "total": "2.00"}], total_tax="2.00")],
        tax_lines=[{"rate_id": 1, "label": "VAT", "rate_percent": 20, "compound": False}],
        **fields,
    )


def test_products_that_lack_the_tax_are_named_and_group_mode_shows_it() -> None:
    plan = plan_money(taxed(), refs_for(taxed(), carried=False))
    assert plan.lacking == {"14x50": frozenset({"tax3"})}
    assert plan.fields["hdnTaxType"] == "group"
    assert (plan.adjustment, plan.predicted.tax) == (Decimal(0), Decimal(2))
    assert plan.notes == ()


def test_mixed_rates_without_carried_taxes_leave_the_tax_to_the_adjustment() -> None:
    rows = [made_line(), made_line(id=2, taxes=[{"id": 1, "total": "2.00"}], total_tax="2.00")]
    order = taxed()
    order = WooRecord({**order.data, "line_items": rows, "total": "22.00"})
    plan = plan_money(order, refs_for(order, carried=False))
    assert exact(plan, order)
    assert plan.rest == 2
    assert "tax_unavailable" in reasons(plan)


def test_a_rate_without_vtiger_tax_is_told() -> None:
    plan = plan_money(taxed(), refs_for(taxed(), tax_fields={}))
    assert exact(plan, taxed())
    first = plan.notes[0]
    assert (first.reason, first.value) == ("tax_unavailable", "VAT")


def test_negative_fees_go_to_the_adjustment_with_their_tax() -> None:
    fee = {"id": 3, "name": "Bonus", "total": "-2.00", "total_tax": "-0.40", "taxes": []}
    order = made_order(total="7.60", fee_lines=[fee])
    plan = plan_money(order, refs_for(order))
    assert (plan.adjustment, plan.rest) == (Decimal("-2.4"), Decimal(0))
    assert [(note.reason, note.value) for note in plan.notes] == [("adjustment", "Bonus: -2.00")]


def test_an_order_that_was_not_recalculated_keeps_its_total_of_nothing() -> None:
    order = made_order(total="0.00")
    plan = plan_money(order, refs_for(order))
    assert plan.predicted.grand_total == 0
    assert reasons(plan) == ["adjustment"]


@pytest.mark.parametrize("total", ["0.00", "4.90"])
def test_an_order_without_lines_has_a_line_of_nothing(total: str) -> None:
    order = made_order(line_items=[], total=total, shipping_total=total)
    plan = plan_money(order, refs_for(order))
    (only,) = plan.fields["LineItems"]
    assert (only["productid"], only["quantity"], only["listprice"]) == (PLACEHOLDER, "1", "0")
    assert exact(plan, order)
    assert plan.adjustment == 0


@pytest.mark.parametrize("change", [{"product_id": 0}, {"product_id": 99, "variation_id": 98}])
def test_a_line_of_an_unknown_product_is_on_the_placeholder(change: Mapping[str, int]) -> None:
    order = made_order(line_items=[made_line(**change, name="Old &amp; gone")])
    plan = plan_money(order, refs_for(order, products={}))
    assert plan.fields["LineItems"][0]["productid"] == PLACEHOLDER
    assert plan.fields["LineItems"][0]["comment"] == "Old & gone"
    assert [(note.reason, note.value) for note in plan.notes] == [("unknown_product", "Old & gone")]


def test_a_line_of_nothing_is_left_out_and_one_without_quantity_counts_once() -> None:
    nothing = made_line(id=2, quantity=0, subtotal="0.00", total="0.00")
    order = made_order(line_items=[nothing, made_line(quantity=0)])
    plan = plan_money(order, refs_for(order))
    (only,) = plan.fields["LineItems"]
    assert (only["quantity"], only["listprice"]) == ("1", "10")
    assert reasons(plan) == ["filtered"]


def test_a_negative_quantity_keeps_its_sign() -> None:
    order = recorded_order("order_create_negative_qty")
    plan = plan_money(order, refs_for(order))
    (only,) = plan.fields["LineItems"]
    assert (only["quantity"], only["listprice"]) == ("-1", "10")
    assert plan.adjustment == 0


def test_a_price_that_no_decimals_express() -> None:
    order = made_order(line_items=[made_line(quantity=3)])
    (only,) = plan_money(order, refs_for(order)).fields["LineItems"]
    assert (only["listprice"], only.get("discount_amount")) == ("3.33333333", None)


def test_a_huge_quantity_does_not_lose_money_in_the_price() -> None:
    order = made_order(line_items=[made_line(quantity=700_000)])
    plan = plan_money(order, refs_for(order))
    assert plan.predicted.lines[0].net == 10
    assert exact(plan, order)


def test_currency_without_decimals_and_text_that_vtiger_cannot_store() -> None:
    order = made_order(total="1518", currency="JPY", line_items=[
        made_line(subtotal="1518", total="1518", name="Mug \U0001f600 &amp;amp; more"),
    ])  # fmt: skip
    plan = plan_money(order, refs_for(order))
    assert exact(plan, order)
    assert plan.fields["LineItems"][0]["comment"] == "Mug \ufffd & more"

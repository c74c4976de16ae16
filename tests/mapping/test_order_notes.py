"""What the log says about an order's money: which line or tax, and where its amount went."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.mapping.values import FieldNote
from app.modules.orders.lines import FEE_PREFIX, LineItem
from app.modules.orders.money import keep_comments, lacking_taxes, lost_amounts, plan_money
from app.woocommerce.schemas import WooRecord
from tests.mapping.orders import (
    FEE_SERVICE,
    made_item,
    made_line,
    made_order,
    made_sales_order,
    refs_for,
)

VAT = {"rate_id": 1, "label": "VAT", "rate_percent": 20, "compound": False}
TAXED = {"taxes": [{"id": 1, "total": "2.00"}], "total_tax": "2.00"}


def notes_of(order: WooRecord, **refs: Any) -> tuple[FieldNote, ...]:
    return plan_money(order, refs_for(order, **refs)).notes


def test_a_line_that_is_left_out_and_one_on_the_placeholder_are_named() -> None:
    nothing = made_line(id=2, name="Gift", quantity=0, subtotal="0.00", total="0.00")
    left_out = "The line has neither quantity nor amount: it was left out."
    assert notes_of(made_order(line_items=[made_line(), nothing])) == (
        FieldNote("lines", "filtered", left_out, "Gift"),
    )
    unknown = "The product is not known in Vtiger: the line is on the placeholder product."
    assert notes_of(made_order(), products={}) == (
        FieldNote("lines", "unknown_product", unknown, "Thing"),
    )


@pytest.mark.parametrize(("total", "noted"), [("-0.50", True), ("0.00", False), ("0.50", False)])
def test_only_a_negative_fee_is_noted(total: str, noted: bool) -> None:
    fee = {"id": 3, "name": "Bonus", "total": total, "total_tax": "0.00", "taxes": []}
    order = made_order(total=str(10 + Decimal(total)), fee_lines=[fee])
    note = FieldNote(
        "lines", "adjustment", "A negative fee: the adjustment carries it.", f"Bonus: {total}"
    )
    assert notes_of(order) == ((note,) if noted else ())


LOST = "Tax {} has no Vtiger tax: the adjustment carries its amount."
REST = (
    "The adjustment carries 2: WooCommerce's total is not the sum of its lines and taxes, or tax "
    "could not be shown on the lines."
)


@pytest.mark.parametrize(
    ("row", "shown", "label"),
    [
        (VAT, "VAT 20 %", "VAT"),
        ({**VAT, "label": ""}, "#1 20 %", ""),
        ({"rate_id": 1, "label": "VAT"}, "VAT 20 %", "VAT"),
    ],
)
def test_a_tax_that_vtiger_does_not_have_is_named(
    row: dict[str, Any], shown: str, label: str
) -> None:
    order = made_order(total="12.00", line_items=[made_line(**TAXED)], tax_lines=[row])
    assert notes_of(order, tax_fields={}) == (
        FieldNote("lines", "tax_unavailable", LOST.format(shown), label),
        FieldNote("lines", "adjustment", REST, "2"),
    )


def test_a_tax_of_a_fee_that_vtiger_does_not_have_is_named() -> None:
    fee = {"id": 3, "name": "Wrap", "total": "10.00", **TAXED}
    order = made_order(total="22.00", fee_lines=[fee], tax_lines=[VAT])
    first, _ = notes_of(order, tax_fields={})
    assert first == FieldNote("lines", "tax_unavailable", LOST.format("VAT 20 %"), "VAT")


def test_products_that_lack_taxes_are_named_with_them() -> None:
    """Mixed rates, so that group mode shows them no better."""
    city = {"rate_id": 2, "label": "City", "rate_percent": 5, "compound": False}
    both = [{"id": 1, "total": "2.00"}, {"id": 2, "total": "0.50"}]
    lines = [made_line(taxes=both, total_tax="2.50"), made_line(id=2, product_id=6)]
    order = made_order(total="22.50", line_items=lines, tax_lines=[VAT, city])
    lacking = "14x50 does not carry tax3, tax4: the adjustment carries the tax of its lines."
    first, rest = notes_of(order, carried=False)
    assert first == FieldNote("lines", "tax_unavailable", lacking, "14x50")
    assert (rest.reason, rest.value) == ("adjustment", "2.5")


def test_a_comment_and_an_adjustment_of_a_person_that_are_lost_are_quoted() -> None:
    refs = replace(refs_for(made_order()), agreed_texts=frozenset({"Mug"}), agreed_total="20")
    held = made_sales_order(
        made_item(comment="Ring twice"),
        hdnGrandTotal="15.00000000", pre_tax_total="20", txtAdjustment="-5.00000000",
    )  # fmt: skip
    cup = LineItem("14x5", "Cup", Decimal(1), Decimal(10), Decimal(10), {})
    comment = (
        "The comment that somebody wrote on a line in Vtiger was lost: the shop removed or renamed "
        "the line."
    )
    total = (
        "In Vtiger the order had the total 15, by an adjustment or taxes of its own; it was "
        "overwritten with the shop's lines and total."
    )
    assert keep_comments([cup], held, refs)[1] == (
        FieldNote("lines", "conflict_lost", comment, "Ring twice"),
    )
    assert list(lost_amounts(held, refs)) == [FieldNote("lines", "conflict_lost", total, "-5")]


def test_a_comment_on_a_fee_stays_while_the_fee_has_its_name() -> None:
    refs = replace(refs_for(made_order()), agreed_texts=frozenset({"Wrap"}))
    fee = LineItem(FEE_SERVICE, f"{FEE_PREFIX}Wrap", Decimal(1), Decimal(2), Decimal(2), {})
    held = made_sales_order(made_item(productid=FEE_SERVICE, comment="In blue"))
    (kept,), notes = keep_comments([fee], held, refs)
    assert (kept.comment, notes) == ("In blue", ())


def test_a_plan_over_an_order_in_vtiger_keeps_its_comments_and_quotes_its_adjustment() -> None:
    order = made_order()
    refs = refs_for(order, agreed_texts=frozenset({"Thing"}), agreed_total="20")
    held = made_sales_order(
        made_item(productid="14x50", comment="Ring twice"),
        hdnGrandTotal="15.00000000", pre_tax_total="20", txtAdjustment="-5.00000000",
    )  # fmt: skip
    plan = plan_money(order, refs, held=held)
    assert plan.fields["LineItems"][0]["comment"] == "Ring twice"
    assert [(note.reason, note.value) for note in plan.notes] == [("conflict_lost", "-5")]


def test_an_adjustment_of_a_cent_of_rounding_is_not_noted() -> None:
    order = made_order(total="10.01")
    plan = plan_money(order, refs_for(order))
    assert (plan.rest, plan.notes) == (Decimal("0.01"), ())


def test_the_taxes_that_a_product_lacks_are_those_of_all_its_lines() -> None:
    refs = refs_for(made_order(), carried=False)
    lines = [
        LineItem("14x50", "Mug", Decimal(1), Decimal(10), Decimal(10), {name: Decimal(20)})
        for name in ("tax1", "tax2")
    ]
    assert lacking_taxes(lines, refs) == {"14x50": frozenset({"tax1", "tax2"})}

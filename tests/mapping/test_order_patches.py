"""Orders as SalesOrder writes: whole on create, and no more than what changed on revise."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain import ConflictPolicy, Direction, System
from app.mapping.rules import ORDER_SIZES
from app.mapping.values import Agreed, Base, PatchOptions, Value
from app.modules.orders.mapping import ORDER_RULES, vtiger_order, woo_order
from app.modules.orders.to_vtiger import OrderPlan, plan_order
from app.sync.merge import Merge, merge, next_base
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.orders import (
    made_item,
    made_line,
    made_order,
    made_sales_order,
    recorded_order,
    recorded_orders,
    refs_for,
    retrieved,
)

MONEY = {"LineItems", "productid", "hdnTaxType", "hdnS_H_Amount", "txtAdjustment", "currency_id"}
MANDATORY = ("subject", "sostatus", "account_id", "bill_street", "ship_street", "invoicestatus")


def revised(order: WooRecord, current: VtigerRecord, **changes: Value) -> OrderPlan:
    return plan_order(order, refs_for(order), changes=changes, current=current)


def test_a_new_order_has_every_mapped_field() -> None:
    order = recorded_order("order_create_full_excl_tax")
    fields = plan_order(order, refs_for(order)).fields
    header = {name: value for name, value in fields.items() if name not in MONEY}
    assert header | {"description": ""} == {
        "vtiger_purchaseorder": "WC-main-27",
        "subject": "WooCommerce order #27",
        "sostatus": "Created",
        "invoicestatus": "Created",
        "contact_id": "12x5",
        "account_id": "11x6",
        "bill_street": "12 Rue de l’Été",
        "bill_city": "Paris",
        "bill_code": "75001",
        "bill_country": "France",
        "ship_street": "12 Rue de l’Été",
        "ship_city": "Paris",
        "ship_code": "75001",
        "ship_country": "France",
        "description": "",
        "hdnDiscountAmount": "0",
        "hdnDiscountPercent": "0",
        "shtax1_sh_percent": "20",
        "conversion_rate": "1",
    }
    assert fields["description"] == "Livrer après 18h — merci ☕"


def test_every_recorded_order_can_be_created() -> None:
    for name, order in recorded_orders():
        fields = plan_order(order, refs_for(order)).fields
        assert all(fields[field].strip() for field in MANDATORY), (name, order.id)
        assert all(fields["LineItems"]), (name, order.id)
        for field, size in ORDER_SIZES.items():
            assert len(fields.get(field, "")) <= size, (name, order.id, field)


def test_a_status_alone_leaves_lines_and_rate_of_exchange_alone() -> None:
    order = made_order(status="completed")
    plan = revised(order, made_sales_order(conversion_rate="1.100"), status="Delivered")
    assert plan.fields == {"sostatus": "Delivered", "conversion_rate": "1.100"}
    assert plan.money is None
    assert plan.lacking == {}


def test_changed_lines_go_with_every_money_field() -> None:
    plan = revised(made_order(), made_sales_order(made_item()), lines="anything")
    assert plan.fields.keys() >= MONEY
    assert "subject" not in plan.fields


def test_nothing_changed_is_nothing_to_write() -> None:
    assert revised(made_order(), made_sales_order()).fields == {}


def test_an_unknown_status_starts_as_created_and_is_left_alone_later() -> None:
    order = made_order(status="awaiting-parcel")
    assert plan_order(order, refs_for(order)).fields["sostatus"] == "Created"
    values = woo_order(order, refs_for(order)).values
    assert "sostatus" not in revised(order, made_sales_order(), **values).fields


def test_a_refund_keeps_the_note_that_was_edited_in_vtiger() -> None:
    current = made_sales_order(description="by phone")
    plan = revised(made_order(customer_note="ring"), current, refunded="5 EUR")
    assert plan.fields["description"] == "by phone\n\nRefunded in WooCommerce: 5 EUR"


def test_a_note_keeps_the_refund_and_may_be_emptied() -> None:
    current = made_sales_order(description="ring\n\nRefunded in WooCommerce: 5 EUR")
    plan = revised(made_order(), current, note="")
    assert plan.fields["description"] == "Refunded in WooCommerce: 5 EUR"


def test_a_street_that_is_emptied_becomes_a_dash() -> None:
    plan = revised(made_order(), made_sales_order(bill_street="1 Way"), billing_street="")
    assert plan.fields["bill_street"] == "-"


def test_a_street_that_cannot_be_sent_is_a_dash_on_create_and_left_alone_later() -> None:
    order = made_order(billing={"address_1": "<script>x</script>"})
    plan = plan_order(order, refs_for(order))
    assert plan.fields["bill_street"] == "-"
    assert "billing_street" in {note.field for note in plan.notes}
    later = revised(order, made_sales_order(bill_street="1 Way"), billing_street="&amp;amp; <b>")
    assert later.fields == {}
    assert later.unwritten == {"billing_street"}


def test_long_texts_are_cut_or_left_out_as_told() -> None:
    order = made_order(billing={"city": "Llanfairpwllgwyngyllgogerychwyrndrobwll"})
    cut = plan_order(order, refs_for(order)).fields["bill_city"]
    assert len(cut) == 30
    plan = plan_order(order, refs_for(order), options=PatchOptions(too_long="skip"))
    assert "bill_city" not in plan.fields
    assert "billing_city" in plan.unwritten


def test_an_account_is_only_written_once_it_is_known() -> None:
    order = made_order(billing={"company": "New Ltd"})
    fields = revised(order, made_sales_order(), account="New Ltd").fields
    assert fields["account_id"] == "11x6"
    plan = plan_order(
        order, refs_for(order, account_id=None), changes={"account": "New Ltd"},
        current=made_sales_order(),
    )  # fmt: skip
    assert plan.fields == {}


STEPS: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": "completed"}),
    ("address", {"billing": {"address_1": "2 Way", "country": "DE"}}),
    ("line removed", {"line_items": [], "total": "0.00"}),
    ("quantity", {"line_items": [made_line(quantity=4)]}),
    ("total alone", {"total": "11.00"}),
    ("refund", {"refunds": [{"id": 1, "total": "-3.00"}]}),
    ("note", {"customer_note": "ring"}),
]


@pytest.mark.parametrize("change", [step for _, step in STEPS], ids=[name for name, _ in STEPS])
def test_each_change_in_the_shop_is_written_once(change: dict[str, Any]) -> None:
    """Merge, write, and merge again: the second time there is nothing to do."""
    order = made_order(status="pending", refunds=[], customer_note="", billing={"country": "FR"})
    refs = refs_for(order)
    record = retrieved(plan_order(order, refs).fields, refs)
    base = synced_base(order, record)
    later = WooRecord({**order.data, **change})
    first = merged(base, later, record=record)
    assert first.to_vtiger
    assert not first.to_woo
    plan = plan_order(later, refs, changes=first.to_vtiger, current=record)
    after = retrieved(plan.fields, refs, before=record)
    vtiger_after = vtiger_order(after, refs)
    base = next_base(base, first, woo_after=None, vtiger_after=vtiger_after)
    again = merged(base, later, record=after)
    assert (again.to_vtiger, again.to_woo) == ({}, {})


def merged(base: Base, order: WooRecord, *, record: VtigerRecord) -> Merge:
    from_woo = woo_order(order, refs_for(order))
    from_vtiger = vtiger_order(record, refs_for(order))
    return merge(
        base, from_woo, from_vtiger, rules=ORDER_RULES, direction=Direction.BOTH,
        policy=ConflictPolicy.LATEST_WINS, newer=System.WOOCOMMERCE,
    )  # fmt: skip


def synced_base(order: WooRecord, record: VtigerRecord) -> dict[str, Agreed]:
    from_woo = woo_order(order, refs_for(order))
    from_vtiger = vtiger_order(record, refs_for(order))
    names = (rule.name for rule in ORDER_RULES)
    return {name: Agreed(from_woo.get(name), from_vtiger.get(name)) for name in names}


def test_lines_that_are_not_synced_are_only_written_on_create() -> None:
    rules = [
        replace(rule, direction=Direction.VTIGER_TO_WOO) if rule.name in ("lines", "note") else rule
        for rule in ORDER_RULES
    ]
    order = made_order(customer_note="ring", billing={"city": "Rome"})
    refs = refs_for(order)
    assert plan_order(order, refs, rules=rules).fields.keys() >= MONEY
    plan = plan_order(order, refs, rules=rules, current=made_sales_order(), changes={"lines": "x"})
    assert plan.fields == {}

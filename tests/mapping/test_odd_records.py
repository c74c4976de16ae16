"""Any part of any recorded body may go odd: it is read right, left alone, or named, and never taken
for empty or 0."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import given

from app.domain import RecordUnreadable
from app.mapping.values import Value
from app.modules.contacts.mapping import CONTACT_RULES, vtiger_contact, woo_contact
from app.modules.orders.lines import Sold, woo_sold
from app.modules.orders.mapping import ORDER_RULES, vtiger_order, woo_order
from app.modules.orders.money import adds_up
from app.modules.orders.to_vtiger import plan_order
from app.modules.products.mapping import PRODUCT_RULES, vtiger_product, woo_product
from app.modules.taxes.mapping import label_forms, tax_labels, vtiger_tax, woo_tax
from app.parsing import find_decimal
from app.vtiger.schemas import VtigerOrder, VtigerRecord
from app.woocommerce.schemas import WooCustomer, WooOrder, WooProduct, WooTaxRate
from tests.mapping.odd import Path_, odd_bodies
from tests.mapping.orders import read_lines, recorded_orders, refs_for

Drawn = tuple[dict[str, Any], dict[str, Any], Path_, str]

EMPTIED = {"empty list", "empty object"}


def recorded(name: str, *keys: str, count: int = 24) -> list[dict[str, Any]]:
    """The first records with these keys that a file of recorded exchanges shows."""
    found = (
        each for row in read_lines(name) for each in _objects(row) if {"id", *keys} <= each.keys()
    )
    return list(itertools.islice(found, count))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield from _objects(inner)


ORDERS = [dict(order.data) for _, order in itertools.islice(recorded_orders(), 0, 400, 12)]
CUSTOMERS = recorded("clients/woocommerce-exchanges.jsonl.gz", "email", "billing", "role")
PRODUCTS = recorded("woocommerce/products.jsonl.gz", "regular_price", "type", "status")
RATES = recorded("woocommerce/taxes.jsonl.gz", "rate", "class", "name")
CONTACTS = recorded("clients/vtiger-exchanges.jsonl.gz", "lastname", "mailingcity")
CRM_PRODUCTS = recorded("vtiger/sales-order-exchanges.jsonl.gz", "unit_price", "productname")
CRM_ORDERS = recorded("vtiger/sales-orders.jsonl.gz", "LineItems", "hdnGrandTotal", "pre_tax_total")
TAXES = recorded("clients/vtiger-exchanges.jsonl.gz", "taxlabel", "percentage")


def test_there_are_records_of_each_kind() -> None:
    shop, crm = (ORDERS, CUSTOMERS, PRODUCTS, RATES), (CRM_ORDERS, CONTACTS, CRM_PRODUCTS, TAXES)
    assert min(map(len, (*shop, *crm))) >= 5


def nothing_blanked(
    before: Mapping[str, Value], now: Mapping[str, Value], but: Sequence[str] = ()
) -> None:
    """A value that was there is read, or not known: never empty, which would be carried over."""
    assert not {name for name, value in before.items() if value and now[name] == ""} - {*but}


@given(odd_bodies(ORDERS))
def test_an_order_with_an_odd_part(drawn: Drawn) -> None:
    whole, odd, path, how = drawn
    known = WooOrder.parse(whole).checked()
    refs = refs_for(known)
    order = WooOrder.parse(odd)
    if order.faults:
        assert any(str(path[0]) in each.place or each.place == "fee_lines" for each in order.faults)
        return
    plan = plan_order(order, refs)
    values = woo_order(order, refs).values
    sold = Sold.from_text(values["lines"] or "")
    total = find_decimal(odd["total"])
    assert total is not None
    assert plan.money is not None
    assert plan.money.wanted == Decimal(sold.total) == total
    assert total or not find_decimal(whole["total"])
    emptied = how in EMPTIED and path in (("line_items",), ("fee_lines",))
    assert emptied or order.dropped or len(sold.lines) >= len(woo_sold(known, refs).lines)
    was = woo_order(known, refs).values
    but = ["refunded"] if how in EMPTIED and path == ("refunds",) else []
    if path[0] == "shipping":  # a part that there was none of makes it an address of its own
        but += [name for name in was if name.startswith("shipping_")]
    nothing_blanked(was, values, but)


@given(odd_bodies(CUSTOMERS))
def test_a_customer_with_an_odd_part(drawn: Drawn) -> None:
    whole, odd, _, _ = drawn
    try:
        customer = WooCustomer.parse(odd).checked()
    except RecordUnreadable:
        return
    known = woo_contact(WooCustomer.parse(whole).checked(), CONTACT_RULES)
    found = woo_contact(customer, CONTACT_RULES).values
    nothing_blanked(known.values, found, [*known.derived])


@given(odd_bodies(PRODUCTS))
def test_a_product_with_an_odd_part(drawn: Drawn) -> None:
    def values(data: dict[str, Any]) -> Mapping[str, Value]:
        product = WooProduct.parse(data).checked()
        parent = WooProduct.parse({"id": 1, "name": "Parent"}) if product.parent_id else None
        return woo_product(product, PRODUCT_RULES, parent=parent, taxes=None).values

    whole, odd, _, _ = drawn
    try:
        found = values(odd)
    except RecordUnreadable:
        return
    nothing_blanked(values(whole), found)
    assert found["price"] in (None, "") or find_decimal(found["price"]) is not None


@given(odd_bodies(RATES))
def test_a_rate_with_an_odd_part(drawn: Drawn) -> None:
    rate = WooTaxRate.parse(drawn[1])
    assert tax_labels([rate])[rate.id] in label_forms(rate)
    try:
        rate.checked()
    except RecordUnreadable:
        return
    assert find_decimal(woo_tax(rate, label="x").get("percentage")) is not None


@given(odd_bodies(TAXES))
def test_a_crm_tax_with_an_odd_part(drawn: Drawn) -> None:
    try:
        tax = VtigerRecord.parse(drawn[1], "Tax").checked()
    except RecordUnreadable:
        return
    assert find_decimal(vtiger_tax(tax).get("percentage")) is not None


@given(odd_bodies(CONTACTS))
def test_a_crm_contact_with_an_odd_part(drawn: Drawn) -> None:
    def values(data: dict[str, Any]) -> Mapping[str, Value]:
        record = VtigerRecord.parse(data, "Contacts").checked()
        return vtiger_contact(record, CONTACT_RULES, account_name="x").values

    whole, odd, _, _ = drawn
    try:
        found = values(odd)
    except RecordUnreadable:
        return
    nothing_blanked(values(whole), found)


@given(odd_bodies(CRM_PRODUCTS))
def test_a_crm_product_with_an_odd_part(drawn: Drawn) -> None:
    def values(data: dict[str, Any]) -> Mapping[str, Value]:
        record = VtigerRecord.parse(data, "Products").checked()
        return vtiger_product(record, PRODUCT_RULES).values

    whole, odd, _, _ = drawn
    try:
        found = values(odd)
    except RecordUnreadable:
        return
    nothing_blanked(values(whole), found, ["taxes"])


@given(odd_bodies(CRM_ORDERS))
def test_a_crm_order_with_an_odd_part(drawn: Drawn) -> None:
    whole, odd, path, how = drawn
    refs = refs_for(WooOrder.parse(ORDERS[0]))
    known = VtigerOrder.parse(whole, "SalesOrder").checked()
    order = VtigerOrder.parse(odd, "SalesOrder")
    if order.faults:
        assert any(str(path[0]) in each.place for each in order.faults)
        return
    values = vtiger_order(order, refs, rules=ORDER_RULES, account="x").values
    sold = Sold.from_text(values["lines"] or "")
    was = Sold.from_text(vtiger_order(known, refs, rules=ORDER_RULES).values["lines"] or "")
    assert Decimal(sold.total) or not Decimal(was.total)
    emptied = path == ("LineItems",) and how in EMPTIED
    lost = order.dropped and not adds_up(order)
    assert emptied or lost or len(sold.lines) >= len(was.lines)
    nothing_blanked(vtiger_order(known, refs, rules=ORDER_RULES, account="x").values, values)

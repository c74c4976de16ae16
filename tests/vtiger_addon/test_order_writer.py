"""Orders with lines: one save, filled in as the edit screen does it."""

import json
from typing import Any

import pytest

from tests.vtiger_addon.crm import Crm

ORDER = {
    "subject": "Order",
    "assigned_user_id": "19x5",
    "hdnTaxType": "individual",
    "conversion_rate": "1",
}
FIRST = {"productid": "14x1", "quantity": "2", "listprice": "10.00", "tax1": "20"}
SECOND = {"productid": "26x3", "quantity": "1", "listprice": "5", "discount_percent": "10"}


@pytest.fixture
def shop(crm: Crm) -> Crm:
    """A CRM with two products, of 20 % and 10 % tax, and a service."""
    for number, module in [(1, "Products"), (2, "Products"), (3, "Services")]:
        crm.add(number, module)
    crm.sql("INSERT INTO vtiger_products VALUES (1, 'One', '9.99', 1), (2, 'Two', '1.50', 1)")
    crm.sql("INSERT INTO vtiger_producttaxrel VALUES (1, 1, '20.000'), (2, 2, '10.000')")
    return crm


def create(key: str, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    fields = ORDER | {"LineItems": list(lines)} | fields
    return {"key": key, "action": "create", "module": "SalesOrder", "fields": fields}


def forms(crm: Crm) -> list[dict[str, Any]]:
    return [json.loads(row["form"]) for row in crm.sql("SELECT form FROM forms WHERE id > 0")]


def test_the_form_is_the_edit_screens(shop: Crm) -> None:
    [answer] = shop.save_records(
        create(
            "key-order1",
            FIRST,
            SECOND,
            hdnDiscountAmount="3",
            hdnS_H_Amount="4",
            txtAdjustment="-0.5",
        )
    )
    assert answer["status"] == "saved", answer
    [form] = forms(shop)
    assert "REQUEST_FROM_WS" not in form
    wanted = {
        "action": "Save",
        "totalProductCount": 2,
        "taxtype": "individual",
        "subtotal": "28.5",
        "pre_tax_total": "25.5",
        "total": "29",
        "discount_type_final": "amount",
        "discount_amount_final": "3",
        "adjustmentType": "-",
        "adjustment": "0.5",
        "hdnProductId1": "1",
        "qty1": "2",
        "listPrice1": "10.00",
        "discount_type1": "zero",
        "tax1_percentage1": "20",
        "hdnProductId2": "3",
        "discount_type2": "percentage",
        "discount_percentage2": "10",
        "charges": {"1": {"value": "4"}},
    }
    assert {name: form.get(name) for name in wanted} == wanted


def test_lines_are_completed_as_the_web_service_has_them(shop: Crm) -> None:
    """Every active tax has a rate, discounts are numbers, and comments keep their markup."""
    comment = "a <b>x</b>"
    shop.save_records(create("key-order1", FIRST | {"comment": comment}, SECOND))
    first, second = shop.sql("SELECT * FROM vtiger_inventoryproductrel ORDER BY sequence_no")
    assert (first["tax1"], first["tax2"], first["discount_amount"]) == ("20", "0", "0")
    assert (second["tax1"], second["tax2"], second["discount_percent"]) == ("0", "0", "10")
    assert first["comment"] == comment


def test_a_line_without_price_and_taxes_takes_those_of_its_product(shop: Crm) -> None:
    [answer] = shop.save_records(create("key-order1", {"productid": "14x1", "quantity": "1"}))
    assert answer["record"]["hdnGrandTotal"] == "11.988"
    [line] = shop.sql("SELECT * FROM vtiger_inventoryproductrel")
    assert (line["listprice"], line["tax1"]) == ("9.99", "20.000")


def test_two_orders_of_one_call_do_not_mix(shop: Crm) -> None:
    shop.save_records(
        create("key-order1", FIRST, SECOND, region_id="7", hdnDiscountPercent="5"),
        create(
            "key-order2",
            {"productid": "14x2", "quantity": "1", "listprice": "1"},
            hdnTaxType="group",
        ),
    )
    _, form = forms(shop)
    assert (form["taxtype"], form["discount_type_final"], form["total"]) == ("group", "zero", "1")
    assert {"region_id", "hdnProductId2", "tax1_group_percentage"}.isdisjoint(form)


def test_an_answer_shows_the_order_with_its_lines(shop: Crm) -> None:
    [answer] = shop.save_records(create("key-order1", FIRST, SECOND))
    record = answer["record"]
    assert record["id"] == answer["id"]
    assert record["productid"] == "14x1"
    assert [(line["productid"], line["parent_id"]) for line in record["LineItems"]] == [
        ("14x1", record["id"]),
        ("26x3", record["id"]),
    ]


def test_a_revision_with_lines_replaces_them_and_keeps_the_other_fields(shop: Crm) -> None:
    [saved] = shop.save_records(create("key-order1", FIRST, SECOND, conversion_rate="1.25"))
    fields = {"hdnTaxType": "group", "LineItems": [SECOND]}
    revise = {"key": "key-order2", "action": "revise", "module": "SalesOrder", "id": saved["id"]}
    [revised] = shop.save_records(revise | {"fields": fields})
    record = revised["record"]
    assert (record["subject"], record["conversion_rate"]) == ("Order", "1.25")
    assert [line["productid"] for line in record["LineItems"]] == ["26x3"]
    assert record["hdnGrandTotal"] == "4.5"


def test_a_revision_without_lines_leaves_them_alone(shop: Crm) -> None:
    [saved] = shop.save_records(create("key-order1", FIRST, SECOND))
    revise = {"key": "key-order2", "action": "revise", "module": "SalesOrder", "id": saved["id"]}
    [revised] = shop.save_records(revise | {"fields": {"subject": "Other"}})
    assert revised["record"]["subject"] == "Other"
    assert revised["record"]["LineItems"] == saved["record"]["LineItems"]
    assert len(forms(shop)) == 1


def test_a_deleted_product_may_stay_in_an_order_but_its_taxes_do_not_count(shop: Crm) -> None:
    """Recording deleted-product-revise of Vtiger 8.2: as the web service, and our own model."""
    shop.sql("UPDATE vtiger_crmentity SET deleted = 1 WHERE crmid = 1")
    [answer] = shop.save_records(create("key-order1", FIRST))
    assert answer["record"]["hdnGrandTotal"] == "20"
    assert not answer["record"]["LineItems"][0]["productid"]
    assert answer["record"]["LineItems_FinalDetails"] == {"1": {"hdnProductId1": "1"}}
    shop.sql("DELETE FROM vtiger_crmentity WHERE crmid = 1")
    revise = {"key": "key-order2", "action": "revise", "module": "SalesOrder", "id": answer["id"]}
    purged, other = shop.save_records(
        revise | {"fields": {"hdnTaxType": "individual", "LineItems": [FIRST]}},
        create("key-order3", FIRST),
    )
    assert purged["status"] == "saved"
    assert (other["status"], other["code"]) == ("refused", "RECORD_NOT_FOUND")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"LineItems": []}, "MANDATORY_FIELDS_MISSING"),
        ({"LineItems": "none"}, "MANDATORY_FIELDS_MISSING"),
        ({"subject": ""}, "MANDATORY_FIELDS_MISSING"),
        ({"account_id": "14x1"}, "REFERENCE_INVALID"),
        ({"LineItems": [FIRST | {"productid": "14x99"}]}, "RECORD_NOT_FOUND"),
        ({"LineItems": [FIRST | {"productid": "14x3"}]}, "RECORD_NOT_FOUND"),
        ({"LineItems": [FIRST | {"productid": "11x1"}]}, "REFERENCE_INVALID"),
        ({"LineItems": [FIRST | {"productid": "one"}]}, "INVALID_ID_ATTRIBUTE"),
        ({"LineItems": [{"quantity": "1"}]}, "INVALID_RECORD"),
        ({"LineItems": [FIRST | {"listprice": ""}]}, "INVALID_RECORD"),
        ({"LineItems": [FIRST | {"quantity": "1,5"}]}, "INVALID_RECORD"),
        ({"LineItems": [FIRST | {"tax1": ""}]}, "INVALID_RECORD"),
        ({"hdnS_H_Amount": "1e3"}, "INVALID_RECORD"),
    ],
)
def test_what_vtiger_would_break_over_is_refused_before_it_saves(
    shop: Crm, change: dict[str, Any], code: str
) -> None:
    [answer] = shop.save_records(create("key-order1", FIRST, **change))
    assert (answer["status"], answer["code"]) == ("refused", code)
    assert shop.sql("SELECT * FROM vtiger_salesorder") == []


def test_an_order_that_lost_a_line_is_rolled_back(shop: Crm) -> None:
    """Vtiger goes on where the statement of a line failed."""
    shop.sql("INSERT INTO faults VALUES ('INSERT INTO vtiger_inventoryproductrel', 1062, 1)")
    [answer] = shop.save_records(create("key-order1", FIRST, SECOND))
    assert (answer["status"], answer["code"]) == ("failed", "DATABASE_QUERY_ERROR")
    assert shop.sql("SELECT * FROM vtiger_salesorder") == []
    shop.sql("DELETE FROM faults")
    assert shop.save_records(create("key-order1", FIRST, SECOND))[0]["status"] == "saved"


def test_a_deleted_order_keeps_its_lines_in_the_recycle_bin(shop: Crm) -> None:
    [saved] = shop.save_records(create("key-order1", FIRST, SECOND))
    item = {"key": "key-order2", "action": "delete", "module": "SalesOrder", "id": saved["id"]}
    assert shop.save_records(item)[0]["status"] == "saved"
    assert len(shop.sql("SELECT * FROM vtiger_inventoryproductrel")) == 2

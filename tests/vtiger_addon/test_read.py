"""woosync_read: whole records by ids or by the time of their change."""

import json
from typing import Any

import pytest

from tests.vtiger_addon.crm import Crm


@pytest.fixture
def filled(crm: Crm) -> Crm:
    """A CRM with five contacts, 12x1 to 12x5, changed on the first to fifth of a month."""
    for number in range(1, 6):
        crm.sql(
            "INSERT INTO vtiger_crmentity (crmid, setype, modifiedby, modifiedtime, deleted, label)"
            " VALUES (?, 'Contacts', 5, ?, 0, ?)",
            number,
            f"2026-11-0{number} 12:00:00",
            f"Doe {number}",
        )
        crm.sql(
            "INSERT INTO vtiger_contactdetails VALUES (?, ?, NULL, 9, NULL)",
            number,
            f"D&amp;e {number}",
        )
    return crm


def ids(result: dict[str, Any]) -> list[str]:
    return [record["id"] for record in result["records"]]


def test_records_come_in_the_order_of_the_ids_and_what_is_gone_is_told(filled: Crm) -> None:
    filled.sql("UPDATE vtiger_crmentity SET deleted = 1 WHERE crmid = 2")
    filled.sql("UPDATE vtiger_crmentity SET setype = 'Leads' WHERE crmid = 5")
    wanted = ["12x4", "12x2", "12x1", "12x99", "11x3", "12x5", "x"]
    result = filled.read_records("Contacts", ids=json.dumps(wanted))
    assert ids(result) == ["12x4", "12x1"]
    assert result["missing"] == ["12x2", "12x99", "11x3", "12x5", "x"]
    assert result["more"] is False


def test_text_is_shown_as_it_is_stored(filled: Crm) -> None:
    [record] = filled.read_records("Contacts", ids='["12x1"]')["records"]
    assert (record["lastname"], record["email"], record["account_id"]) == ("D&amp;e 1", "", "11x9")


def test_changes_come_in_pages_by_number(filled: Crm) -> None:
    since = {"since": "2026-11-02 12:00:00", "limit": "2"}
    first = filled.read_records("Contacts", **since)
    second = filled.read_records("Contacts", **since, after=ids(first)[-1])
    assert (ids(first), first["more"]) == (["12x2", "12x3"], True)
    assert (ids(second), second["more"]) == (["12x4", "12x5"], False)
    assert ids(filled.read_records("Contacts")) == [f"12x{number}" for number in range(1, 6)]


def test_tags_are_those_that_the_user_may_see(filled: Crm) -> None:
    filled.sql("INSERT INTO vtiger_freetags VALUES (1, 'vip', 'public'), (2, 'own', 'private')")
    filled.sql(
        "INSERT INTO vtiger_freetagged_objects VALUES (1, 1, 3, 'Contacts', '1'),"
        " (2, 1, 3, 'Contacts', '2'), (2, 5, 3, 'Contacts', '3')"
    )
    [record] = filled.read_records("Contacts", ids='["12x3"]')["records"]
    assert record["tags"] == "vip,own"


def test_products_have_their_taxes_and_prices(crm: Crm) -> None:
    crm.add(7, "Products")
    crm.sql("INSERT INTO vtiger_products VALUES (7, 'Thing', '12.5', 2)")
    crm.sql("INSERT INTO vtiger_producttaxrel VALUES (7, 1, '20.000')")
    crm.sql("INSERT INTO vtiger_productcurrencyrel VALUES (7, 2, '12.505')")
    [record] = crm.read_records("Products", ids='["14x7"]')["records"]
    assert (record["tax1"], record.get("tax2")) == ("20.000", None)
    assert (record["currency1"], record["currency2"]) == ("0.00", "12.51")
    assert record["currency_id"] == "21x2"
    assert record["label"] == "Thing"
    assert "currency3" not in record


def test_orders_have_their_lines_and_charges(crm: Crm) -> None:
    for number, module in [(7, "Products"), (8, "SalesOrder"), (9, "SalesOrder")]:
        crm.add(number, module)
    crm.sql("INSERT INTO vtiger_salesorder (salesorderid, subject) VALUES (8, 'A'), (9, 'B')")
    sql = "INSERT INTO vtiger_inventoryproductrel (id, productid, sequence_no) VALUES (?, ?, ?)"
    for line in [(8, 7, 1), (9, 7, 1), (8, 55, 2)]:
        crm.sql(sql, *line)
    charges = {"1": {"value": "7.50", "taxes": {"1": "20", "9": "5"}}}
    crm.sql("INSERT INTO vtiger_inventorychargesrel VALUES (8, ?)", json.dumps(charges))
    first, second = crm.read_records("SalesOrder", ids='["6x8", "6x9"]')["records"]
    assert first["shipping_&_handling"] == "7.50"
    assert first["shipping_&_handling_shtax1"] == "20"
    assert "shipping_&_handling_shtax9" not in first
    assert [(line["productid"], line["deleted"]) for line in first["LineItems"]] == [
        ("14x7", "0"),
        (None, ""),
    ]
    assert [line["parent_id"] for line in second["LineItems"]] == ["6x9"]
    assert (first["productid"], second["productid"]) == ("14x7", "14x7")


@pytest.mark.parametrize(
    "query",
    [
        {"module": "Leads"},
        {"ids": "12x1"},
        {"ids": "{}"},
        {"ids": "[1]"},
        {"ids": json.dumps([f"12x{number}" for number in range(101)])},
        {"since": "yesterday"},
        {"after": "12"},
    ],
)
def test_what_cannot_be_asked_for_is_refused(crm: Crm, query: dict[str, str]) -> None:
    [answer] = crm.request(["webservice", "woosync_read", {"module": "Contacts"} | query, True])
    assert json.loads(answer)["error"]["code"] == "INVALID_PARAMETERS"

"""The calls about sales orders: what each asks, and what it makes of recorded answers."""

import orjson
import pytest

from app.domain import NotFound
from app.vtiger.client import ORDER_COLUMNS
from tests.recorded import exchanges
from tests.vtiger.crm import open_crm, recorded, refusal, result

pytestmark = pytest.mark.anyio

ASKED = (
    "SELECT subject,vtiger_purchaseorder,sostatus,hdnGrandTotal,createdtime,modifiedtime,modifiedby"
    " FROM SalesOrder WHERE vtiger_purchaseorder"
)
REFERENCE = "00-REFERENCE-so-retrieve-full-group"


async def test_an_order_is_read_with_its_lines() -> None:
    client, crm = open_crm(recorded(REFERENCE))
    found = await client.retrieve_order("6x936")
    asked = crm.calls[0]
    assert (asked.method, asked.query["operation"], asked.query["id"]) == (
        "GET",
        "retrieve",
        "6x936",
    )
    assert (found.id, found.module, found.get("hdnGrandTotal")) == (
        "6x936",
        "SalesOrder",
        "93.00000000",
    )
    assert [(line["productid"], line["quantity"], line["tax1"]) for line in found.lines] == [
        ("14x125", "2.000", "20.000"),
        ("14x126", "3.000", "20.000"),
    ]
    assert found.data == exchanges("vtiger")[REFERENCE].json["result"]


async def test_an_order_that_is_gone() -> None:
    client, _ = open_crm(refusal("ACCESS_DENIED", "Permission to perform the operation is denied"))
    with pytest.raises(NotFound):
        await client.retrieve_order("6x936")


async def test_an_order_is_made_with_its_lines_in_the_element() -> None:
    name = "00-REFERENCE-so-create-full-group"
    element = orjson.loads(exchanges("vtiger")[name].sent["element"])
    client, crm = open_crm(recorded(name))
    made = await client.create("SalesOrder", element)
    asked = crm.calls[-1]
    assert (asked.method, asked.query["operation"]) == ("POST", "create")
    assert asked.form["elementType"] == "SalesOrder"
    assert orjson.loads(asked.form["element"]) == element
    assert (made.id, made.get("hdnGrandTotal")) == ("6x936", "93")


async def test_an_order_is_changed_with_its_lines_in_the_element() -> None:
    name = "00-REFERENCE-so-revise-full-group"
    element = orjson.loads(exchanges("vtiger")[name].sent["element"])
    client, crm = open_crm(recorded(name))
    changed = await client.revise("6x936", element, module="SalesOrder")
    asked = crm.calls[-1]
    assert (asked.method, asked.query["operation"]) == ("POST", "revise")
    assert orjson.loads(asked.form["element"]) == element
    assert changed.id == "6x936"


async def test_orders_are_found_by_their_purchase_order_with_header_columns_only() -> None:
    rows = [
        {"id": "6x1", "vtiger_purchaseorder": "WC-main-12", "subject": "ghost"},
        {"id": "6x2", "vtiger_purchaseorder": "wc-Main-12", "subject": "another case"},
        {"id": "6x3", "vtiger_purchaseorder": "WC-main-12 ", "subject": "a space more"},
        {"id": "6x4", "vtiger_purchaseorder": "WC-máin-12", "subject": "an accent more"},
        {"id": "6x5", "vtiger_purchaseorder": "WC-main-12", "subject": "repeated"},
    ]
    client, crm = open_crm(result(rows))
    found = await client.search_orders_by_purchase_order("WC-main-12")
    assert [(one.id, one.module) for one in found] == [("6x1", "SalesOrder"), ("6x5", "SalesOrder")]
    asked = crm.calls[0]
    assert (asked.method, asked.query["operation"]) == ("GET", "query")
    assert asked.query["query"] == f"{ASKED}='WC-main-12' ORDER BY id LIMIT 100;"


def test_named_header_columns_give_one_row_an_order_and_others_do_not() -> None:
    """Recordings only: four rows were asked for each time; lines were counted in the second."""
    named, starred = (exchanges("vtiger")[n].json for n in ("45-so-query-3390", "45-so-query-3275"))
    assert [row["id"] for row in named["result"]] == ["6x127", "6x128", "6x129", "6x130"]
    assert [row["id"] for row in starred["result"]] == ["6x127", "6x128"]
    line_columns = {"*", "productid", "quantity", "listprice", "comment", "tax1"}
    assert not line_columns & set(ORDER_COLUMNS)


async def test_a_purchase_order_is_looked_for_as_far_as_vtiger_keeps_it() -> None:
    kept = "x" * 200
    client, crm = open_crm(result([{"id": "6x1", "vtiger_purchaseorder": kept}]))
    found = await client.search_orders_by_purchase_order(f"{kept}yz")
    assert [one.id for one in found] == ["6x1"]
    assert f"='{kept}' ORDER" in crm.calls[0].query["query"]


async def test_no_order_has_an_empty_purchase_order() -> None:
    client, crm = open_crm(result([{"id": "6x1", "vtiger_purchaseorder": ""}]))
    assert await client.search_orders_by_purchase_order("") == []
    assert crm.asked == []

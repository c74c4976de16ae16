"""Orders and lines found again: loose comparisons, rows of lines, and lines as a module."""

import pytest

from tests.sandbox.vtiger.lab import read, stored
from tests.sandbox.vtiger.webservice import Refused, WebService

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "where",
    [
        "vtiger_purchaseorder='WC-ÉTÉ 1'",
        "vtiger_purchaseorder='wc-ete 1   '",
        "vtiger_purchaseorder IN ('other','wc-été 1')",
        "vtiger_purchaseorder LIKE 'wc-%'",
    ],
)
async def test_a_purchase_order_is_found_more_loosely_than_it_was_written(
    seller: WebService, where: str
) -> None:
    ws_id = await stored(seller, vtiger_purchaseorder="wc-été 1")
    await stored(seller, vtiger_purchaseorder="wx-1")
    found = await seller.query(f"SELECT id FROM SalesOrder WHERE {where};")  # noqa: S608
    assert [row["id"] for row in found] == [ws_id]


async def test_a_long_purchase_order_is_cut(seller: WebService) -> None:
    ws_id = await stored(seller, vtiger_purchaseorder="p" * 300)
    assert (await read(seller, ws_id))["vtiger_purchaseorder"] == "p" * 200


async def test_a_query_of_line_columns_counts_and_compares_lines(seller: WebService) -> None:
    ws_id = await stored(seller, hdnDiscountAmount="4")
    await stored(seller)
    [row] = await seller.query("SELECT * FROM SalesOrder LIMIT 2;")
    assert (row["id"], row["productid"], row["quantity"]) == (ws_id, "26x4", "1.000")
    found = await seller.query("SELECT id FROM SalesOrder WHERE productid='14x3';")
    assert len(found) == 2
    [count] = await seller.query("SELECT count(*) FROM SalesOrder WHERE quantity>0;")
    assert count == {"count": "4"}
    plain = await seller.query("SELECT hdnDiscountAmount FROM SalesOrder LIMIT 1;")
    assert plain == [{"discount_amount": "4.00000000", "id": ws_id}]


async def test_line_items_by_themselves_need_an_order_of_theirs(seller: WebService) -> None:
    ws_id = await stored(seller)
    for fields, code in (
        ({"parent_id": "6x99", "productid": "14x3", "quantity": 1}, "ACCESS_DENIED"),
        ({"parent_id": ws_id, "quantity": 1}, "MANDATORY_FIELDS_MISSING"),
    ):
        with pytest.raises(Refused) as refused:
            await seller.create("LineItem", **fields)
        assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        await seller.revise("33x99", parent_id=ws_id)
    assert refused.value.code == "UNKOWN_CHILD"
    with pytest.raises(Refused) as refused:
        await seller.get("retrieve", id="33x99")
    assert refused.value.code == "RECORD_NOT_FOUND"
    with pytest.raises(Refused):
        await seller.revise("33x1", parent_id=ws_id)
    assert await seller.query("SELECT id FROM LineItem;") == []


async def test_a_lone_line_reads_its_rates_unless_a_group_order_sells_an_untaxed_article(
    seller: WebService,
) -> None:
    group = await stored(seller, hdnTaxType="group")
    items = (await read(seller, group))["LineItems"]
    rates = [(await seller.get("retrieve", id=item["id"]))["tax1"] for item in items]
    assert [item["tax1"] for item in items] == ["20.000", "20.000"]
    assert rates == ["20.000", "0.000"]

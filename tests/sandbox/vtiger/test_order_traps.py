"""What bites whoever writes orders: ghosts, robbed lines, and fields that reset themselves."""

from typing import Any

import pytest

from sandbox.vtiger.crm import Crm
from tests.sandbox.vtiger.lab import ITEM, OTHER, order, outcome, read, stored
from tests.sandbox.vtiger.webservice import (
    Clock,
    Refused,
    WebService,
    recorded_answer,
    recorded_request,
)

pytestmark = pytest.mark.anyio

DELETED_PRODUCT = ("retrieve", "revise", "retrieve-revised")


@pytest.mark.parametrize(
    ("fields", "lines", "kept"),
    [
        ({"hdnTaxType": "individual"}, [OTHER, {**ITEM, "tax1": ""}], 1),
        ({"hdnTaxType": "group"}, [{**ITEM, "tax1": ""}, OTHER], 2),
        ({}, [ITEM, {**OTHER, "listprice": ""}], 1),
        ({}, [ITEM, {**OTHER, "quantity": "a"}], 1),
        ({}, [ITEM, {**OTHER, "discount_amount": "x"}], 1),
        ({}, [ITEM, {**OTHER, "comment": ["a", "b"]}], 1),
        ({"hdnS_H_Amount": ""}, [ITEM, OTHER], 2),
        ({"hdnS_H_Amount": "5", "shtax1_sh_percent": ""}, [ITEM, OTHER], 2),
        ({"hdnDiscountAmount": ""}, [ITEM, OTHER], 0),
    ],
)
async def test_an_empty_number_kills_php_and_leaves_a_ghost(
    seller: WebService, fields: dict[str, Any], lines: list[dict[str, Any]], kept: int
) -> None:
    sent = order(*lines, vtiger_purchaseorder="PO 1", **fields)
    assert (await outcome(seller, "SalesOrder", sent))["http_status"] == 500
    [ghost] = await seller.query(
        "SELECT id, hdnGrandTotal FROM SalesOrder WHERE vtiger_purchaseorder='PO 1';"
    )
    assert ghost["hdnGrandTotal"] == "0.00000000"
    assert len((await read(seller, ghost["id"]))["LineItems"]) == kept


@pytest.mark.parametrize(
    "line",
    [
        {**ITEM, "tax1": None},
        {**ITEM, "tax2": ""},
        {**ITEM, "discount_percent": "", "discount_amount": ""},
    ],
)
async def test_other_empty_numbers_of_an_individual_line_are_harmless(
    seller: WebService, line: dict[str, Any]
) -> None:
    row = await seller.create("SalesOrder", **order(line, hdnTaxType="individual"))
    assert row["LineItems"][0]["quantity"] == "2.000"


async def test_a_bad_quantity_in_a_revise_robs_the_order_of_its_lines(seller: WebService) -> None:
    ws_id = await stored(seller)
    with pytest.raises(Refused):
        await seller.revise(ws_id, LineItems=[{**ITEM, "quantity": "many"}])
    row = await read(seller, ws_id)
    assert (row["LineItems"], row["productid"], row["subject"]) == ([], None, "S")
    assert await seller.query("SELECT id FROM LineItem;") == []


async def test_every_revise_without_a_conversion_rate_makes_it_1(seller: WebService) -> None:
    ws_id = await stored(seller, conversion_rate="160.5")
    assert (await read(seller, ws_id))["conversion_rate"] == "160.500"
    await seller.revise(ws_id, sostatus="Approved", conversion_rate="160.5")
    assert (await read(seller, ws_id))["conversion_rate"] == "160.500"
    await seller.revise(ws_id, sostatus="Approved")
    assert (await read(seller, ws_id))["conversion_rate"] == "1.000"


async def test_money_sent_without_lines_is_rounded_and_leaves_the_totals(
    crm: Crm, seller: WebService
) -> None:
    ws_id = await stored(seller, hdnS_H_Amount="1.23456789")
    assert (await read(seller, ws_id))["hdnS_H_Amount"] == "1.23456789"
    before = await read(seller, ws_id)
    crm.users.get("apiuser").currency_decimals = 2
    await seller.revise(ws_id, txtAdjustment="3.456", hdnS_H_Amount="9.999")
    row = await read(seller, ws_id)
    assert (row["txtAdjustment"], row["hdnS_H_Amount"]) == ("3.46000000", "10.00000000")
    assert row["hdnGrandTotal"] == before["hdnGrandTotal"]
    assert row["LineItems"] == before["LineItems"]


async def test_no_currency_stays_none_and_no_tax_type_is_group(seller: WebService) -> None:
    sent = order()
    del sent["currency_id"]
    row = await seller.create("SalesOrder", **sent)
    assert (row["currency_id"], row["hdnTaxType"], row["hdnGrandTotal"]) == ("", "", 30)


async def test_a_service_is_a_line_and_the_header_product_and_costs_nothing_by_default(
    seller: WebService,
) -> None:
    sent = order({"productid": "26x4", "quantity": 1}, {"productid": "14x3", "quantity": 1})
    row = await seller.create("SalesOrder", **{**sent, "productid": "26x4"})
    assert [line["listprice"] for line in row["LineItems"]] == ["0.00000000", "12.50000000"]
    assert [line["entity_type"] for line in row["LineItems"]] == ["Services", "Products"]
    assert (await read(seller, row["id"]))["productid"] == "26x4"


async def test_a_deleted_product_leaves_its_line_without_an_id(seller: WebService) -> None:
    ws_id = await stored(seller)
    await seller.post("delete", id="14x3")
    row = await read(seller, ws_id)
    line = row["LineItems"][0]
    assert (line["productid"], line["product_name"], line["deleted"]) == ("", "Thing", "1")
    assert row["LineItems_FinalDetails"]["1"]["productDeleted1"] is True


async def test_taxes_of_a_deleted_product_do_not_count_as_recorded(service: WebService) -> None:
    """Vtiger counts them still in what it shows of the line, and in the total until a revise."""
    answers = {name: recorded_answer(f"deleted-product-{name}") for name in DELETED_PRODUCT}
    sent = recorded_request("deleted-product-revise")["element"]
    await service.create("Accounts", accountname="Acme")
    products = [
        await service.create("Products", productname=name, unit_price=price, tax1="20")
        for name, price in (("Tea", "5"), ("Mug", "10"))
    ]
    items = [
        {**item, "productid": product["id"]}
        for item, product in zip(sent["LineItems"], products, strict=True)
    ]
    fields = {**sent, "account_id": "11x2", "productid": products[0]["id"], "LineItems": items}
    fields = {name: fields[name] for name in fields.keys() - {"id", "assigned_user_id"}}
    made = await service.create("SalesOrder", **fields, subject="Deleted product")
    await service.post("delete", id=products[0]["id"])

    seen = {"retrieve": await read(service, made["id"])}
    seen["revise"] = await service.revise(made["id"], **fields)
    seen["retrieve-revised"] = await read(service, made["id"])
    for name, answer in answers.items():
        assert _told(seen[name]) == _told(answer), name
    details = seen["retrieve"]["LineItems_FinalDetails"]["1"]
    expected = answers["retrieve"]["LineItems_FinalDetails"]["1"]
    assert details["hdnProductId1"] == products[0]["id"].partition("x")[2]
    assert details["taxTotal1"] == expected["taxTotal1"]


def _told(row: dict[str, Any]) -> Any:
    lines = [
        {name: line[name] for name in ("product_name", "deleted", "quantity", "tax1", "comment")}
        for line in row["LineItems"]
    ]
    gone = [line["productid"] == "" for line in row["LineItems"]]
    return float(row["hdnGrandTotal"]), float(row["hdnSubTotal"]), lines, gone


async def test_line_numbers_come_back_after_their_lines_are_replaced(seller: WebService) -> None:
    first, last = await stored(seller), await stored(seller)
    numbers = []
    for ws_id in (first, last, last):
        row = await seller.revise(ws_id, LineItems=[OTHER])
        numbers.append(row["LineItems"][0]["id"])
    assert numbers == ["33x5", "33x6", "33x6"]


async def test_deleting_an_order_deletes_its_lines(seller: WebService) -> None:
    ws_id = await stored(seller)
    await seller.post("delete", id=ws_id)
    assert await seller.query("SELECT * FROM LineItem;") == []
    assert await seller.query("SELECT * FROM SalesOrder;") == []


@pytest.mark.parametrize("version", ["8.2.0", "8.4.0"])
async def test_the_recycle_bin_keeps_the_lines_of_an_order(
    crm: Crm, seller: WebService, version: str
) -> None:
    ws_id = await stored(seller, hdnTaxType="individual")
    crm.upgrade(version)
    crm.ui_delete(ws_id)
    crm.ui_restore(ws_id)
    assert len((await read(seller, ws_id))["LineItems"]) == 2


async def test_invoice_status_is_kept_only_by_a_recurring_order(seller: WebService) -> None:
    once = await stored(seller)
    again = await stored(seller, enable_recurring="1", recurring_frequency="Monthly")
    assert (await read(seller, once))["invoicestatus"] == ""
    row = await read(seller, again)
    assert (row["invoicestatus"], row["recurring_frequency"]) == ("Created", "Monthly")
    await seller.revise(again, enable_recurring="0")
    assert (await read(seller, again))["invoicestatus"] == ""


async def test_charges_may_be_a_percentage_of_the_subtotal_that_was_sent(
    seller: WebService,
) -> None:
    sent = order(ITEM, **{"shipping_&_handling": "10%", "hdnSubTotal": "200", "hdnTaxType": "x"})
    row = await seller.create("SalesOrder", **sent)
    assert (row["hdnS_H_Amount"], row["hdnGrandTotal"]) == ("20.00000000", 44)
    assert (await read(seller, row["id"]))["shipping_&_handling"] == "10%"


async def test_what_is_no_list_of_lines_counts_as_none(clock: Clock, seller: WebService) -> None:
    ws_id = await stored(seller)
    clock.move(minutes=1)
    nothing: tuple[Any, ...] = ("x", [], [1], {})
    for lines in nothing:
        row = await seller.revise(ws_id, LineItems=lines)
        assert len(row["LineItems"]) == 2
    with pytest.raises(Refused) as refused:
        await seller.create("SalesOrder", **order() | {"LineItems": "x"})
    assert refused.value.code == "MANDATORY_FIELDS_MISSING"
    as_object = {"first": ITEM, "second": OTHER}
    row = await seller.create("SalesOrder", **order() | {"LineItems": as_object})
    assert [line["sequence_no"] for line in row["LineItems"]] == ["1", "2"]

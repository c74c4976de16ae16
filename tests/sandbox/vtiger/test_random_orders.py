"""All 250 recorded random orders created again: answer and later retrieve, to the last field."""

import json

import pytest

from tests.sandbox.vtiger.lab import (
    ORDER,
    ORDER_FIELDS,
    Case,
    Lab,
    outcome,
    random_orders,
    setup_data,
    steady,
)

pytestmark = pytest.mark.anyio

LINES_BEFORE = 142


async def prepared() -> Lab:
    """The setup of the recordings, with the record and line numbers they had."""
    lab = await Lab(ORDER_FIELDS).open()
    await lab.taxes()
    await lab.admin.post("delete", id="34x5")
    for currency in setup_data()["currencies"][1:]:
        await lab.admin.create("Currency", **{**currency, "id": ""})
    await fill_the_line_table(lab)
    await sell_the_recorded_articles(lab)
    return lab


async def fill_the_line_table(lab: Lab) -> None:
    await lab.admin.create("Accounts", accountname="filling")
    await lab.admin.create("Products", productname="filling")
    lines = [{"productid": "14x3", "quantity": 1, "listprice": 1}] * LINES_BEFORE
    await lab.admin.create("SalesOrder", **{**ORDER, "LineItems": lines})
    await lab.until(938)


async def sell_the_recorded_articles(lab: Lab) -> None:
    setup = setup_data()
    for article in setup["products"] + setup["services"][:3]:
        is_product = article["id"].startswith("14x")
        module, name = ("Products", "productname") if is_product else ("Services", "servicename")
        fields = {name: article["name"], "unit_price": article["sent_price"], "qtyinstock": "100"}
        row = await lab.api.create(module, **fields, **article["sent_taxes"])
        assert (row["id"], row["unit_price"]) == (article["id"], article["unit_price"])
        assert article["taxes"].items() <= row.items()
    for ws_id in setup["accounts"]:
        row = await lab.api.create("Accounts", accountname=ws_id)
        assert row["id"] == ws_id
    assert (await lab.api.create("Contacts", lastname="Buyer"))["id"] == setup["contact"]


async def differences(lab: Lab, case: Case) -> list[str]:
    service = lab.api if case.user == "apiuser" else lab.admin
    created = await outcome(service, "SalesOrder", case.element)
    found = [] if steady(created) == steady(case.create) else [f"{case.number} created otherwise"]
    if case.retrieve is not None:
        row = await service.get("retrieve", id=case.retrieve["result"]["id"])
        if steady(row) != steady(case.retrieve["result"]):
            found.append(f"{case.number} reads otherwise")
    return found


async def test_every_random_order_is_answered_and_read_as_recorded() -> None:
    lab = await prepared()
    cases = random_orders()
    found = [line for case in cases for line in await differences(lab, case)]
    assert len(cases) == 250
    assert not found, json.dumps(found)


async def test_an_order_that_killed_php_is_a_queryable_ghost() -> None:
    lab = await prepared()
    case = next(case for case in random_orders() if case.create["success"] is None)
    element = case.element | {"vtiger_purchaseorder": "PO 35"}
    assert (await outcome(lab.api, "SalesOrder", element))["http_status"] == 500
    [ghost] = await lab.api.query(
        "SELECT id, hdnGrandTotal FROM SalesOrder WHERE vtiger_purchaseorder='po 35';"
    )
    row = await lab.api.get("retrieve", id=ghost["id"])
    stored = [line["listprice"] for line in row["LineItems"]]
    sent = case.element["LineItems"]
    bad = next(at for at, line in enumerate(sent) if line.get("tax4") == "")
    assert [float(price) for price in stored] == [float(line["listprice"]) for line in sent[:bad]]
    assert (ghost["hdnGrandTotal"], row["invoicestatus"]) == ("0.00000000", "Created")

"""Orders that people type in, and what workflows tell of orders."""

import json
from typing import Any

import httpx
import pytest

from sandbox.vtiger.crm import Crm
from sandbox.vtiger.workflows import Callback
from tests.sandbox.vtiger.lab import ORDER, ORDER_FIELDS, exchanges, steady
from tests.sandbox.vtiger.webservice import RECORDINGS, Clock, WebService

pytestmark = pytest.mark.anyio

ORDERED = {
    "subject": "By phone",
    "sostatus": "Created",
    "bill_street": "b",
    "ship_street": "s",
    "invoicestatus": "Created",
}
URL = "http://sync/callbacks/vtiger/sales_orders"


@pytest.fixture
async def product(crm: Crm) -> str:
    return await crm.ui_create(
        "Products", {"productname": "Thing", "unit_price": "10", "tax1": "20"}
    )


def totals(row: dict[str, Any]) -> list[float]:
    return [float(row[name]) for name in ("hdnSubTotal", "pre_tax_total", "hdnGrandTotal")]


async def test_a_typed_order_has_lines_and_totals(crm: Crm, product: str) -> None:
    lines = [{"productid": product, "quantity": 2}, {"productid": product, "quantity": 1}]
    money = {"hdnS_H_Amount": "5", "shtax1_sh_percent": "20", "hdnDiscountAmount": "6"}
    ws_id = await crm.ui_create("SalesOrder", {**ORDERED, **money, "LineItems": lines})
    row = crm.record(ws_id)
    assert (row["currency_id"], row["hdnTaxType"], row["source"]) == ("21x1", "individual", "CRM")
    assert totals(row) == [36, 29, 36]
    assert [line["tax1"] for line in row["LineItems"]] == ["20.000", "20.000"]
    assert row["invoicestatus"] == ""


async def test_typing_money_or_lines_computes_the_totals_anew(crm: Crm, product: str) -> None:
    lines = [{"productid": product, "quantity": 2, "comment": "a &amp; b"}]
    ws_id = await crm.ui_create("SalesOrder", {**ORDERED, "LineItems": lines})
    await crm.ui_edit(ws_id, {"hdnDiscountAmount": "4"})
    assert totals(crm.record(ws_id)) == [24, 16, 20]
    await crm.ui_edit(ws_id, {"hdnDiscountPercent": "50", "shipping_&_handling": "3"})
    assert totals(crm.record(ws_id)) == [24, 11, 15]
    await crm.ui_edit(ws_id, {"LineItems": [*lines, {"productid": product, "quantity": 1}]})
    row = crm.record(ws_id)
    assert totals(row) == [36, 15, 21]
    assert [line["quantity"] for line in row["LineItems"]] == ["2.000", "1.000"]
    await crm.ui_edit(ws_id, {"hdnDiscountPercent": "0", "hdnTaxType": "group"})
    assert totals(crm.record(ws_id)) == [30, 33, 39]


async def test_typing_a_status_leaves_lines_and_money_alone(crm: Crm, product: str) -> None:
    lines = [{"productid": product, "quantity": 2}]
    ws_id = await crm.ui_create("SalesOrder", {**ORDERED, "LineItems": lines})
    before = crm.record(ws_id)
    await crm.ui_edit(ws_id, {"sostatus": "Delivered", "conversion_rate": "1.1"})
    changed = {"sostatus": "Delivered", "conversion_rate": "1.100"}
    assert crm.record(ws_id) == before | changed


class Receiver:
    """Keeps the bodies of the callbacks it was sent."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(json.loads(request.content))
        return httpx.Response(202)


async def told(clock: Clock) -> tuple[WebService, Receiver]:
    receiver = Receiver()
    http = httpx.AsyncClient(transport=httpx.MockTransport(receiver))
    callback = Callback("SalesOrder", URL)
    crm = Crm(custom_fields=ORDER_FIELDS, callbacks=[callback], clock=clock, http=http)
    service = WebService(crm)
    await service.login("admin")
    return service, receiver


async def test_the_callback_of_a_create_has_the_recorded_totals_of_zero(clock: Clock) -> None:
    service, receiver = await told(clock)
    await service.create("Accounts", accountname="SO Customer")
    for label in ("TVA 5.5%", "TVA 7%"):
        await service.create("Tax", taxlabel=label, percentage="7")
    await service.create("Products", productname="WFP", unit_price="10")
    create = exchanges()["80-so-custom-field"]
    sent = create.form["element"].replace("11x123", "11x2").replace("14x311", "14x3")
    answer = await service.post("create", elementType="SalesOrder", element=sent)
    name = "81-webhook-custom-function-so-create.json"
    recording = json.loads((RECORDINGS / name).read_text(encoding="utf-8"))
    expected = recording[0]["body"].replace("11x123", "11x2").replace("14x311", "14x3")
    told_of, own = receiver.bodies[0], answer["id"]
    assert (told_of["id"], told_of["is_new"]) == (own, 1)
    assert steady(told_of, ids=False) == steady(json.loads(expected), ids=False)


async def test_later_callbacks_have_the_totals_unless_lines_were_sent(clock: Clock) -> None:
    service, receiver = await told(clock)
    await service.create("Products", productname="Thing", unit_price="10")
    line = {"productid": "14x2", "quantity": 2, "listprice": 10}
    row = await service.create("SalesOrder", **{**ORDER, "LineItems": [line]})
    await service.revise(row["id"], sostatus="Approved")
    await service.revise(row["id"], LineItems=[line])
    await service.crm.ui_edit(row["id"], {"LineItems": [line]})
    seen = [body["data"]["hdnGrandTotal"] for body in receiver.bodies]
    assert seen == ["0.00000000", "20.00000000", "0.00000000", "20.00000000"]

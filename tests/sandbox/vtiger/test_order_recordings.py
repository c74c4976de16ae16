"""Recorded exchanges of orders, lines, products and taxes, in the order they were made."""

import pytest

from tests.sandbox.vtiger.lab import ORDER_FIELDS, Lab, exchanges, renamed
from tests.sandbox.vtiger.webservice import recorded

pytestmark = pytest.mark.anyio

FIRST = ("32-so-individual", "33-so-group", "33-so-group-tax-line2")
CREATED_AND_READ = (
    *FIRST,
    "34-so-individual-default-tax",
    "35-so-wrong-totals",
    "36-so-shipping-charge-field",
    "36-so-shipping-sh_percent",
    "37-so-no-listprice",
    "37-so-fractions",
)
BASE = {
    "subject": "Rev base",
    "sostatus": "Created",
    "account_id": "11x123",
    "contact_id": "12x124",
    "bill_street": "1 Bill St",
    "bill_city": "Paris",
    "ship_street": "2 Ship St",
    "invoicestatus": "Created",
    "productid": "14x125",
    "hdnTaxType": "individual",
    "currency_id": "21x1",
    "vtiger_purchaseorder": "PO-1",
    "description": "desc0",
    "hdnDiscountAmount": "5",
    "hdnS_H_Amount": "7.50",
    "shtax1_sh_percent": "20",
    "txtAdjustment": "1",
    "LineItems": [
        {"productid": "14x125", "quantity": "2", "listprice": "10", "tax1": "4.5", "comment": "c1"},
        {"productid": "14x126", "quantity": "3", "listprice": "20", "tax1": "20", "comment": "c2"},
    ],
}
REVISED = (
    ("40-so-revise-status-only", "40-so-revise-status-only-after", "40-so-revise-shipping-only"),
    ("41-so-revise-with-lineitems", "41-so-revise-with-lineitems-after"),
    ("41-so-revise-with-lineitems-full",),
    ("42-so-update-with-lineitems", "42-so-update-with-lineitems-after"),
    ("42-so-update-no-lineitems",),
    ("43-so-roundtrip-update",),
)
LATER = (
    "70-product-with-api-tax4",
    "70-so-with-api-tax4",
    "38-so-individual-tax-not-on-product",
    "38-so-individual-all-zero",
)


async def with_customer(lab: Lab) -> Lab:
    await lab.open()
    await lab.until(123)
    await lab.admin.create("Accounts", accountname="SO Customer")
    await lab.admin.create("Contacts", firstname="Bob", lastname="Buyer", account_id="11x123")
    await lab.check("30-create-product-with-tax1")
    await lab.check("30-create-product-with-tax1-tax2")
    return lab


async def test_orders_and_lines_are_written_read_and_queried_as_recorded() -> None:
    lab = await with_customer(Lab())
    for name in (name for name in exchanges() if name.startswith("31-")):
        await lab.check(name)
    for name in CREATED_AND_READ:
        for step in ("create", "retrieve", "query"):
            await lab.check(f"{name}-{step}")
    for steps in REVISED:
        await lab.admin.create("SalesOrder", **BASE)
        for name in steps:
            await lab.check(name)
    for name in (name for name in exchanges() if name.startswith(("44-", "45-", "73-"))):
        await lab.check(name)


async def test_orders_under_taxes_made_later_are_answered_as_recorded() -> None:
    lab = await with_customer(Lab())
    await lab.admin.replay(recorded("72-currency-create"))
    await lab.check("72-product-multicurrency", ids=False)
    await lab.taxes()
    await lab.check("70-describe-lineitem-after-newtax")
    await lab.until(301)
    for name in LATER:
        await lab.check(name, ids=False)


async def test_order_fields_of_an_admin_and_odd_money_are_answered_as_recorded() -> None:
    lab = await with_customer(Lab(ORDER_FIELDS))
    await lab.taxes()
    await lab.until(311)
    await lab.admin.create("Products", productname="WFP", unit_price="10")
    names = ["38-so-group-tax-not-on-product", "38-so-sh-percent", "38-so-both-discounts"]
    assert (await lab.check("80-so-custom-field", ids=False))["result"]["cf_857"] == "1001"
    for name in names:
        await lab.check(name, ids=False)
    await lab.until(927)
    await lab.admin.create("Products", productname="prec", unit_price="12.34567")
    await lab.check("39-so-5-decimals-apiuser", ids=False, service=lab.api)


async def test_the_reference_order_is_created_read_and_revised_as_recorded() -> None:
    lab = await with_customer(Lab(ORDER_FIELDS))
    await lab.taxes()
    await lab.until(936)
    for step in ("create", "retrieve", "revise"):
        await lab.check(f"00-REFERENCE-so-{step}-full-group", ids=False)


async def test_lines_without_a_product_are_answered_as_recorded_while_a_tax_is_corrupt() -> None:
    """tax4 had been renamed into tax5's label, and so into its name."""
    lab = await with_customer(Lab())
    await lab.taxes()
    await lab.admin.revise("34x5", taxlabel="TVA 5.5%")
    taxes = lab.crm.actors["Tax"]
    taxes.get("34x4").values["taxname"] = taxes.get("34x5").values["taxname"] = "tax5"
    for rate, ws_id in (("6", "34x4"), ("7", "34x5")):
        taxes.get(ws_id).values["percentage"] = f"{rate}.000"
    described = await lab.admin.get("describe", elementType="Products")
    expected = exchanges()["70-describe-products-after-newtax"].result
    assert described == expected
    for name in (name for name in exchanges() if name.startswith("74-")):
        await lab.check(name, ids=False)


async def test_prices_are_rounded_to_the_decimals_of_the_user_as_recorded() -> None:
    lab = await Lab().open()
    admin = lab.crm.users.get("admin")
    for name in (name for name in exchanges() if name.startswith("23-")):
        admin.currency_decimals = 2 if "-dec2-" in name else None
        await lab.check(name, ids=False)


async def test_writing_a_line_by_itself_ruins_its_order_as_recorded() -> None:
    lab = await with_customer(Lab())
    for name in FIRST:
        await lab.check(f"{name}-create")
    await lab.taxes()
    await lab.admin.revise("14x125", productname="Widget A")
    await lab.check("46-lineitem-create", ids=False)
    await lab.check("46-lineitem-update")
    assert await lines_of(lab, "6x128") == []
    added = await lab.admin.create("LineItem", parent_id="6x129", productid="14x125", quantity=1)
    await lab.replay(renamed(exchanges()["46-lineitem-delete"], "33x136", added["id"]))
    assert await lines_of(lab, "6x129") == []
    assert len(await lines_of(lab, "6x127")) == 2


async def lines_of(lab: Lab, ws_id: str) -> list[str]:
    rows = await lab.admin.query(f"SELECT id FROM LineItem WHERE parent_id='{ws_id}';")  # noqa: S608
    return [row["id"] for row in rows]

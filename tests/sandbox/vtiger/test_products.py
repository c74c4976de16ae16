"""Products: what a write wipes, what a currency does to the price, and what people keep."""

from typing import Any

import pytest

from sandbox.vtiger.crm import Crm
from tests.sandbox.vtiger.webservice import Refused, WebService, recorded

pytestmark = pytest.mark.anyio

THING = {"productname": "Thing", "unit_price": "10", "tax1": "20", "tax2": "5.5"}


@pytest.fixture
async def shop(service: WebService) -> WebService:
    """A CRM with dollars (21x2) beside its euros."""
    await service.replay(recorded("72-currency-create"))
    return service


def assigned(row: dict[str, Any]) -> dict[str, Any]:
    names = (name for name in row if name.startswith(("tax", "currency")) and name != "taxclass")
    return {name: row[name] for name in names}


async def test_every_write_wipes_what_it_does_not_send_again(shop: WebService) -> None:
    row = await shop.create("Products", **THING, currency2="11.5")
    expected = {"tax1": "20.000", "tax2": "5.500", "currency1": 10, "currency2": 11.5}
    assert assigned(row) == expected | {"currency_id": "21x1"}
    row = await shop.revise(row["id"], tax2="7")
    assert assigned(row) == {
        "tax2": "7.000",
        "currency1": 0,
        "currency2": 0,
        "currency_id": "21x1",
    }
    assert row["unit_price"] == "10.00000000"
    row = await shop.revise(row["id"], description="x")
    assert "tax2" not in row
    assert assigned(await shop.get("retrieve", id=row["id"])) == assigned(row)


async def test_a_currency_without_a_price_costs_the_price(shop: WebService) -> None:
    row = await shop.create("Products", **THING)
    priced = await shop.revise(row["id"], unit_price="12", currency_id="21x1")
    assert (priced["unit_price"], priced["currency1"]) == ("12.00000000", 12)
    row = await shop.revise(row["id"], currency_id="21x2")
    assert (row["unit_price"], row["currency_id"]) == ("0.00000000", "21x2")


async def test_a_currency_that_is_not_in_use_is_refused(shop: WebService) -> None:
    for sent in ("21x9", "euro"):
        with pytest.raises(Refused) as refused:
            await shop.create("Products", **THING, currency_id=sent)
        assert refused.value.code == "CURRENCY_INACTIVE"
    assert await shop.query("SELECT id FROM Products;") == []


@pytest.mark.parametrize(
    ("sent", "rate"), [("0", "0.000"), (None, "0.000"), ("8.8756", "8.876"), ("", None)]
)
async def test_a_tax_is_assigned_by_any_value_but_the_empty_text(
    shop: WebService, sent: Any, rate: str | None
) -> None:
    row = await shop.create("Products", productname="P", tax3=sent)
    assert row.get("tax3") == rate


async def test_prices_in_other_currencies_are_rounded_and_must_be_numbers(
    crm: Crm, shop: WebService
) -> None:
    crm.users.get("apiuser").currency_decimals = 2
    row = await shop.create("Products", productname="P", unit_price="1", currency2="2.345")
    assert row["currency2"] == 2.35
    row = await shop.create("Products", productname="P", unit_price="1", currency2="2,5")
    assert row["currency2"] == 0


async def test_services_carry_taxes_and_numbers_too(shop: WebService) -> None:
    row = await shop.create("Services", servicename="Fee", unit_price="3", tax1="20")
    assert assigned(row) == {
        "tax1": "20.000",
        "currency1": 3,
        "currency_id": "21x1",
        "currency2": 0,
    }
    assert row["service_no"] == "SER1"
    described = await shop.get("describe", elementType="Services")
    assert [field["name"] for field in described["fields"]][-2:] == ["currency1", "currency2"]


async def test_a_deleted_tax_is_offered_and_carried_no_longer(shop: WebService) -> None:
    row = await shop.create("Products", **THING)
    await shop.post("delete", id="34x2")
    described = await shop.get("describe", elementType="Products")
    assert "tax2" not in {field["name"] for field in described["fields"]}
    assert "tax2" not in await shop.revise(row["id"], tax1="20", tax2="5.5")


async def test_people_keep_what_they_do_not_touch(crm: Crm, shop: WebService) -> None:
    ws_id = await crm.ui_create("Products", THING | {"currency2": "11"})
    row = crm.record(ws_id)
    assert (row["discontinued"], row["source"]) == ("1", "CRM")
    await crm.ui_edit(ws_id, {"unit_price": "15", "tax1": "7"})
    row = crm.record(ws_id)
    assert (row["unit_price"], row["currency1"], row["currency2"]) == ("15.00000000", 15, 11)
    assert (row["tax1"], row["tax2"]) == ("7.000", "5.500")
    assert (await shop.get("retrieve", id=ws_id))["productname"] == "Thing"


async def test_a_product_made_by_the_web_service_is_inactive(shop: WebService) -> None:
    assert (await shop.create("Products", productname="P"))["discontinued"] == "0"
    assert (await shop.create("Products", productname="P", discontinued="1"))["discontinued"] == "1"

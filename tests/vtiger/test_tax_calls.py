"""The calls about taxes and currencies, and the damage that they keep Vtiger from."""

from decimal import Decimal

import orjson
import pytest

from app.domain import Duplicate, NotFound, Rejected
from app.domain import ResponseUnreadable as Unreadable
from app.vtiger.client import UNSAFE
from app.vtiger.schemas import VtigerCurrency, VtigerTax
from tests.recorded import exchanges
from tests.vtiger.crm import open_crm, recorded, result

pytestmark = pytest.mark.anyio


async def test_search_taxes() -> None:
    client, crm = open_crm(recorded("70-tax-query"))
    assert await client.search_taxes() == [
        VtigerTax("34x1", "tax1", "VAT", Decimal("4.5"), deleted=False),
        VtigerTax("34x2", "tax2", "Sales", Decimal(10), deleted=False),
        VtigerTax("34x3", "tax3", "Service", Decimal("12.5"), deleted=False),
    ]
    asked = crm.calls[0]
    assert (asked.method, asked.query["operation"]) == ("GET", "query")
    assert asked.query["query"] == "SELECT * FROM Tax LIMIT 100;"


async def test_a_plain_user_sees_the_taxes_too() -> None:
    client, _ = open_crm(recorded("55-nonadmin-tax-query"))
    assert [tax.name for tax in await client.search_taxes()] == [
        "tax1",
        "tax2",
        "tax3",
        "tax4",
        "tax5",
    ]


async def test_create_tax() -> None:
    client, crm = open_crm(recorded("70-tax-query"), recorded("70-tax-create"))
    made = await client.create_tax("TVA 5.5%", Decimal("5.5"))
    assert made == VtigerTax("34x4", "tax4", "TVA 5.5%", Decimal("5.5"), deleted=False)
    asked = crm.calls[-1]
    assert (asked.method, asked.query["operation"]) == ("POST", "create")
    assert asked.form["elementType"] == "Tax"
    assert orjson.loads(asked.form["element"]) == {"taxlabel": "TVA 5.5%", "percentage": "5.5"}


@pytest.mark.parametrize("label", ["TVA 5.5%", "tva 5.5% ", "TVÀ 5.5%"])
async def test_a_label_is_given_once_however_it_is_written(label: str) -> None:
    client, crm = open_crm(recorded("70-tax-query-after-delete"))
    with pytest.raises(Duplicate) as caught:
        await client.create_tax(label, Decimal(7))
    assert caught.value.holder_id == "34x4"
    assert [one.query["operation"] for one in crm.calls] == ["query"]


async def test_revise_tax_sends_the_percentage_alone() -> None:
    before, after = "70-tax-query-after-delete", "70-tax-revise-percentage-only"
    client, crm = open_crm(recorded(before), recorded(after))
    changed = await client.revise_tax("34x4", Decimal("5.6"))
    assert changed == VtigerTax("34x4", "tax4", "TVA 5.5%", Decimal("5.6"), deleted=False)
    asked = crm.calls[-1]
    assert (asked.method, asked.query["operation"]) == ("POST", "revise")
    assert orjson.loads(asked.form["element"]) == {"id": "34x4", "percentage": "5.6"}


async def test_a_tax_that_is_gone_is_not_written() -> None:
    client, crm = open_crm(recorded("70-tax-query-after-delete"))
    with pytest.raises(NotFound, match="34x5"):
        await client.revise_tax("34x5", Decimal(7))
    assert len(crm.calls) == 1


def test_vtiger_moves_a_tax_to_the_column_of_its_namesake() -> None:
    """Recordings only: why a shared label is refused. 34x4 was tax4 when it was made."""
    revised = exchanges("vtiger")["70-tax-revise"]
    assert orjson.loads(revised.sent["element"]) == {"id": "34x4", "percentage": "6"}
    assert (revised.json["result"]["id"], revised.json["result"]["taxname"]) == ("34x4", "tax5")
    rows = exchanges("vtiger")["70-tax-query-after"].json["result"]
    assert [(row["id"], row["taxname"]) for row in rows][3:] == [("34x4", "tax5"), ("34x5", "tax5")]


async def test_a_tax_that_shares_its_label_is_not_written() -> None:
    client, crm = open_crm(recorded("70-tax-query-after"))
    with pytest.raises(Rejected, match="several taxes have this label") as caught:
        await client.revise_tax("34x4", Decimal(7))
    assert caught.value.code == UNSAFE
    assert len(crm.calls) == 1
    changed = result({"id": "34x1", "taxname": "tax1", "taxlabel": "VAT", "percentage": "5.000"})
    client, _ = open_crm(recorded("70-tax-query-after"), changed)
    assert (await client.revise_tax("34x1", Decimal(5))).percentage == 5


@pytest.mark.parametrize("name", ["", "tax3", "tax9"])
async def test_a_tax_that_was_moved_all_the_same_is_told(name: str) -> None:
    moved = {"id": "34x4", "taxname": name, "taxlabel": "TVA 5.5%", "percentage": "5.600"}
    client, _ = open_crm(recorded("70-tax-query-after-delete"), result(moved))
    with pytest.raises(Rejected, match="column 'tax4'") as caught:
        await client.revise_tax("34x4", Decimal("5.6"))
    assert caught.value.code == UNSAFE


async def test_a_tax_without_a_column_may_get_its_own_back() -> None:
    broken = exchanges("vtiger")["70-tax-update-rename-label-CORRUPTS"].json["result"]
    assert broken["taxname"] == ""
    client, _ = open_crm(result([broken]), result({**broken, "taxname": "tax4"}))
    assert (await client.revise_tax("34x4", Decimal("5.5"))).name == "tax4"


async def test_search_currencies() -> None:
    client, crm = open_crm(recorded("72-currency-query-after"))
    assert await client.search_currencies() == [
        VtigerCurrency("21x1", "EUR", Decimal(1), active=True),
        VtigerCurrency("21x2", "USD", Decimal("1.1"), active=True),
    ]
    asked = crm.calls[0]
    assert (asked.method, asked.query["operation"]) == ("GET", "query")
    assert asked.query["query"] == "SELECT * FROM Currency LIMIT 100;"


async def test_answers_of_another_shape_are_unreadable() -> None:
    client, _ = open_crm(result([{"percentage": "5"}]))
    with pytest.raises(Unreadable):
        await client.search_taxes()
    with pytest.raises(Unreadable):
        await client.search_currencies()


async def test_a_currency_without_a_rate_keeps_no_other_from_being_used() -> None:
    euro = {"id": "21x1", "currency_code": "EUR", "conversion_rate": "1.00000"}
    odd = {"id": "21x2", "currency_code": "USD", "conversion_rate": "1,1"}
    client, _ = open_crm(result([odd, euro]))
    assert [each.code for each in await client.search_currencies()] == ["EUR"]

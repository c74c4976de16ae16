"""Fields that are offered for a row, and the dry run of one record."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.calls import problem
from tests.custom import add_fields, add_row, call
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

CONTACTS = "/mappings/main/contacts"
VAT_ROW = {"id": "vat", "woo": "meta:vat_number", "vtiger": "cf_869"}


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url) as opened:
        add_fields(opened)
        yield opened


async def customer(world: World, **meta: Any) -> str:
    rows = [{"key": key, "value": value} for key, value in meta.items()]
    customer_id = await world.customer("zoe@shop.example", last_name="Müller", meta_data=rows)
    await world.settle()
    world.traffic.reset()
    return customer_id


async def try_out(world: World, system: str, record_id: str, **proposed: Any) -> dict[str, Any]:
    body = {"system": system, "record_id": record_id, **proposed}
    answer = await call(world, "POST", f"{CONTACTS}/preview", body=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def field_of(preview: dict[str, Any], row: str) -> tuple[str | None, str | None, str, str]:
    found = next(each for each in preview["fields"] if each["row"] == row)
    return found["woocommerce"], found["vtiger"], found["act"], found["reason"]


async def test_the_real_fields_of_both_systems_are_offered(world: World) -> None:
    await customer(world, vat_number="FR 1", hobbies=["Wine"])
    await add_row(world, "vat")
    offer = (await call(world, "GET", f"{CONTACTS}/fields")).json()
    woo = {each["name"]: each for each in offer["woocommerce"]}
    vtiger = {each["name"]: each for each in offer["vtiger"]}

    assert (woo["meta:vat_number"]["example"], woo["meta:vat_number"]["written_by"]) == (
        "FR 1", "vat",
    )  # fmt: skip
    assert (woo["meta:hobbies"]["type"], woo["role"]["writable"]) == ("list", False)
    assert woo["billing.phone"]["written_by"] == "phone"
    assert "meta:vtiger_id" not in woo
    assert (vtiger["cf_861"]["label"], vtiger["cf_861"]["choices"]) == (
        "Level", ["Gold member", "Member"],
    )  # fmt: skip
    assert vtiger["cf_853"]["reserved"]
    assert vtiger["assigned_user_id"]["reserved"]
    assert "picklist" in {each["name"] for each in offer["transforms"]}


async def test_a_proposed_row_is_tried_out_and_nothing_is_written(world: World) -> None:
    customer_id = await customer(world, vat_number="FR 1")
    now = await try_out(world, "woocommerce", customer_id)
    proposed = await try_out(world, "woocommerce", customer_id, row=VAT_ROW)

    assert {each["act"] for each in now["fields"]} == {"nothing"}
    assert field_of(proposed, "vat") == ("FR 1", "", "to_vtiger", "")
    assert (proposed["to_vtiger"], proposed["to_woocommerce"]) == ({"cf_869": "FR 1"}, {})
    assert world.traffic.writes == {}
    [contact] = world.contacts()
    assert (contact["cf_869"], (await call(world, "GET", CONTACTS)).json()["version"]) == ("", 0)


async def test_either_side_may_be_named(world: World) -> None:
    customer_id = await customer(world, vat_number="FR 1")
    [contact] = world.contacts()
    by_crm = await try_out(world, "vtiger", contact["id"], row=VAT_ROW)
    assert (by_crm["woocommerce_id"], by_crm["vtiger_id"]) == (customer_id, contact["id"])
    assert field_of(by_crm, "vat") == ("FR 1", "", "to_vtiger", "")


async def test_a_value_that_cannot_go_over_says_why(world: World) -> None:
    customer_id = await customer(world, points="twelve")
    row = {"id": "loyalty", "woo": "meta:points", "vtiger": "cf_859", "transform": "decimal"}
    found = await try_out(world, "woocommerce", customer_id, row=row)
    assert field_of(found, "loyalty") == ("twelve", "0", "to_vtiger", "wrong_type")
    assert found["to_vtiger"] == {}


async def test_a_value_that_a_direction_holds_back_says_so(world: World) -> None:
    customer_id = await customer(world)
    await world.set_policy(direction="off")
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    found = await try_out(world, "woocommerce", customer_id)

    assert field_of(found, "mailing_city") == ("Lyon", "", "nothing", "direction_off")


async def test_a_record_without_a_partner_shows_what_would_be_created(world: World) -> None:
    await world.sync_only()
    await world.set_policy(enabled=False)
    customer_id = await customer(world, vat_number="FR 1")
    await world.set_policy()
    found = await try_out(world, "woocommerce", customer_id, rows=[VAT_ROW])
    assert (found["vtiger_id"], found["to_vtiger"]["lastname"]) == (None, "Müller")
    assert found["to_vtiger"]["cf_869"] == "FR 1"


async def test_faults_of_a_proposed_row_are_told_beside_the_rest(world: World) -> None:
    customer_id = await customer(world)
    row = VAT_ROW | {"vtiger": "cf_999"}
    found = await try_out(world, "woocommerce", customer_id, row=row)
    assert [each["field"] for each in found["problems"]] == ["vat.vtiger"]
    assert "vat" not in {each["row"] for each in found["fields"]}


async def test_a_record_that_is_not_there_is_told(world: World) -> None:
    body = {"system": "woocommerce", "record_id": "4711"}
    assert problem(await call(world, "POST", f"{CONTACTS}/preview", body=body)) == (
        404, "not_found",
    )  # fmt: skip

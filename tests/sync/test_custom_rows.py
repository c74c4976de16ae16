"""Rows that an admin adds: what the next webhook makes of them, in both directions."""

from collections.abc import Mapping

import pytest

from app.domain import Module
from app.modules.ports import PlannedAction
from app.sync.runs.comparison import compare_store
from tests.custom import ROWS, add_fields, add_row, change_row, meta_of
from tests.setting import STORE
from tests.world import World

pytestmark = pytest.mark.anyio

META = {
    "points": "12.50",
    "level": "gold",
    "newsletter": "yes",
    "since": "20240229",
    "interests": ["Wine", "Cheese"],
    "vat_number": "FR 12 & 34",
}


def rows_of(meta: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"key": key, "value": value} for key, value in meta.items()]


@pytest.fixture
async def mapped(world: World) -> World:
    """The world with every kind of row in the mapping of contacts."""
    add_fields(world)
    for row_id in ROWS:
        await add_row(world, row_id)
    return world


async def test_a_new_customer_brings_its_meta_along(mapped: World) -> None:
    await mapped.customer("zoe@shop.example", last_name="Müller", meta_data=rows_of(META))
    await mapped.settle()

    [contact] = mapped.contacts()
    assert (contact["cf_859"], contact["cf_861"]) == ("12.50", "Gold member")
    assert (contact["cf_863"], contact["cf_865"]) == ("1", "2024-02-29")
    assert (contact["cf_867"], contact["cf_869"]) == ("Wine |##| Cheese", "FR 12 & 34")
    assert {each[1:] for each in await mapped.told()} == {("created", None), ("unchanged", "echo")}


async def test_a_new_contact_brings_its_fields_along(mapped: World) -> None:
    await mapped.contact(
        lastname="Berg",
        email="max@crm.example",
        cf_859="7.5",
        cf_861="Member",
        cf_863="1",
        cf_865="2024-02-29",
        cf_867="Wine |##| Cheese",
        cf_869="DE 9",
    )
    await mapped.settle()

    [link] = await mapped.links()
    meta = meta_of(await mapped.get_customer(link.woo_id))
    assert (meta["points"], meta["level"], meta["newsletter"]) == ("7.5", "basic", "yes")
    assert (meta["since"], meta["vat_number"]) == ("2024-02-29", "DE 9")
    assert meta["interests"] == "Wine, Cheese"
    assert {each[1:] for each in await mapped.told()} == {("created", None), ("unchanged", "echo")}


async def test_edits_go_to_the_other_side_in_the_notation_that_is_there(mapped: World) -> None:
    await mapped.customer("zoe@shop.example", last_name="Müller", meta_data=rows_of(META))
    await mapped.settle()
    [link] = await mapped.links()
    mapped.later()
    await mapped.edit_contact(link.vtiger_id, cf_863="0", cf_865="2025-01-31", cf_867="Cheese")
    await mapped.settle()

    meta = meta_of(await mapped.get_customer(link.woo_id))
    assert (meta["newsletter"], meta["since"], meta["interests"]) == ("no", "20250131", ["Cheese"])
    assert (meta["points"], meta["level"]) == ("12.50", "gold")

    mapped.later()
    mapped.edit_customer(link.woo_id, meta_data=[{"key": "points", "value": "13"}])
    await mapped.settle()
    assert mapped.get_contact(link.vtiger_id)["cf_859"] == "13.00"


async def test_a_value_of_the_wrong_type_is_left_alone_while_the_rest_is_synced(
    mapped: World,
) -> None:
    meta = {"points": "twelve", "level": "platinum", "newsletter": "maybe", "since": "soon"}
    await mapped.customer("zoe@shop.example", last_name="Müller", meta_data=rows_of(meta))
    await mapped.settle()

    [contact] = mapped.contacts()
    assert (contact["lastname"], contact["cf_859"], contact["cf_861"]) == ("Müller", "0.00", "")
    created = next(row for row in await mapped.log() if row.outcome == "created")
    assert {(note["field"], note["reason"]) for note in created.notes} == {
        (name, "wrong_type") for name in ("loyalty", "level", "newsletter", "since")
    }


async def test_a_row_counts_from_the_next_webhook_on(world: World) -> None:
    add_fields(world)
    customer_id = await world.customer(
        "zoe@shop.example", last_name="Müller", meta_data=rows_of({"vat_number": "FR 1"})
    )
    await world.settle()
    await add_row(world, "vat")
    world.later()
    world.edit_customer(customer_id, first_name="Zoë")
    await world.settle()

    [contact] = world.contacts()
    assert (contact["firstname"], contact["cf_869"]) == ("Zoë", "FR 1")


async def test_without_a_base_an_empty_side_is_filled(world: World) -> None:
    add_fields(world)
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    [contact] = world.contacts()
    await world.edit_contact(contact["id"], cf_869="FR 1", cf_863="1")
    await world.settle()
    await add_row(world, "vat")
    await add_row(world, "newsletter")
    world.later()
    world.edit_customer(customer_id, first_name="Zoë")
    await world.settle()

    meta = meta_of(await world.get_customer(customer_id))
    assert (meta["vat_number"], meta["newsletter"]) == ("FR 1", "yes")
    assert world.get_contact(contact["id"])["cf_869"] == "FR 1"


async def test_without_a_base_two_different_values_are_a_conflict(world: World) -> None:
    add_fields(world)
    await world.set_policy(conflict_policy="vtiger_wins")
    customer_id = await world.customer(
        "zoe@shop.example", last_name="Müller", meta_data=rows_of({"vat_number": "FR 1"})
    )
    await world.settle()
    [contact] = world.contacts()
    await world.edit_contact(contact["id"], cf_869="FR 2")
    await world.settle()
    await add_row(world, "vat")
    world.later()
    world.edit_customer(customer_id, first_name="Zoë")
    await world.settle()

    assert meta_of(await world.get_customer(customer_id))["vat_number"] == "FR 2"
    told = [conflict for row in await world.log() for conflict in row.conflicts]
    assert {(one["field"], one["woocommerce"], one["vtiger"], one["winner"]) for one in told} == {
        ("vat", "FR 1", "FR 2", "vtiger")
    }


async def test_a_row_that_maps_another_field_has_no_base(world: World) -> None:
    """What the old fields agreed on is no news of the new ones: an empty field is filled."""
    add_fields(world)
    await add_row(world, "vat")
    customer_id = await world.customer(
        "zoe@shop.example", last_name="Müller", meta_data=rows_of({"vat_number": "FR 1"})
    )
    await world.settle()
    await change_row(world, "vat", woo="meta:vat_number", vtiger="cf_867",
                     transform="multi_picklist")  # fmt: skip
    world.later()
    world.edit_customer(customer_id, first_name="Zoë")
    await world.settle()

    [contact] = world.contacts()
    assert (contact["cf_869"], contact["cf_867"]) == ("FR 1", "FR 1")
    assert meta_of(await world.get_customer(customer_id))["vat_number"] == "FR 1"


async def test_a_default_row_that_is_off_is_left_alone(world: World) -> None:
    await change_row(world, "phone", direction="off")
    customer_id = await world.customer(
        "zoe@shop.example", last_name="Müller", billing={"phone": "+33 1"}
    )
    await world.settle()
    [contact] = world.contacts()
    world.later()
    await world.edit_contact(contact["id"], phone="555")
    world.edit_customer(customer_id, first_name="Zoë")
    await world.settle()

    [contact] = world.contacts()
    assert (contact["firstname"], contact["phone"]) == ("Zoë", "555")
    assert (await world.get_customer(customer_id))["billing"]["phone"] == "+33 1"


async def test_a_field_that_vtiger_demands_holds_up_the_record_until_it_is_filled(
    world: World,
) -> None:
    add_fields(world)
    described = world.sandbox.crm.entities["Contacts"].module.described["fields"]
    next(field for field in described if field["name"] == "cf_869")["mandatory"] = True
    await add_row(world, "vat")
    customer_id = await world.customer("zoe@shop.example", last_name="Müller")
    await world.settle()
    assert {each[1:] for each in await world.told()} == {("skipped", "missing_required_field")}

    world.later()
    world.edit_customer(customer_id, meta_data=rows_of({"vat_number": "FR 1"}))
    await world.settle()
    assert [contact["cf_869"] for contact in world.contacts()] == ["FR 1"]


async def test_what_a_custom_field_rounds_is_no_difference_to_a_dry_run(world: World) -> None:
    add_fields(world)
    await add_row(world, "loyalty")
    await world.customer(
        "zoe@shop.example", last_name="Müller", meta_data=rows_of({"points": "12.345"})
    )
    await world.settle()
    [contact] = world.contacts()
    looks = [each async for each in compare_store(world.runtime, STORE, module=Module.CONTACTS)]
    assert contact["cf_859"] == "12.35"
    assert [look.agrees for look in looks] == [True]
    assert [(field.field, field.act) for look in looks for field in look.fields] == [
        ("loyalty", PlannedAction.KEPT)
    ]


async def test_a_billing_e_mail_of_ones_own_is_not_overwritten_by_the_accounts(
    world: World,
) -> None:
    await add_row(world, "invoices_to", woo="billing.email", vtiger="secondaryemail",
                  transform="email")  # fmt: skip
    await world.contact(
        lastname="Berg", email="max@crm.example", secondaryemail="invoices@crm.example"
    )
    await world.settle()
    [link] = await world.links()
    customer = await world.get_customer(link.woo_id)
    assert (customer["email"], customer["billing"]["email"]) == (
        "max@crm.example", "invoices@crm.example",
    )  # fmt: skip

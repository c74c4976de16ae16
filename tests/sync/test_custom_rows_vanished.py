"""A mapped field that an admin removes is left alone; the rest is synced, and nothing is lost."""

import pytest

from tests.custom import VAT, add_fields, add_row, meta_of
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def paired(world: World) -> World:
    """One customer and contact that agree on a VAT number."""
    add_fields(world)
    await add_row(world, "vat")
    await world.customer(
        "zoe@shop.example",
        last_name="Müller",
        meta_data=[{"key": "vat_number", "value": "FR 1"}],
    )
    await world.settle()
    world.later()
    return world


async def vat_in_shop(world: World) -> str:
    [link] = await world.links()
    return str(meta_of(await world.get_customer(link.woo_id))["vat_number"])


def remove(world: World) -> None:
    world.sandbox.crm.ui_remove_field("Contacts", "cf_869")


async def test_the_rest_of_the_record_goes_on(paired: World) -> None:
    remove(paired)
    [link] = await paired.links()
    meta = [{"key": "vat_number", "value": "FR 2"}]
    paired.edit_customer(link.woo_id, first_name="Zoë", meta_data=meta)
    await paired.settle()

    assert paired.get_contact(link.vtiger_id)["firstname"] == "Zoë"
    assert await vat_in_shop(paired) == "FR 2"
    updated = (await paired.log())[-2:]
    noted = {(note["field"], note["reason"]) for row in updated for note in row.notes}
    assert ("vat", "field_vanished") in noted
    assert "failed" not in {row.outcome for row in await paired.log()}


async def test_a_change_of_that_field_alone_is_told(paired: World) -> None:
    remove(paired)
    [link] = await paired.links()
    await paired.forget_log()
    paired.edit_customer(link.woo_id, meta_data=[{"key": "vat_number", "value": "FR 2"}])
    await paired.settle()
    assert await paired.told() == [("vtiger", "skipped", "field_vanished")]


async def test_an_edit_in_vtiger_does_not_empty_the_shop(paired: World) -> None:
    remove(paired)
    [link] = await paired.links()
    await paired.edit_contact(link.vtiger_id, firstname="Zoë")
    await paired.settle()
    assert (await paired.get_customer(link.woo_id))["first_name"] == "Zoë"
    assert await vat_in_shop(paired) == "FR 1"


async def test_a_new_record_is_created_without_it(paired: World) -> None:
    remove(paired)
    await paired.customer(
        "max@shop.example", last_name="Berg", meta_data=[{"key": "vat_number", "value": "DE 9"}]
    )
    await paired.settle()
    created = [row for row in await paired.log() if row.outcome == "created"][-1]
    assert {(note["field"], note["reason"]) for note in created.notes} == {
        ("vat", "field_vanished")
    }
    assert {contact["lastname"] for contact in paired.contacts()} == {"Müller", "Berg"}


async def test_a_field_that_was_only_hidden_goes_on_where_it_stopped(paired: World) -> None:
    """The shop's newer value wins over what the hidden field kept."""
    [link] = await paired.links()
    remove(paired)
    paired.edit_customer(link.woo_id, meta_data=[{"key": "vat_number", "value": "FR 2"}])
    await paired.settle()
    paired.sandbox.crm.ui_add_field("Contacts", VAT)
    record = paired.sandbox.crm.database.find(link.vtiger_id)
    assert record is not None
    record.values["cf_869"] = "FR 1"
    paired.later()
    await paired.edit_contact(link.vtiger_id, firstname="Zoë")
    await paired.settle()

    assert paired.get_contact(link.vtiger_id)["cf_869"] == "FR 2"
    assert await vat_in_shop(paired) == "FR 2"

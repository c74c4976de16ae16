"""The field mapping: rows in force, added, tried out, refused with the reason, flagged."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from app.domain import Module, Scope
from app.modules.context import mapping_of
from tests.custom import VAT, add_fields, add_row
from tests.setting import SERVICE, STORE, TOKEN
from tests.web.browsing import Browser, new_token
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

PAGE = "/ui/mappings/main/contacts"
NEW = f"{PAGE}/rows/new"
VAT_ROW = {"woo": "meta:vat_number", "vtiger": "cf_869", "transform": "text"}


@dataclass(frozen=True, slots=True)
class Desk:
    """A world with custom fields in its CRM, and an admin's browser."""

    world: World
    browser: Browser

    async def save(self, path: str = NEW, **row: str) -> httpx.Response:
        page = await self.browser.text(path)
        version = page.partition('name="version" value="')[2].partition('"')[0]
        return await self.browser.post(path, on=path, version=version, **row)

    async def rows(self) -> list[str]:
        return [row.id for row in (await mapping_of(self.world.runtime, STORE, CONTACTS)).rows]


CONTACTS = Module.CONTACTS


@pytest.fixture
async def desk(emptied_database_url: str) -> AsyncIterator[Desk]:
    async with open_world(emptied_database_url) as world:
        add_fields(world)
        async with httpx.AsyncClient(transport=world.doorway, base_url=SERVICE) as client:
            browser = Browser(client)
            await browser.sign_in(TOKEN)
            yield Desk(world, browser)


async def test_all_rows_are_shown_with_where_they_come_from(desk: Desk) -> None:
    await add_row(desk.world, "vat")
    page = await desk.browser.text(PAGE)
    assert "Mailing country" in page
    assert "VAT number <code>cf_869</code>" in page
    assert page.count('<span class="pill updated">Custom</span>') == 1
    assert "Version 1," in page
    assert "Added row vat." in page


async def test_both_systems_real_fields_are_offered(desk: Desk) -> None:
    meta = [{"key": "vat_number", "value": "FR 12"}]
    await desk.world.customer("zoe@shop.example", last_name="M", meta_data=meta)
    page = await desk.browser.text(NEW)
    assert '<option value="meta:vat_number">Meta vat_number, such as FR 12</option>' in page
    assert '<option value="cf_869">VAT number (cf_869), string</option>' in page
    assert '<optgroup label="Written by another row">' in page
    assert "Office Phone (phone), by phone" in page
    assert 'value="modifiedtime"' not in page


async def test_a_row_is_added_and_named_after_its_field(desk: Desk) -> None:
    answer = await desk.save(**VAT_ROW, comment="For the tax office")
    page = await desk.browser.text(answer.headers["location"])
    assert answer.headers["location"] == f"{PAGE}?saved=cf_869"
    assert await desk.rows() == ["cf_869"]
    assert "It applies from the next hint on." in page
    assert "by API_TOKENS" in page


async def test_a_picklists_pairs_are_written_line_by_line(desk: Desk) -> None:
    row = {"woo": "meta:level", "vtiger": "cf_861", "transform": "picklist"}
    pairs = "gold = Gold member\n\nbasic=Member"
    answer = await desk.save(id="level", pairs=pairs, **row)
    form = await desk.browser.text(f"{PAGE}/rows/level")
    [row_kept] = (await mapping_of(desk.world.runtime, STORE, CONTACTS)).rows

    assert answer.status_code == 303
    assert row_kept.pairs == (("gold", "Gold member"), ("basic", "Member"))
    assert "gold = Gold member\nbasic = Member</textarea>" in form


@pytest.mark.parametrize(
    ("row", "field", "told"),
    [
        (VAT_ROW | {"vtiger": "cf_999"}, "vtiger", "cf_999"),
        (VAT_ROW | {"vtiger": "phone"}, "vtiger", "phone"),
        (VAT_ROW | {"woo": "billing.moon"}, "woo", "billing.moon"),
        (VAT_ROW | {"transform": "magic"}, "transform", "magic"),
        (VAT_ROW | {"transform": "picklist", "pairs": "gold"}, "pairs", "Write each line as"),
        (VAT_ROW | {"size": "many"}, "size", "Enter a whole number"),
        (VAT_ROW | {"id": "Big Name!"}, "id", "Start with a small letter"),
        (VAT_ROW | {"id": "phone"}, "id", "The row phone exists already"),
        (VAT_ROW | {"direction": "sideways"}, "direction", "Choose a value from the list"),
    ],
)
async def test_a_row_that_cannot_work_is_refused_at_its_field(
    desk: Desk, row: dict[str, str], field: str, told: str
) -> None:
    answer = await desk.save(**row)
    assert answer.status_code == 422
    error = answer.text.partition(f'id="e-{field}"')[2].partition("</p>")[0]
    assert told in error
    assert 'value="meta:vat_number"' in answer.text or row["woo"] in answer.text
    assert await desk.rows() == []


async def test_a_default_row_is_changed_and_made_what_it_was(desk: Desk) -> None:
    path = f"{PAGE}/rows/phone"
    answer = await desk.save(path, direction="off", transform="phone", write="always")
    changed = await desk.browser.text(PAGE)
    again = await desk.browser.post(f"{path}/remove", on=path, version="1")

    assert answer.status_code == 303
    assert '<span class="pill skipped">Changed</span>' in changed
    assert again.status_code == 303
    assert await desk.rows() == []
    refused = await desk.browser.post(f"{path}/remove", on=path, version="2")
    assert refused.status_code == 422


async def test_a_row_is_tried_on_a_record_before_it_counts(desk: Desk) -> None:
    meta = [{"key": "vat_number", "value": "FR 12"}]
    customer = await desk.world.customer("zoe@shop.example", last_name="M", meta_data=meta)
    await desk.world.settle()
    wanted = {"system": "woocommerce", "record_id": customer}
    tried = await desk.browser.post(f"{NEW}/try", on=NEW, version="0", **VAT_ROW, **wanted)
    unsaid = await desk.browser.post(f"{NEW}/try", on=NEW, version="0", **VAT_ROW)
    wrong = VAT_ROW | {"vtiger": "cf_999"}
    faulty = await desk.browser.post(f"{NEW}/try", on=NEW, version="0", **wrong, **wanted)

    marked = tried.text.partition('<tr class="mark">')[2].partition("</tr>")[0]
    assert "FR 12" in marked
    assert "write it to Vtiger" in marked
    assert "Enter the id of a record for the preview." in unsaid.text
    assert "cf_999" in faulty.text.partition('id="e-vtiger"')[2].partition("</p>")[0]
    assert await desk.rows() == []
    assert desk.world.contacts()[0]["cf_869"] == ""


async def test_the_mapping_in_force_is_tried_on_a_record(desk: Desk) -> None:
    customer = await desk.world.customer("zoe@shop.example", last_name="Müller")
    await desk.world.settle()
    page = await desk.browser.text(f"{PAGE}?system=woocommerce&record_id={customer}")
    gone = await desk.browser.text(f"{PAGE}?system=vtiger&record_id=12x999")
    assert "What a sync of Müller would do" in page
    assert "do nothing: it agrees" in page
    assert 'role="alert"' in gone


async def test_a_field_that_vanished_is_flagged(desk: Desk) -> None:
    await add_row(desk.world, "vat")
    desk.world.sandbox.crm.ui_remove_field("Contacts", VAT.name)
    await desk.world.runtime.shapes.refresh("Contacts")
    async with httpx.AsyncClient(transport=desk.world.doorway, base_url=SERVICE) as client:
        browser = Browser(client)
        await browser.sign_in(TOKEN)
        page = await browser.text(PAGE)
    trouble = page.partition('<tr class="trouble">')[2].partition("</tr>")[0]
    assert "cf_869" in trouble


async def test_an_earlier_version_is_restored(desk: Desk) -> None:
    await add_row(desk.world, "vat")
    await add_row(desk.world, "loyalty")
    answer = await desk.browser.post(f"{PAGE}/restore", on=PAGE, version="2", wanted="1")
    assert answer.headers["location"] == f"{PAGE}?saved=restored"
    assert await desk.rows() == ["vat"]
    assert "Restored version 1." in await desk.browser.text(PAGE)
    gone = await desk.browser.post(f"{PAGE}/restore", on=PAGE, version="3", wanted="77")
    assert gone.status_code == 404


async def test_two_who_change_at_once_do_not_undo_each_other(desk: Desk) -> None:
    await add_row(desk.world, "vat")
    row = {"woo": "meta:points", "vtiger": "cf_859", "transform": "decimal"}
    late = await desk.browser.post(NEW, on=NEW, version="0", **row)
    restored = await desk.browser.post(f"{PAGE}/restore", on=PAGE, version="0", wanted="0")
    for answer in (late, restored):
        assert answer.status_code == 422
        assert "This mapping has been changed in the meantime" in answer.text
    assert await desk.rows() == ["vat"]


async def test_readers_see_the_mapping_and_change_nothing(desk: Desk) -> None:
    _, secret = await new_token(desk.world.runtime, Scope.READ)
    async with httpx.AsyncClient(transport=desk.world.doorway, base_url=SERVICE) as client:
        reader = Browser(client)
        await reader.sign_in(secret)
        page, row = await reader.text(PAGE), await reader.get(f"{PAGE}/rows/phone")
        refused = await reader.post(NEW, on="/", version="0", **VAT_ROW)
    assert "Add custom mapping" not in page
    assert "/rows/" not in page
    assert (row.status_code, refused.status_code) == (403, 403)
    assert await desk.rows() == []


async def test_readers_see_no_record_of_the_two_systems(desk: Desk) -> None:
    """A dry run reads whichever record is named, and the form of a row shows examples."""
    record_id = await desk.world.customer("zoe@shop.example", last_name="Müller")
    address = f"{PAGE}?system=woocommerce&record_id={record_id}"
    _, secret = await new_token(desk.world.runtime, Scope.READ)
    async with httpx.AsyncClient(transport=desk.world.doorway, base_url=SERVICE) as client:
        reader = Browser(client)
        await reader.sign_in(secret)
        page = await reader.text(address)
    assert "Müller" in await desk.browser.text(address)
    assert "Müller" not in page


async def test_what_has_no_mapping_is_not_there(desk: Desk) -> None:
    for path in ("/ui/mappings/main/taxes", "/ui/mappings/x/contacts", f"{PAGE}/rows/nothing"):
        assert (await desk.browser.get(path)).status_code == 404
    assert (await desk.browser.get("/ui/mappings")).headers["location"] == PAGE

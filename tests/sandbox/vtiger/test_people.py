"""What people do in the CRM's own screens: edits that the web service then shows."""

import pytest

from sandbox.vtiger.crm import Crm
from sandbox.vtiger.refusals import Refusal
from sandbox.vtiger.users import CrmUser
from tests.sandbox.vtiger.webservice import WebService

pytestmark = pytest.mark.anyio


async def test_a_typed_record_is_owned_and_marked_by_its_author(crm: Crm) -> None:
    colleague = crm.users.add(CrmUser("mona", "key", first_name="Mona", last_name="Lisa"))
    ws_id = await crm.ui_create("Contacts", {"lastname": "Typed"}, "mona")
    row = crm.record(ws_id)
    assert (row["source"], row["assigned_user_id"]) == ("CRM", colleague.ws_id)
    assert row["modifiedby"] == colleague.ws_id == "19x6"
    assert row["starred"] == ""


async def test_typed_text_is_neither_decoded_nor_encoded_nor_rounded(crm: Crm) -> None:
    typed = {"lastname": "A &amp; <script>x</script>", "firstname": "😀" + "a" * 50}
    ws_id = await crm.ui_create("Contacts", {"lastname": "x"})
    await crm.ui_edit(ws_id, typed)
    row = crm.record(ws_id)
    assert row["lastname"] == typed["lastname"]
    assert row["firstname"] == "????" + "a" * 36
    crm.users.get("admin").currency_decimals = 0
    priced = await crm.ui_create("Products", {"productname": "P", "unit_price": "19.987654321"})
    assert crm.record(priced)["unit_price"] == "19.98765432"


async def test_boxes_and_counts_are_typed_like_the_rest(crm: Crm) -> None:
    values = {"accountname": "A", "emailoptout": True, "employees": "12"}
    ws_id = await crm.ui_create("Accounts", values)
    row = crm.record(ws_id)
    assert (row["emailoptout"], row["employees"]) == ("1", "12")


async def test_people_cannot_enter_duplicates_either(crm: Crm) -> None:
    await crm.ui_create("Accounts", {"accountname": "Müller"})
    with pytest.raises(Refusal):
        await crm.ui_create("Accounts", {"accountname": "MULLER "})
    assert len(crm.records("Accounts")) == 1


async def test_a_deleted_record_is_gone_for_everyone(crm: Crm, service: WebService) -> None:
    ws_id = await crm.ui_create("Contacts", {"lastname": "x"})
    crm.ui_delete(ws_id)
    with pytest.raises(Refusal):
        crm.record(ws_id)
    assert await service.query("SELECT id FROM Contacts;") == []

"""Create, update, revise and delete: what is kept, what is refused, what is changed on the way."""

import json

import pytest

from sandbox.vtiger.crm import Crm
from tests.sandbox.vtiger.webservice import Clock, Refused, WebService, recorded

pytestmark = pytest.mark.anyio


@pytest.fixture
async def contact(clock: Clock, service: WebService) -> str:
    """The contact of recordings 50-*, a minute old."""
    await service.create("Accounts", accountname="SO Customer")
    full = recorded("50-contact-update-partial").result | {"account_id": "11x2"}
    row = await service.create("Contacts", **full)
    clock.move(minutes=1)
    ws_id: str = row["id"]
    return ws_id


async def refusal(writing: object) -> Refused:
    with pytest.raises(Refused) as refused:
        await writing  # type: ignore[misc]
    return refused.value


async def test_update_keeps_what_was_not_sent_but_wants_the_mandatory_fields(
    service: WebService, contact: str
) -> None:
    element = {"id": contact, "lastname": "Date2", "assigned_user_id": "19x1"}
    row = await service.post("update", element=json.dumps(element))
    expected = recorded("50-contact-update-partial").result
    changing = {"id", "contact_no", "account_id", "createdtime", "modifiedtime", "modifiedby"}
    same = {name for name in expected if name not in changing}
    assert {name: row[name] for name in same} == {name: expected[name] for name in same}
    missing = json.dumps({"id": contact, "firstname": "only"})
    error = (await refusal(service.post("update", element=missing))).error
    assert error == recorded("50-err-contact-update-missing-mandatory").body["error"]


async def test_revise_changes_only_what_was_sent(service: WebService, contact: str) -> None:
    before = await service.get("retrieve", id=contact)
    row = await service.revise(contact, phone="555")
    differing = {name for name in row if row[name] != before[name]}
    assert differing == {"phone", "modifiedtime"}


async def test_empty_and_null_clear_a_field_of_any_type(service: WebService, contact: str) -> None:
    row = await service.revise(contact, firstname="", account_id="", birthday=None, contact_id="")
    assert (row["firstname"], row["account_id"], row["birthday"]) == ("", "", "")
    error = (await refusal(service.revise(contact, lastname=""))).error
    assert error == recorded("50-err-contact-revise-clear-mandatory").body["error"]


async def test_a_revise_of_nothing_still_touches_the_record(
    service: WebService, contact: str
) -> None:
    row = await service.revise(contact)
    assert row["createdtime"] == "2026-11-23 22:00:00"
    assert row["modifiedtime"] == "2026-11-23 22:01:00"


async def test_the_last_writer_is_in_modifiedby(crm: Crm, service: WebService) -> None:
    ws_id = await crm.ui_create("Contacts", {"lastname": "by hand"})
    assert (await service.get("retrieve", id=ws_id))["modifiedby"] == "19x1"
    assert (await service.revise(ws_id, phone="2"))["modifiedby"] == "19x5"
    await crm.ui_edit(ws_id, {"phone": "3"})
    assert crm.record(ws_id)["modifiedby"] == "19x1"


async def test_system_fields_cannot_be_set(service: WebService, contact: str) -> None:
    row = await service.revise(
        contact,
        contact_no="CON9",
        createdtime="2020-01-01 00:00:00",
        modifiedby="19x1",
        source="X",
        starred="1",
    )
    assert (row["contact_no"], row["createdtime"]) == ("CON1", "2026-11-23 22:00:00")
    assert (row["modifiedby"], row["source"], row["starred"]) == ("19x5", "WEBSERVICE", "0")


async def test_a_deleted_record_answers_as_one_that_never_was(
    service: WebService, contact: str
) -> None:
    assert await service.post("delete", id=contact) == recorded("52-delete").result
    denied = recorded("52-err-delete-again").body["error"]
    assert (await refusal(service.post("delete", id=contact))).error == denied
    assert (await refusal(service.get("retrieve", id=contact))).error == denied
    assert (await refusal(service.revise(contact, phone="1"))).error == denied


async def test_a_wrong_owner_breaks_the_answer_but_not_the_record(
    crm: Crm, service: WebService
) -> None:
    failed = await refusal(service.create("Contacts", lastname="B", assigned_user_id="19x99"))
    assert (failed.status, failed.text) == (200, recorded("11-err-create-bad-owner").text)
    assert [row["lastname"] for row in crm.records("Contacts")] == ["B"]


async def test_a_reference_to_nothing_is_accepted_and_reads_empty(service: WebService) -> None:
    row = await service.create("Contacts", lastname="R", account_id="11x999999")
    assert row["account_id"] == ""


async def test_a_reference_reads_empty_once_its_record_is_deleted(
    crm: Crm, service: WebService, contact: str
) -> None:
    assert crm.record(contact)["account_id"] == "11x2"
    await service.post("delete", id="11x2")
    assert crm.record(contact)["account_id"] == ""


async def test_all_modules_share_one_number_sequence(service: WebService) -> None:
    rows = [
        await service.create("Contacts", lastname="a"),
        await service.create("Accounts", accountname="b"),
        await service.create("Products", productname="c"),
        await service.create("Services", servicename="d"),
        await service.create("Contacts", lastname="e"),
    ]
    assert [row["id"] for row in rows] == ["12x2", "11x3", "14x4", "26x5", "12x6"]
    numbers = [row.get("contact_no") or row.get("product_no") for row in rows]
    assert numbers == ["CON1", None, "PRO1", None, "CON2"]


async def test_checkboxes_dates_and_numbers_are_converted(service: WebService) -> None:
    row = await service.create(
        "Contacts",
        lastname="C",
        donotcall="yes",
        emailoptout="on",
        portal=True,
        birthday="1990-02-30",
        support_start_date="2026-11-23T10:00:00Z",
    )
    assert (row["donotcall"], row["emailoptout"], row["portal"]) == ("0", "1", "1")
    assert (row["birthday"], row["support_start_date"]) == ("0000-00-00", "")
    account = await service.create(
        "Accounts", accountname="N", employees=2.7, annual_revenue="1234.567891"
    )
    assert (account["employees"], account["annual_revenue"]) == ("3", "1234.56789000")


@pytest.mark.parametrize(
    ("decimals", "stored"), [(None, "20.00000000"), (2, "19.99000000"), (5, "19.98765000")]
)
async def test_prices_are_rounded_to_the_users_decimals(
    crm: Crm, service: WebService, decimals: int | None, stored: str
) -> None:
    crm.users.get("apiuser").currency_decimals = decimals
    row = await service.create("Products", productname="P", unit_price="19.987654321"[:8])
    assert row["unit_price"] == stored


async def test_the_answer_of_an_account_write_is_decoded_once_too_often(
    service: WebService,
) -> None:
    row = await service.create("Accounts", accountname="a &amp; b")
    assert row["accountname"] == "a & b"
    assert (await service.get("retrieve", id=row["id"]))["accountname"] == "a &amp; b"
    person = await service.create("Contacts", lastname="a &amp; b")
    assert person["lastname"] == "a &amp; b"

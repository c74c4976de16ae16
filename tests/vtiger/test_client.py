"""Each call of the client: what it asks of the CRM, and what it makes of recorded answers."""

from datetime import UTC, datetime

import orjson
import pytest

from app.domain import InvalidInput, NotFound, Rejected, ResponseUnreadable
from app.vtiger.query import Query, equals, since
from tests.recorded import exchanges
from tests.scripted import Asked
from tests.vtiger.crm import open_crm, recorded, result

pytestmark = pytest.mark.anyio


def parameters(asked: Asked) -> dict[str, str]:
    """The query without what every call has."""
    return {key: text for key, text in asked.query.items() if key != "sessionName"}


async def test_retrieve() -> None:
    client, crm = open_crm(recorded("21-retrieve-contact-full"))
    found = await client.retrieve("12x8", "Contacts")
    assert crm.calls[0].method == "GET"
    assert crm.calls[0].path == "/vt/webservice.php"
    assert parameters(crm.calls[0]) == {"operation": "retrieve", "id": "12x8"}
    wanted = exchanges("vtiger")["21-retrieve-contact-full"].json["result"]
    assert (found.id, found.module, found.data) == (wanted["id"], "Contacts", wanted)
    assert found.get("lastname") == wanted["lastname"]


async def test_create_sends_a_form_with_the_operation_in_the_address() -> None:
    client, crm = open_crm(recorded("11-create-op-in-url"))
    made = await client.create("Contacts", {"lastname": "UrlOp", "assigned_user_id": "19x1"})
    asked = crm.calls[-1]
    assert asked.method == "POST"
    assert parameters(asked) == {"operation": "create"}
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.form["elementType"] == "Contacts"
    assert orjson.loads(asked.form["element"]) == {
        "lastname": "UrlOp",
        "assigned_user_id": "19x1",
    }
    assert made.id == "12x2"
    assert made.modified_at == datetime(2026, 11, 23, 21, 14, 12, tzinfo=UTC)
    assert (made.created_at, made.modified_by) == (made.modified_at, "19x1")


async def test_create_belongs_to_the_api_user_unless_said_otherwise() -> None:
    client, crm = open_crm(recorded("11-create-op-in-url"))
    await client.create("Contacts", {"lastname": "Zoë & Co"})
    assert orjson.loads(crm.calls[-1].form["element"]) == {
        "assigned_user_id": "19x5",
        "lastname": "Zoë & Co",
    }


async def test_what_cannot_be_sent_reaches_nobody() -> None:
    client, crm = open_crm(result({}))
    with pytest.raises(InvalidInput):
        await client.revise("14x5", {"unit_price": 0.1}, module="Products")
    assert crm.asked == []


async def test_revise_names_the_record_in_its_element() -> None:
    client, crm = open_crm(recorded("50-contact-revise"))
    changed = await client.revise("12x142", {"phone": "555"}, module="Contacts")
    assert crm.calls[0].method == "POST"
    assert parameters(crm.calls[0]) == {"operation": "revise"}
    assert orjson.loads(crm.calls[0].form["element"]) == {"id": "12x142", "phone": "555"}
    assert changed.get("phone") == "555"


async def test_delete() -> None:
    client, crm = open_crm(recorded("52-delete"))
    await client.delete("14x143")
    assert (crm.calls[0].method, parameters(crm.calls[0])) == ("POST", {"operation": "delete"})
    assert crm.calls[0].form == {"id": "14x143"}


async def test_query() -> None:
    client, crm = open_crm(recorded("53-query-quote-and-backslash-escaped"))
    where = (equals("lastname", "O'Neil \\ back"),)
    found = await client.query(Query("Contacts", ("lastname",), where))
    assert crm.calls[0].method == "GET"
    assert parameters(crm.calls[0]) == {
        "operation": "query",
        "query": "SELECT lastname FROM Contacts WHERE lastname='O''Neil \\\\ back' LIMIT 100;",
    }
    assert [(one.id, one.module) for one in found] == [("12x144", "Contacts")]


async def test_search_follows_the_last_id() -> None:
    full = [{"id": f"12x{number}"} for number in range(1, 101)]
    client, crm = open_crm(result(full), result([{"id": "12x200"}]))
    moment = datetime(2026, 11, 23, 21, tzinfo=UTC)
    found = [
        one.id async for one in client.search("Contacts", [since(moment)], columns=["lastname"])
    ]
    assert found == [row["id"] for row in full] + ["12x200"]
    start = "SELECT lastname FROM Contacts WHERE modifiedtime>='2026-11-23 21:00:00'"
    assert [one.query["query"] for one in crm.calls] == [
        f"{start} ORDER BY id LIMIT 100;",
        f"{start} AND id>'12x100' ORDER BY id LIMIT 100;",
    ]


async def test_search_can_begin_after_an_id() -> None:
    client, crm = open_crm(result([]))
    assert [one async for one in client.search("Contacts", after_id="12x9")] == []
    assert "WHERE id>'12x9' ORDER BY id" in crm.calls[0].query["query"]


async def test_count() -> None:
    client, crm = open_crm(recorded("53-query-count"))
    assert await client.count("Contacts", [equals("lastname", "a")]) == 65
    assert crm.calls[0].query["query"] == "SELECT count(*) FROM Contacts WHERE lastname='a';"


async def test_describe() -> None:
    client, crm = open_crm(recorded("80-describe-contacts-with-custom-fields"))
    module = await client.describe("Contacts")
    assert parameters(crm.calls[0]) == {"operation": "describe", "elementType": "Contacts"}
    assert (module.name, module.id_prefix) == ("Contacts", "12")
    lastname = module.find_field("lastname")
    assert lastname is not None
    assert (lastname.label, lastname.type) == ("Last Name", "string")
    assert (lastname.mandatory, lastname.editable, lastname.unique) == (True, True, False)
    account = module.field_labelled(" organization NAME ")
    assert account is not None
    assert (account.name, account.refers_to) == ("account_id", ("Accounts",))
    source = module.field_labelled("Lead Source")
    assert source is not None
    assert "Web Site" in source.picklist
    assert module.field_labelled("No such label") is None
    assert any(field.name.startswith("cf_") for field in module.fields)


async def test_labels_are_decoded() -> None:
    client, _ = open_crm(recorded("03-describe-SalesOrder"))
    module = await client.describe("SalesOrder")
    assert module.field_labelled("Shipping & Handling") is not None
    assert not [field.label for field in module.fields if "&amp;" in field.label]


async def test_unique_fields_are_seen() -> None:
    client, _ = open_crm(recorded("54-describe-contacts-unique-email"))
    email = (await client.describe("Contacts")).find_field("email")
    assert email is not None
    assert email.unique


async def test_list_types() -> None:
    client, crm = open_crm(recorded("02-listtypes"))
    assert {"Contacts", "Accounts", "Tax"} <= set(await client.list_types())
    assert parameters(crm.calls[0]) == {"operation": "listtypes"}


@pytest.mark.parametrize("text", ["12x34", " 12x34 "])
async def test_an_id_is_already_one(text: str) -> None:
    client, crm = open_crm(recorded("03-describe-Contacts"))
    assert await client.resolve_id("Contacts", text) == "12x34"
    assert await client.resolve_id("Contacts", "34") == "12x34"
    assert len(crm.calls) == 1


async def test_a_record_number_is_looked_up() -> None:
    client, crm = open_crm(recorded("03-describe-Contacts"), result([{"id": "12x310"}]))
    assert await client.resolve_id("Contacts", "CON217") == "12x310"
    asked = "SELECT id FROM Contacts WHERE contact_no='CON217' LIMIT 2;"
    assert crm.calls[1].query["query"] == asked


async def test_an_id_that_leads_nowhere() -> None:
    twice = result([{"id": "12x1"}, {"id": "12x2"}])
    client, _ = open_crm(recorded("03-describe-Contacts"), result([]), twice)
    with pytest.raises(NotFound):
        await client.resolve_id("Contacts", "CON999")
    with pytest.raises(Rejected, match="several"):
        await client.resolve_id("Contacts", "CON2")
    with pytest.raises(NotFound, match="11x5"):
        await client.resolve_id("Contacts", "11x5")


async def test_a_module_without_numbers_needs_an_id() -> None:
    client, _ = open_crm(recorded("03-describe-Contacts"))
    with pytest.raises(InvalidInput, match="12x34"):
        await client.resolve_id("Tax", "TAX1")


@pytest.mark.parametrize("data", [[], {}, {"id": 5}, {"id": "12"}, {"id": "12x"}, "text", None])
async def test_a_record_without_an_id_is_unreadable(data: object) -> None:
    client, _ = open_crm(result(data))
    with pytest.raises(ResponseUnreadable):
        await client.retrieve("12x1", "Contacts")


async def test_lists_and_descriptions_of_another_shape_are_unreadable() -> None:
    client, _ = open_crm(result({"odd": [5]}))
    for call in (
        client.query(Query("Contacts")),
        client.count("Contacts"),
        client.describe("Contacts"),
        client.list_types(),
    ):
        with pytest.raises(ResponseUnreadable):
            await call

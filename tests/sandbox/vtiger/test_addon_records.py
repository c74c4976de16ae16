"""Records written and read through the add-on: in batches, once each, alike in every version."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from sandbox.vtiger.addon import Addon, SaveMishap
from sandbox.vtiger.cloud import BASE, create_cloud_app
from sandbox.vtiger.crm import Crm
from sandbox.vtiger.users import CrmUser, default_users
from tests.sandbox.vtiger.lab import ITEM, OTHER, order, read
from tests.sandbox.vtiger.webservice import Clock, Refused, WebService

pytestmark = pytest.mark.anyio

VERSIONS = ("8.2.0", "8.4.0")
OWNER = {"assigned_user_id": "19x1"}
ANSWER = {"key", "status", "id", "code", "message", "record"}


@pytest.fixture
def addon(crm: Crm) -> Addon:
    return crm.install_addon()


def create(module: str, key: str, **fields: Any) -> dict[str, Any]:
    return {"key": key, "action": "create", "module": module, "fields": OWNER | fields}


def revise(ws_id: str, key: str, **fields: Any) -> dict[str, Any]:
    module = {"6": "SalesOrder", "12": "Contacts"}[ws_id.partition("x")[0]]
    return {"key": key, "action": "revise", "module": module, "id": ws_id, "fields": fields}


def delete(ws_id: str, key: str) -> dict[str, Any]:
    module = {"6": "SalesOrder", "12": "Contacts"}[ws_id.partition("x")[0]]
    return {"key": key, "action": "delete", "module": module, "id": ws_id}


def ask(key: str) -> dict[str, Any]:
    return {"key": key, "action": "ask"}


def contacts(*names: str) -> list[dict[str, Any]]:
    return [create("Contacts", f"contact-{name}", lastname=name) for name in names]


async def save(service: WebService, *items: Any, seconds: str = "10") -> list[dict[str, Any]]:
    result = await service.post("woosync_save", records=json.dumps(items), seconds=seconds)
    assert result["version"] == "2.0.0"
    answers: list[dict[str, Any]] = result["records"]
    assert all(set(answer) == ANSWER for answer in answers)
    return answers


async def save_one(service: WebService, item: Any) -> dict[str, Any]:
    [answer] = await save(service, item)
    return answer


async def look(service: WebService, module: str, **params: str) -> Any:
    sent = dict.fromkeys(("ids", "since", "after", "limit"), "") | params
    return await service.post("woosync_read", module=module, **sent)


def statuses(answers: list[dict[str, Any]]) -> list[str]:
    return [answer["status"] for answer in answers]


def names(crm: Crm) -> list[str]:
    return [row["lastname"] for row in crm.records("Contacts")]


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    """A record without what the add-on is known to show otherwise than retrieve."""
    lines = [{**line, "parent_id": ""} for line in row.get("LineItems", ())]
    return {**row, "LineItems": lines, "LineItems_FinalDetails": {}}


@pytest.mark.usefixtures("addon")
@pytest.mark.parametrize("version", VERSIONS)
async def test_orders_are_created_and_revised_in_every_version(
    crm: Crm, seller: WebService, version: str
) -> None:
    crm.upgrade(version)
    sent = order(
        ITEM,
        OTHER,
        hdnTaxType="individual",
        hdnDiscountAmount="3",
        hdnS_H_Amount="1",
        conversion_rate="1.5",
    )
    made = await save_one(seller, create("SalesOrder", "order-created", **sent))
    assert (made["status"], made["code"], made["message"]) == ("saved", None, None)
    assert made["record"]["hdnGrandTotal"] == "27.00000000"
    assert comparable(made["record"]) == comparable(await read(seller, made["id"]))

    lines = {"LineItems": [{**ITEM, "quantity": "4"}], "hdnTaxType": "individual"}
    changed = await save_one(seller, revise(made["id"], "order-revised", **lines))
    assert (changed["status"], changed["id"]) == ("saved", made["id"])
    assert changed["record"]["hdnGrandTotal"] == "48.00000000"
    assert changed["record"]["hdnDiscountAmount"] in ("", None)
    assert changed["record"]["conversion_rate"] == "1.500"
    assert [line["parent_id"] for line in changed["record"]["LineItems"]] == [made["id"]]

    await save_one(seller, revise(made["id"], "header-revised", sostatus="Approved"))
    row = await read(seller, made["id"])
    assert (row["sostatus"], row["hdnGrandTotal"]) == ("Approved", "48.00000000")
    assert len(row["LineItems"]) == 1


@pytest.mark.usefixtures("addon")
async def test_a_key_writes_once(crm: Crm, service: WebService) -> None:
    [item] = contacts("A")
    first = await save_one(service, item)
    again = await save_one(service, item)
    asked = await save_one(service, ask("contact-A"))
    assert statuses([first, again, asked]) == ["saved", "known", "known"]
    assert first["id"] == again["id"] == asked["id"]
    assert first["record"] == again["record"] == asked["record"]
    assert first["record"] == await read(service, first["id"])
    assert names(crm) == ["A"]
    crm.ui_delete(first["id"])
    gone = await save_one(service, ask("contact-A"))
    assert (gone["status"], gone["id"], gone["record"]) == ("known", first["id"], None)
    assert (await save_one(service, ask("never-used")))["status"] == "unknown"


@pytest.mark.usefixtures("addon")
async def test_the_same_key_at_once_writes_once(crm: Crm, service: WebService) -> None:
    calls = [save_one(service, *contacts("A")) for _ in range(3)]
    answers = await asyncio.gather(*calls)
    assert sorted(statuses(answers)) == ["known", "known", "saved"]
    assert names(crm) == ["A"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_order_is_deleted_in_every_version_with_its_lines(
    crm: Crm, addon: Addon, seller: WebService, version: str
) -> None:
    crm.upgrade(version)
    individual = order(hdnTaxType="individual")
    made = await save_one(seller, create("SalesOrder", "order-created", **individual))
    gone = await save_one(seller, delete(made["id"], "order-deleted"))
    assert (gone["status"], gone["id"], gone["record"]) == ("saved", made["id"], None)
    assert (await save_one(seller, delete(made["id"], "order-deleted")))["status"] == "known"
    again = await save_one(seller, delete(made["id"], "order-deleted-2"))
    assert (again["status"], again["code"]) == ("refused", "ACCESS_DENIED")
    assert addon.rows[-1].event == "deleted"
    crm.ui_restore(made["id"])
    assert len((await read(seller, made["id"]))["LineItems"]) == 2


@pytest.mark.usefixtures("addon")
async def test_calls_of_one_session_do_not_wait_for_each_other(
    crm: Crm, service: WebService
) -> None:
    async with crm.sessions.open(service.session).lock, asyncio.timeout(5):
        [made] = await save(service, *contacts("A"))
        found = await look(service, "Contacts", ids=json.dumps([made["id"]]))
    assert [row["id"] for row in found["records"]] == [made["id"]]


@pytest.mark.usefixtures("addon")
async def test_a_refused_record_hurts_no_other(crm: Crm, service: WebService) -> None:
    company = create("Accounts", "account-one", accountname="Buyer")
    twin = create("Accounts", "account-two", accountname="Buyer")
    nameless = create("Contacts", "contact-one", firstname="N")
    gone = revise("12x999", "contact-two", lastname="G")
    answers = await save(service, company, twin, nameless, gone, *contacts("A"))
    assert statuses(answers) == ["saved", "refused", "refused", "refused", "saved"]
    assert [answer["code"] for answer in answers[1:4]] == [
        "0",
        "MANDATORY_FIELDS_MISSING",
        "ACCESS_DENIED",
    ]
    assert answers[1]["message"] == "Duplicate(s) detected!"
    assert (await save_one(service, ask("account-two")))["status"] == "unknown"
    assert (len(crm.records("Accounts")), names(crm)) == (1, ["A"])


@pytest.mark.usefixtures("addon")
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"LineItems": []}, "MANDATORY_FIELDS_MISSING"),
        ({"LineItems": [{**ITEM, "productid": "14x99"}]}, "RECORD_NOT_FOUND"),
        ({"LineItems": [{**ITEM, "productid": "11x2"}]}, "REFERENCE_INVALID"),
        ({"LineItems": [{**ITEM, "productid": "x"}]}, "INVALID_ID_ATTRIBUTE"),
        ({"LineItems": [{"productid": "14x3"}]}, "INVALID_RECORD"),
        ({"LineItems": [ITEM, {**ITEM, "listprice": ""}]}, "INVALID_RECORD"),
        ({"hdnDiscountAmount": ""}, "INVALID_RECORD"),
        ({"subject": ""}, "MANDATORY_FIELDS_MISSING"),
        ({"account_id": "12x2"}, "REFERENCE_INVALID"),
        ({"assigned_user_id": "19x99"}, "ACCESS_DENIED"),
    ],
)
async def test_a_refused_order_leaves_nothing(
    crm: Crm, seller: WebService, fields: dict[str, Any], code: str
) -> None:
    kept = await save_one(seller, create("SalesOrder", "order-kept", **order()))
    before = crm.record(kept["id"])
    bad = order() | fields
    answers = await save(
        seller,
        create("SalesOrder", "order-created", **bad),
        revise(kept["id"], "order-revised", **bad),
    )
    assert [(each["status"], each["code"]) for each in answers] == [("refused", code)] * 2
    assert crm.records("SalesOrder") == [before]
    assert len(await seller.query("SELECT id FROM LineItem;")) == 2


@pytest.mark.usefixtures("addon")
@pytest.mark.parametrize(
    "item",
    [
        7,
        {"key": "short", "action": "ask"},
        {"key": "long-enough", "action": "move"},
        {"key": "long-enough", "action": "delete", "module": "Contacts", "id": "12"},
        {"key": "long-enough", "action": "create", "module": "Leads", "fields": OWNER},
        {"key": "long-enough", "action": "create", "module": "Contacts", "fields": {}},
        {"key": "long-enough", "action": "revise", "module": "Contacts", "fields": OWNER},
    ],
)
async def test_a_malformed_record_is_refused_alone(service: WebService, item: Any) -> None:
    bad, good = await save(service, item, *contacts("A"))
    assert (bad["status"], bad["code"], good["status"]) == ("refused", "INVALID_RECORD", "saved")


@pytest.mark.usefixtures("addon")
@pytest.mark.parametrize(
    "records",
    [
        "",
        "{}",
        json.dumps([ask(f"key-{at:05}") for at in range(101)]),
        json.dumps([ask("twice-one")] * 2),
    ],
)
async def test_a_malformed_call_is_refused_whole(service: WebService, records: str) -> None:
    with pytest.raises(Refused) as refused:
        await service.post("woosync_save", records=records, seconds="")
    assert refused.value.code == "INVALID_RECORDS"


async def test_php_may_die_in_the_middle_of_a_call(
    crm: Crm, addon: Addon, service: WebService
) -> None:
    addon.fail_save(SaveMishap.DIES, at=2)
    sent = contacts("A", "B", "C", "D")
    with pytest.raises(Refused) as refused:
        await save(service, *sent)
    assert (refused.value.status, refused.value.text) == (500, "")
    assert names(crm) == ["A", "B"]
    assert statuses(await save(service, *sent)) == ["known", "known", "saved", "saved"]
    assert names(crm) == ["A", "B", "C", "D"]


async def test_the_time_may_be_up(crm: Crm, addon: Addon, service: WebService) -> None:
    addon.fail_save(SaveMishap.TIME_UP, at=1)
    sent = contacts("A", "B", "C")
    assert statuses(await save(service, *sent)) == ["saved", "not_reached", "not_reached"]
    assert names(crm) == ["A"]
    assert statuses(await save(service, *sent)) == ["known", "saved", "saved"]


@pytest.mark.parametrize(
    ("mishap", "code"),
    [(SaveMishap.FAILS, "INTERNAL_SERVER_ERROR"), (SaveMishap.LOCKED, "LOCK_TIMEOUT")],
)
async def test_a_record_may_fail_alone_and_come_later(
    crm: Crm, addon: Addon, service: WebService, mishap: SaveMishap, code: str
) -> None:
    addon.fail_save(mishap, text='"B"')
    sent = contacts("A", "B", "C")
    answers = await save(service, *sent)
    assert statuses(answers) == ["saved", "failed", "saved"]
    assert answers[1]["code"] == code
    assert names(crm) == ["A", "C"]
    assert statuses(await save(service, *sent)) == ["known", "saved", "known"]


async def test_what_is_written_is_told_of_as_any_save(addon: Addon, service: WebService) -> None:
    [made] = await save(service, *contacts("A"))
    await save(service, revise(made["id"], "contact-revised", lastname="B"))
    assert [(row.ws_id, row.event) for row in addon.rows] == [
        (made["id"], "created"),
        (made["id"], "updated"),
    ]


@pytest.mark.usefixtures("addon")
@pytest.mark.parametrize("version", VERSIONS)
async def test_records_are_read_as_retrieve_shows_them(
    crm: Crm, seller: WebService, version: str
) -> None:
    crm.upgrade(version)
    made = await save_one(seller, create("SalesOrder", "order-created", **order()))
    ids = {"SalesOrder": made["id"], "Accounts": "11x2", "Products": "14x3", "Services": "26x4"}
    for module, ws_id in ids.items():
        found = await look(seller, module, ids=json.dumps(["99x9", ws_id]))
        assert (found["missing"], found["more"], found["version"]) == (["99x9"], False, "2.0.0")
        [row] = found["records"]
        assert comparable(row) == comparable(await read(seller, ws_id))


@pytest.mark.usefixtures("addon")
async def test_the_product_of_a_line_is_known_after_its_deletion(seller: WebService) -> None:
    made = await save_one(seller, create("SalesOrder", "order-created", **order()))
    await seller.post("delete", id="14x3")
    [row] = (await look(seller, "SalesOrder", ids=json.dumps([made["id"]])))["records"]
    assert (row["LineItems"][0]["productid"], row["LineItems"][0]["deleted"]) == ("", "1")
    assert row["LineItems_FinalDetails"]["1"] == {"hdnProductId1": "3"}
    kept = {"LineItems": [ITEM], "hdnTaxType": "individual"}
    changed = await save_one(seller, revise(made["id"], "order-revised", **kept))
    assert changed["record"]["hdnGrandTotal"] == "20.00000000"  # its taxes do not count


@pytest.mark.usefixtures("addon")
async def test_what_changed_since_comes_in_pages(
    crm: Crm, service: WebService, clock: Clock
) -> None:
    made = await save(service, *contacts("A", "B", "C", "D"))
    ids = [answer["id"] for answer in made]
    clock.move(minutes=1)
    since = clock.now.strftime("%Y-%m-%d %H:%M:%S")
    for at in (3, 1, 0):
        await crm.ui_edit(ids[at], {"firstname": "Z"})
    crm.ui_delete(ids[0])
    first = await look(service, "Contacts", since=since, limit="1")
    assert ([row["id"] for row in first["records"]], first["more"]) == ([ids[1]], True)
    second = await look(service, "Contacts", since=since, after=ids[1], limit="1")
    assert ([row["id"] for row in second["records"]], second["more"]) == ([ids[3]], False)
    everything = await look(service, "Contacts")
    assert [row["id"] for row in everything["records"]] == ids[1:]


@pytest.mark.usefixtures("addon")
@pytest.mark.parametrize(
    "params",
    [{"module": "Leads"}, {"ids": "7"}, {"ids": "[7]"}, {"since": "yesterday"}, {"after": "12y"}],
)
async def test_a_malformed_read_is_refused(service: WebService, params: dict[str, str]) -> None:
    with pytest.raises(Refused, match="INVALID_PARAMETERS"):
        await look(service, **{"module": "Contacts"} | params)


async def test_only_administrators_may_write_and_read(clock: Clock) -> None:
    person, _ = default_users()
    plain = CrmUser("apiuser", "sandboxApiKey5dec", is_admin=False)
    crm = Crm(users=[person, plain], clock=clock)
    crm.install_addon()
    service = WebService(crm)
    await service.login()
    with pytest.raises(Refused, match="ACCESS_DENIED"):
        await save(service, *contacts("A"))
    with pytest.raises(Refused, match="ACCESS_DENIED"):
        await look(service, "Contacts")


@pytest.mark.usefixtures("addon")
async def test_what_it_can_do_is_told(crm: Crm, service: WebService) -> None:
    crm.upgrade("8.4.0")
    told = await service.get("woosync_changes", since="0", limit="1")
    assert (told["version"], told["abilities"]) == ("2.0.0", ["save", "read"])
    assert told["vtiger"] == "8.4.0"


async def test_an_older_add_on_tells_of_changes_alone(crm: Crm, service: WebService) -> None:
    crm.install_addon(version="1.1.0")
    told = await service.get("woosync_changes", since="0", limit="1")
    assert told["version"] == "1.1.0"
    assert not told.keys() & {"abilities", "vtiger"}
    for operation in ("woosync_save", "woosync_read"):
        with pytest.raises(Refused) as refused:
            await service.post(operation)
        assert (refused.value.status, refused.value.text) == (500, "")


@pytest.mark.usefixtures("addon")
async def test_cloud_has_no_add_on(crm: Crm) -> None:
    key = crm.users.get("apiuser").access_key
    transport = httpx.ASGITransport(app=create_cloud_app(crm))
    async with httpx.AsyncClient(transport=transport, auth=("apiuser", key)) as cloud:
        for operation in ("woosync_save", "woosync_read"):
            answer = await cloud.post(f"http://cloud{BASE}/{operation}", data={"records": "[]"})
            assert answer.status_code == 404

"""The add-on's pages in Vtiger: who sees which, what they ask the service, and what they show."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from app.vtiger.addon_package import addon_version
from tests.vtiger_addon.crm import Crm
from tests.vtiger_addon.receiver import Receiver

SECRET = "secret & of the tests"
NOWHERE = "http://127.0.0.1:9"
BADGE = "WooSync_Badge_View"
LOG = "WooSync_List_View"
SYNC_NOW = "WooSync_SyncNow_Action"
SELLER = {"DetailView": [5, 6, 7], "EditView": [5]}
FORM = {"method": "POST", "__vtrftk": "token"}
DENIED = "LBL_PERMISSION_DENIED"
IN_SYNC = {
    "store": "main",
    "state": "in_sync",
    "partner": {"id": "7", "url": "https://shop.example.com/wp-admin/user-edit.php?user_id=7"},
    "last": {"at": "2020-02-29T12:03:05Z", "reason": None, "message": "", "url": None},
}


@pytest.fixture
def told(crm: Crm, receiver: Receiver) -> Crm:
    """A CRM with some records, whose add-on asks the receiver."""
    crm.save("Save", url=receiver.url, secret=SECRET)
    crm.request(["store", 5, "Contacts"], ["store", 6, "SalesOrder"], ["store", 7, "Accounts"])
    crm.request(["store", 8, "Contacts", 1, 1])
    answer(receiver, records=[{"id": "12x5", "stores": [IN_SYNC]}])
    return crm


def answer(receiver: Receiver, **told: Any) -> None:
    receiver.status = 200
    receiver.body = json.dumps({"service": "woo-vtiger", **told}).encode()


def badge(crm: Crm, record: int | str = 5, user: Any = True) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(crm.page(BADGE, {"record": record}, user))
    return shown


def links(crm: Crm) -> list[dict[str, Any]]:
    return crm.sql("SELECT * FROM vtiger_links WHERE linklabel = 'WooSyncBadge'")


def places(crm: Crm) -> list[tuple[str, int, int]]:
    mine = "SELECT tabid FROM vtiger_tab WHERE name = 'WooSync'"
    rows = crm.sql(f"SELECT * FROM vtiger_app2tab WHERE tabid = ({mine})")  # noqa: S608
    return [(row["appname"], row["sequence"], row["visible"]) for row in rows]


def test_an_installation_enters_the_script_and_the_menu(crm: Crm) -> None:
    """The script for everybody, the menu for administrators."""
    [link] = links(crm)
    path, version = link["linkurl"].split("?v=")
    assert (link["tabid"], link["linktype"], version) == (0, "HEADERSCRIPT", addon_version())
    assert (crm.root / path).is_file()
    assert places(crm) == [("TOOLS", 4, 1)]
    permissions = crm.sql("SELECT permissions FROM vtiger_profile2tab ORDER BY tabid")
    assert [row["permissions"] for row in permissions] == [0, 1]


def test_an_update_enters_nothing_twice_and_keeps_the_place_in_the_menu(crm: Crm) -> None:
    crm.sql("UPDATE vtiger_app2tab SET appname = 'SALES', visible = 0 WHERE sequence = 4")
    crm.request(["import", "1.0.1"])
    assert len(links(crm)) == 1
    assert places(crm) == [("SALES", 4, 0)]


def test_an_update_of_a_version_without_pages_enters_them(crm: Crm) -> None:
    crm.sql("DELETE FROM vtiger_links WHERE linklabel = 'WooSyncBadge'")
    crm.sql("DELETE FROM vtiger_app2tab WHERE sequence = 4")
    crm.request(["import", "1.0.1"])
    assert (len(links(crm)), places(crm)) == (1, [("TOOLS", 4, 1)])


def test_switched_off_it_shows_and_asks_nothing(told: Crm, receiver: Receiver) -> None:
    told.request(["fire", "module.disabled"])
    assert links(told) == []
    assert told.page(BADGE, {"record": 5}) == ""
    assert "switched off" in json.loads(told.page(LOG, {}))["WOOSYNC_PROBLEM"]
    assert "switched off" in told.page(SYNC_NOW, {**FORM, "record": 5})
    assert (told.outbox(), receiver.received) == ([], [])
    told.request(["fire", "module.enabled"])
    assert len(links(told)) == 1


def test_the_badge_asks_for_its_record_with_the_secret(told: Crm, receiver: Receiver) -> None:
    shown = badge(told)
    [request] = receiver.received
    assert request.path == "/callbacks/vtiger/status"
    record = {"id": "12x5", "module": "Contacts"}
    assert json.loads(request.body) == {"asks": "status", "records": [record]}
    stamp = request.headers["x-woosync-timestamp"]
    digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256)
    assert request.headers["x-woosync-signature"] == f"sha256={digest.hexdigest()}"
    [line] = shown["WOOSYNC_LINES"]
    assert (line["mark"], line["partner"]) == ("In sync", "shop customer #7")
    assert line["when"] == "last 29.02.2020 14:03"


def test_a_record_that_nobody_knows_is_not_synced_yet(told: Crm, receiver: Receiver) -> None:
    answer(receiver, records=[{"id": "12x5", "stores": []}])
    [line] = badge(told)["WOOSYNC_LINES"]
    assert line["mark"] == "Not synced yet"


@pytest.mark.parametrize(
    ("record", "user"),
    [
        (5, {"DetailView": [6], "EditView": [5]}),
        (8, True),
        (99, True),
        (7, SELLER),
        ("5 or 1=1", {"DetailView": [], "EditView": []}),
        ("", True),
    ],
    ids=["hidden", "deleted", "unknown", "without a badge", "no number", "none"],
)
def test_the_badge_is_for_those_who_see_the_record(
    told: Crm, receiver: Receiver, record: int | str, user: Any
) -> None:
    assert told.page(BADGE, {"record": record}, user) == DENIED
    assert receiver.received == []


def test_who_may_edit_may_have_it_synced(told: Crm) -> None:
    assert badge(told, 5, SELLER)["WOOSYNC_MAY_SYNC"] is True
    assert badge(told, 6, SELLER)["WOOSYNC_MAY_SYNC"] is False


def test_sync_now_tells_the_service_at_once(told: Crm, receiver: Receiver) -> None:
    said = json.loads(told.page(SYNC_NOW, {**FORM, "record": 5}, SELLER))
    assert said == {"success": True, "result": {"message": "The service was told."}}
    [request] = receiver.received
    assert request.path == "/callbacks/vtiger"
    [change] = request.changes
    assert (change["id"], change["event"], change["user_id"]) == ("12x5", "updated", "19x5")
    assert [row["sent_at"] is None for row in told.outbox()] == [False]


def test_sync_now_needs_the_right_to_edit_a_post_and_the_token(
    told: Crm, receiver: Receiver
) -> None:
    assert told.request(
        ["page", SYNC_NOW, {**FORM, "record": 6}, SELLER],
        ["page", SYNC_NOW, {**FORM, "record": 7}, True],
        ["page", SYNC_NOW, {**FORM, "record": 5, "method": "GET"}, SELLER],
        ["page", SYNC_NOW, {**FORM, "record": 5, "__vtrftk": ""}, SELLER],
    ) == [DENIED, DENIED, "Invalid request", "Unsupported request"]
    assert (told.outbox(), receiver.received) == ([], [])


def test_what_sync_now_cannot_tell_is_told_later(told: Crm, receiver: Receiver) -> None:
    told.configure(url=NOWHERE)
    said = json.loads(told.page(SYNC_NOW, {**FORM, "record": 5}))
    assert "as soon as it can be" in said["error"]["message"]
    told.configure(url=f"{receiver.url}/callbacks/vtiger", down_until=0)
    told.request(["cron"])
    assert receiver.received[0].changes[0]["id"] == "12x5"


def test_the_log_is_for_administrators_and_leads_on(told: Crm, receiver: Receiver) -> None:
    assert told.page(LOG, {}, SELLER) == DENIED
    assert receiver.received == []
    pages = "https://sync.example.com"
    counts = {"created": {"count": 3, "url": f"{pages}/ui/records?outcome=created"}}
    recent = [{"at": "2020-02-29T12:03:05Z", "outcome": "failed", "label": "Ada", "url": pages}]
    answer(receiver, url=f"{pages}/", tables={"vtiger": {"contacts": counts}}, recent=recent)
    shown = json.loads(told.page(LOG, {}))
    [request] = receiver.received
    assert (request.path, json.loads(request.body)) == (
        "/callbacks/vtiger/summary",
        {"asks": "summary"},
    )
    assert shown["WOOSYNC_PROBLEM"] == ""
    assert shown["WOOSYNC_TABLES"]["Vtiger CRM"]["Contacts"][0] == counts["created"]
    [row] = shown["WOOSYNC_RECENT"]
    assert (row["outcome"], row["label"], row["when"]) == ("Failed", "Ada", "29.02.2020 14:03")


def test_a_service_that_is_away_is_told_and_not_waited_for_again(
    told: Crm, receiver: Receiver
) -> None:
    told.configure(url=NOWHERE)
    [line] = badge(told)["WOOSYNC_LINES"]
    assert line["mark"] == "Sync unknown"
    assert "gave no answer" in line["why"]
    [line] = badge(told, 5, SELLER)["WOOSYNC_LINES"]
    assert "127.0.0.1" not in line["why"]
    assert "gave no answer" in json.loads(told.page(LOG, {}))["WOOSYNC_PROBLEM"]
    told.configure(url=f"{receiver.url}/callbacks/vtiger")
    assert badge(told)["WOOSYNC_LINES"][0]["mark"] == "Sync unknown"
    assert receiver.received == []
    told.configure(pages_pause_until=1)
    assert badge(told)["WOOSYNC_LINES"][0]["mark"] == "In sync"


@pytest.mark.parametrize(
    ("status", "body", "told_so"),
    [
        (404, b'{"detail": "There is no module of this name."}', "older than this add-on"),
        (401, b'{"detail": "The signature is wrong."}', "The signature is wrong."),
        (200, b"<html>", "not woo-vtiger"),
    ],
)
def test_an_answer_that_is_none_is_told(
    told: Crm, receiver: Receiver, status: int, body: bytes, told_so: str
) -> None:
    receiver.status, receiver.body = status, body
    assert told_so in badge(told)["WOOSYNC_LINES"][0]["why"]
    assert told_so in json.loads(told.page(LOG, {}))["WOOSYNC_PROBLEM"]


def test_without_an_address_there_is_no_badge_and_the_log_says_what_to_do(crm: Crm) -> None:
    crm.request(["store", 5, "Contacts"])
    assert crm.page(BADGE, {"record": 5}) == ""
    assert "Enter the address" in json.loads(crm.page(LOG, {}))["WOOSYNC_PROBLEM"]
    said = json.loads(crm.page(SYNC_NOW, {**FORM, "record": 5}))
    assert "Enter the address" in said["error"]["message"]
    assert crm.outbox() == []

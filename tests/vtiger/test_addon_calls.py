"""The add-on's operation as the client calls it, what it makes of the answers, and its warnings."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.domain import Event, Rejected, RemoteUnavailable, ResponseUnreadable
from app.vtiger.addon import AddonFacts, OutboxChange
from app.vtiger.addon_package import addon_version
from app.vtiger.client import AddonReport, VtigerClient, check_addon, open_vtiger
from tests.scripted import Step
from tests.vtiger.crm import Crm, connect, refusal, result

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=5)
LONG_AGO = NOW - timedelta(hours=1)
URL = "https://sync.example.com"
ROW = {
    "seq": 3,
    "id": "12x2559",
    "module": "Contacts",
    "event": "deleted",
    "modifiedtime": "2026-11-25 02:00:00",
    "user_id": "19x5",
    "created_at": int(EARLIER.timestamp()),
}
RESULT: dict[str, Any] = {
    "changes": [ROW],
    "last": 3,
    "more": True,
    "oldest": 1,
    "newest": 9,
    "installation": "9f86d081884c7d65",
    "version": addon_version(),
    "modules": ["Contacts", "Accounts"],
    "now": int(NOW.timestamp()),
    "swept_to": "2026-11-25 02:55:00",
    "cron_at": int(EARLIER.timestamp()),
    "installed_at": int(EARLIER.timestamp()),
    "url": "https://sync.example.com/callbacks/vtiger",
    "has_secret": True,
    "waiting": 2,
    "last_error": "",
    "last_error_at": 0,
    "last_success_at": 0,
    "abilities": ["save", "read"],
}
FACTS = AddonFacts(
    version=addon_version(),
    installation="9f86d081884c7d65",
    modules=frozenset({"Contacts", "Accounts"}),
    oldest=1,
    newest=9,
    now=NOW,
    swept_to=EARLIER,
    cron_at=EARLIER,
    installed_at=EARLIER,
    url="https://sync.example.com/callbacks/vtiger",
    has_secret=True,
    waiting=2,
    last_error="",
    last_error_at=None,
    last_success_at=None,
    abilities=frozenset({"save", "read"}),
)


def open_crm(answer: Step) -> tuple[VtigerClient, Crm]:
    """A CRM of which the add-on answers so."""
    crm = Crm([answer], addon=None)
    return connect(crm), crm


async def test_changes_are_asked_for_after_a_sequence() -> None:
    client, crm = open_crm(result(RESULT))
    page = await client.find_changes(3, 50)
    [asked] = crm.calls
    assert (asked.method, asked.query["operation"]) == ("GET", "woosync_changes")
    assert (asked.query["since"], asked.query["limit"]) == ("3", "50")
    assert page is not None
    assert (page.facts, page.last, page.more) == (FACTS, 3, True)
    assert page.changes == (OutboxChange(3, "12x2559", "Contacts", Event.DELETED, EARLIER),)


async def test_an_operation_that_is_absent_is_an_answer_and_asked_for_once() -> None:
    """HTTP 500 with an empty body; tried again it would look like an outage."""
    client, crm = open_crm(httpx.Response(500))
    assert await client.find_changes(0) is None
    assert len(crm.calls) == 1


async def test_other_failures_stay_failures() -> None:
    page, _ = open_crm(httpx.Response(500, text="<html>"))
    with pytest.raises(RemoteUnavailable):
        await page.find_changes(0)
    refused, _ = open_crm(refusal("ACCESS_DENIED"))
    with pytest.raises(Rejected):
        await refused.find_changes(0)


@pytest.mark.parametrize(
    "broken",
    [
        [],
        RESULT | {"changes": None},
        RESULT | {"changes": [None]},
        RESULT | {"changes": [ROW | {"seq": "x"}]},
        RESULT | {"changes": [ROW | {"created_at": 10**30}]},
        RESULT | {"modules": 7},
        {name: value for name, value in RESULT.items() if name != "oldest"},
    ],
)
async def test_answers_of_another_shape_are_unreadable(broken: Any) -> None:
    client, _ = open_crm(result(broken))
    with pytest.raises(ResponseUnreadable):
        await client.find_changes(0)


async def test_an_event_or_a_number_that_is_not_known_is_no_failure() -> None:
    client, _ = open_crm(result(RESULT | {"changes": [ROW | {"event": "merged", "id": None}]}))
    page = await client.find_changes(0)
    assert page is not None
    assert [(each.record_id, each.event) for each in page.changes] == [("", Event.CHANGED)]


async def test_a_healthy_add_on_gives_no_warning() -> None:
    client, _ = open_crm(result(RESULT))
    report = await check_addon(client, URL)
    assert (report.facts, report.warnings) == (FACTS, ())


async def test_an_add_on_that_tells_neither_address_nor_age_is_read_all_the_same() -> None:
    """Version 1.0.0."""
    newer = ("installed_at", "url", "has_secret", "abilities")
    told = {name: value for name, value in RESULT.items() if name not in newer}
    client, _ = open_crm(result(told))
    report = await check_addon(client, URL)
    nothing = frozenset[str]()
    older = replace(FACTS, installed_at=None, url=None, has_secret=False, abilities=nothing)
    assert report.facts == older
    assert report.warnings == ()


async def test_an_absent_add_on_is_no_fault() -> None:
    client, _ = open_crm(httpx.Response(500))
    report = await check_addon(client)
    assert report == AddonReport(None)


async def test_a_user_who_is_no_admin_is_said() -> None:
    client, _ = open_crm(refusal("ACCESS_DENIED"))
    report = await check_addon(client)
    assert report.facts is None
    assert "administrator" in report.warnings[0].remedy


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (replace(FACTS, version="0.9.12"), "/vtiger-addon.zip"),
        (replace(FACTS, version="?"), "/vtiger-addon.zip"),
        (replace(FACTS, version="0.9.12", abilities=frozenset()), "one call each"),
        (replace(FACTS, cron_at=None, installed_at=None), "never ran"),
        (replace(FACTS, cron_at=None, installed_at=LONG_AGO), "never ran"),
        (replace(FACTS, cron_at=LONG_AGO, installed_at=None), "vtigercron.sh"),
        (replace(FACTS, cron_at=LONG_AGO, installed_at=LONG_AGO), "last ran 2026-11-25 02:00"),
        (replace(FACTS, url=""), f"Enter {URL}"),
        (replace(FACTS, has_secret=False), "has no secret"),
        (replace(FACTS, url="http://old.example.com/callbacks/vtiger"), f"PUBLIC_URL is {URL}"),
        (replace(FACTS, last_error="HTTP 401", last_error_at=EARLIER), "HTTP 401"),
        (replace(FACTS, last_error_at=NOW, last_success_at=EARLIER), "could not deliver"),
    ],
)
def test_what_a_person_should_mend_is_told(facts: AddonFacts, word: str) -> None:
    bundled = "0.10.0" if facts.version == "0.9.12" else addon_version()
    [warning] = facts.warnings(bundled, URL)
    assert word in warning.message + warning.remedy


def test_a_new_add_on_has_half_an_hour_until_its_cron_task_is_missed() -> None:
    assert replace(FACTS, cron_at=None).warnings(addon_version(), URL) == ()
    assert replace(FACTS, cron_at=LONG_AGO).warnings(addon_version(), URL) == ()


def test_without_a_public_url_there_is_no_other_address() -> None:
    assert FACTS.warnings(addon_version()) == ()


def test_an_error_that_was_overcome_and_a_newer_add_on_are_no_faults() -> None:
    overcome = replace(FACTS, last_error="HTTP 401", last_error_at=EARLIER, last_success_at=NOW)
    assert overcome.warnings(addon_version()) == ()
    assert replace(FACTS, version="99.0.0").warnings("1.0.0") == ()


async def test_cloud_has_no_add_on_and_is_not_asked() -> None:
    crm = Crm([])
    client = open_vtiger(
        "https://x.od1.vtiger.com",
        username="sync",
        access_key="key",
        api="rest",
        transport=crm,
        sleep=crm.sleep,
    )
    assert await client.find_changes(0) is None
    assert not await client.saves("Contacts")
    assert crm.asked == []

"""The status: queue, incidents, how far the polls are, and both systems asked on demand."""

import re

import httpx
import pytest

from app.db.session import transaction
from app.domain import System
from app.http.client import Verdict
from app.links.repository import save_watermark
from app.remotes.gate import (
    CallResult,
    RemoteLimits,
    lock,
    record_result,
    report_calls,
    save,
)
from app.remotes.incidents import Trouble, report, report_resolved
from app.remotes.models import IncidentKind
from app.runtime import Runtime
from app.sync.polling import EARLIEST, poll
from app.sync.webhook_watch import watch_webhooks
from app.woocommerce.webhook_delivery import TOPICS
from tests.api.rows import hint
from tests.setting import SERVICE, TOKEN
from tests.web.browsing import Browser
from tests.world import open_world

pytestmark = pytest.mark.anyio

DOWN = Trouble(IncidentKind.REMOTE_DOWN, System.VTIGER)


async def test_what_waits_is_told(admin: Browser, runtime: Runtime) -> None:
    assert "no waiting delivery" in await admin.text("/ui/status")
    await hint(runtime)
    page = await admin.text("/ui/status")
    assert '<a href="/ui/deliveries?state=pending">1</a>' in page
    assert "no waiting delivery" not in page


async def test_incidents_are_told_until_they_are_mended(admin: Browser, runtime: Runtime) -> None:
    assert "No current incidents." in await admin.text("/ui/status")
    await report(runtime.sessions, DOWN, "Connection refused.")
    broken = await admin.text("/ui/status")
    await report_resolved(runtime.sessions, DOWN, "It answers again.")
    mended = await admin.text("/ui/status")

    assert "Unreachable" in broken
    assert "Connection refused." in broken
    assert "No current incidents." not in broken
    assert "No current incidents." in mended
    assert "It answers again." in mended


async def test_what_each_system_was_asked_and_when_it_last_answered(
    admin: Browser, runtime: Runtime
) -> None:
    assert "Not called yet" in await admin.text("/ui/status")
    asked = CallResult(Verdict.ANSWERED), CallResult(Verdict.DOWN, seconds=3)
    async with transaction(runtime.sessions) as session:
        for key, call_result in zip(("vtiger", "woocommerce:main"), asked, strict=True):
            before, now = await lock(session, key)
            after = record_result(before, RemoteLimits(), call_result=call_result, now=now)
            await save(session, key, before=before, after=after)
        await report_calls(session, "vtiger", "of another process", calls=2, oldest_seconds=2)
    page = await admin.text("/ui/status")
    assert "Answers" in row(page, "Vtiger CRM")
    assert re.search(r"2 calls, the oldest for \d+ s", row(page, "Vtiger CRM"))
    assert "<time" in row(page, "Vtiger CRM")
    assert "No current incidents." in page
    assert "never" in row(page, "WooCommerce")


async def test_a_system_that_hangs_is_told_before_it_is_an_incident(
    admin: Browser, runtime: Runtime
) -> None:
    async with transaction(runtime.sessions) as session:
        await report_calls(session, "vtiger", "of another process", calls=1, oldest_seconds=12)
    page = await admin.text("/ui/status")
    assert re.search(r"Vtiger CRM has not answered a call for 1\d s", page)
    assert re.search(r"No answer for 1\d s", row(page, "Vtiger CRM"))
    assert "No current incidents." not in page


def row(page: str, system: str) -> str:
    table = page.partition('<h2 id="remotes">')[2].partition("</table>")[0]
    return next(each for each in table.split("<tr>")[2:] if system in each)


async def test_one_wrong_key_is_one_incident_with_what_to_do(database_url: str) -> None:
    body = b'{"code":"woocommerce_rest_authentication_error","message":"No.","data":{"status":401}}'
    async with (
        open_world(database_url, public_url=SERVICE) as world,
        httpx.AsyncClient(transport=world.doorway, base_url=SERVICE) as client,
    ):
        browser = Browser(client)
        await browser.sign_in(TOKEN)
        world.sandbox.shop_faults.fail(times=1000, status=401, body=body)
        await watch_webhooks(world.runtime)
        await poll(world.runtime)
        page, home = await browser.text("/ui/status"), await browser.text("/")

    assert page.count('<li class="bad">') == 1
    assert "Credentials refused" in page
    assert "<code>STORES__main__CONSUMER_KEY</code>" in page
    assert "<b>1</b> incident<" in home


async def test_incidents_of_one_kind_and_place_are_told_together(
    admin: Browser, runtime: Runtime
) -> None:
    for topic in TOPICS:
        trouble = Trouble(IncidentKind.WEBHOOK_BROKEN, System.WOOCOMMERCE, "main", topic)
        await report(runtime.sessions, trouble, f"Webhook {topic} is missing.")
    page = await admin.text("/ui/status")
    assert page.count('<li class="bad">') == 1
    assert all(f"Webhook {topic} is missing." in page for topic in TOPICS)
    assert page.count("What to do") == 1
    assert "<b>1</b> incident<" in await admin.text("/")


async def test_how_far_the_polls_are(admin: Browser, runtime: Runtime) -> None:
    async with transaction(runtime.sessions) as session:
        await save_watermark(session, "main:contacts:vtiger", EARLIEST)
        await save_watermark(session, "main:taxes:vtiger", EARLIEST.replace(year=2021))
    page = await admin.text("/ui/status")
    assert "no record yet" in page
    assert "not polled yet" in page
    assert "1 Jan 2021, 00:00:00" in page


async def test_systems_that_do_not_answer_are_told(admin: Browser) -> None:
    page = await admin.text("/ui/status?check=1")
    assert "Findings of the check" in page
    assert page.count(", failed</span>") >= 2


def findings(page: str) -> str:
    return page.partition("Findings of the check")[2].partition("</section>")[0]


async def test_what_the_check_finds_is_told_and_mended_by_admins(database_url: str) -> None:
    async with (
        open_world(database_url, public_url=SERVICE) as world,
        httpx.AsyncClient(transport=world.doorway, base_url=SERVICE) as client,
    ):
        browser, webhooks = Browser(client), world.sandbox.shop.webhooks
        await browser.sign_in(TOKEN)
        webhooks.remove(webhooks.all()[0])
        found = await browser.text("/ui/status?check=1")
        mended = await browser.post("/ui/status/mend", on="/ui/status?check=1")
        again = await browser.text("/ui/status?check=1")

    assert TOPICS[0] in findings(found)
    assert "Repair automatically" in found
    assert '<span class="pill created">repaired</span>' in mended.text
    assert TOPICS[0] not in findings(again)


async def test_readers_may_check_but_not_mend(reader: Browser) -> None:
    assert "Repair automatically" not in await reader.text("/ui/status?check=1")
    assert (await reader.post("/ui/status/mend", on="/")).status_code == 403

"""The status: queue, incidents, how far the polls are, and both systems asked on demand."""

import httpx
import pytest

from app.db.session import transaction
from app.errors import System
from app.incidents.models import IncidentKind
from app.incidents.report import report, report_mended
from app.incidents.repository import Trouble
from app.links.repository import save_watermark
from app.runtime import Runtime
from app.sync.polling import BEFORE_ALL
from app.woocommerce.topics import TOPICS
from tests.api.rows import hint
from tests.setting import SERVICE, TOKEN
from tests.web.browsing import Browser
from tests.world import open_world

pytestmark = pytest.mark.anyio

DOWN = Trouble(IncidentKind.REMOTE_DOWN, System.VTIGER)


async def test_what_waits_is_told(admin: Browser, runtime: Runtime) -> None:
    assert "nothing waits" in await admin.text("/ui/status")
    await hint(runtime)
    page = await admin.text("/ui/status")
    assert '<a href="/ui/deliveries?state=pending">1</a>' in page
    assert "nothing waits" not in page


async def test_incidents_are_told_until_they_are_mended(admin: Browser, runtime: Runtime) -> None:
    assert "Nothing is broken." in await admin.text("/ui/status")
    await report(runtime.sessions, DOWN, "Connection refused.")
    broken = await admin.text("/ui/status")
    await report_mended(runtime.sessions, DOWN, "It answers again.")
    mended = await admin.text("/ui/status")

    assert "Out of reach" in broken
    assert "Connection refused." in broken
    assert "Nothing is broken." not in broken
    assert "Nothing is broken." in mended
    assert "It answers again." in mended


async def test_how_far_the_polls_are(admin: Browser, runtime: Runtime) -> None:
    async with transaction(runtime.sessions) as session:
        await save_watermark(session, "main:contacts:vtiger", BEFORE_ALL)
        await save_watermark(session, "main:taxes:vtiger", BEFORE_ALL.replace(year=2021))
    page = await admin.text("/ui/status")
    assert "no record yet" in page
    assert "not looked at yet" in page
    assert "1 Jan 2021, 00:00:00" in page


async def test_systems_that_do_not_answer_are_told(admin: Browser) -> None:
    page = await admin.text("/ui/status?check=1")
    assert "What the check found" in page
    assert page.count(", failed</span>") >= 2


def findings(page: str) -> str:
    return page.partition("What the check found")[2].partition("</section>")[0]


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
    assert "Mend what is safe" in found
    assert '<span class="pill created">mended</span>' in mended.text
    assert TOPICS[0] not in findings(again)


async def test_readers_may_check_but_not_mend(reader: Browser) -> None:
    assert "Mend what is safe" not in await reader.text("/ui/status?check=1")
    assert (await reader.post("/ui/status/mend", on="/")).status_code == 403

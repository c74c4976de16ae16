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
    assert page.count(": not well") == 3
    assert "How they answered just now" in page


async def test_systems_are_asked_and_missing_webhooks_told(database_url: str) -> None:
    async with (
        open_world(database_url, public_url=SERVICE) as world,
        httpx.AsyncClient(transport=world.doorway, base_url=SERVICE) as client,
    ):
        browser, webhooks = Browser(client), world.sandbox.shop.webhooks
        await browser.sign_in(TOKEN)
        well = await browser.text("/ui/status?check=1")
        webhooks.remove(webhooks.all()[0])
        missing = await browser.text("/ui/status?check=1")

    assert ": not well" not in well
    assert missing.count(": not well") == 1
    assert f"{TOPICS[0]}: missing" in missing
    assert "woo-vtiger webhooks install" in missing

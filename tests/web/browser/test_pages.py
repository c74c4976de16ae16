"""Every page after the sandbox's day: its numbers, its accessibility, its width, its silence."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect
from pydantic import SecretStr

from app.cli.stage import HOST, STORE, Stage, open_stage
from app.records import Module, Outcome
from app.runs.models import RunState
from app.runs.repository import NewRun
from app.serving import listen
from app.settings import Settings
from app.sync.run import find_progress, start_run
from tests.api.test_conflicts import dispute
from tests.conftest import new_database
from tests.made import made_in_crm, made_in_shop
from tests.web.browser.chromium import Window, open_window

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("browser")]

TOKEN = "token-of-the-day"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PAGES = (
    "/",
    "/?period=day&unchanged=1",
    "/ui/records",
    "/ui/records?outcome=skipped&since=yesterday",
    "/ui/deliveries",
    "/ui/deliveries?origin=webhook",
    "/ui/deliveries/1",
    "/ui/conflicts",
    "/ui/runs",
    "/ui/mappings/main/contacts",
    "/ui/mappings/main/contacts/rows/new",
    "/ui/mappings/main/sales_orders/rows/status",
    "/ui/settings",
    "/ui/settings/main/sales_orders",
    "/ui/status?check=1",
    "/ui/nowhere",
)
NUMBER = re.compile(r"(\d+) (.+) (\w+) in (.+)")
TARGETS = {"WooCommerce": "woocommerce", "Vtiger CRM": "vtiger"}
EXPECTED = "Failed to load resource: the server responded with a status of"
"""What the console tells of the two pages that are meant to be refused."""


@pytest.fixture(scope="module")
def day_database_url(admin_url: str, template: str) -> Iterator[str]:
    with new_database(admin_url, template) as url:
        yield url


@pytest.fixture(scope="module")
async def stage(day_database_url: str) -> AsyncIterator[Stage]:
    """The day is over; a conflict waits, and a comparison was run."""
    base = Settings.model_construct(api_tokens=(SecretStr(TOKEN),))
    with closing(listen(HOST, 0)) as listener:
        async with open_stage(
            base, listener, address=day_database_url, sandbox_port=0, cron_seconds=0.05
        ) as opened:
            await opened.play_day(seconds=0, tell=lambda _: None)
            yield opened


@pytest.fixture
async def window(stage: Stage, browser: Browser) -> AsyncIterator[Window]:
    async with open_window(browser, stage.url, reduced_motion="reduce") as opened:
        await opened.sign_in(TOKEN)
        yield opened
        opened.complaints[:] = [each for each in opened.complaints if EXPECTED not in each]


async def _shown(page: Page) -> dict[str, dict[str, dict[str, int]]]:
    """The numbers of both tables, by what their links say."""
    found: dict[str, dict[str, dict[str, int]]] = {"woocommerce": {}, "vtiger": {}}
    cells = page.locator(".counts td a")
    labels = await cells.evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    for label in labels:
        told = NUMBER.fullmatch(label)
        assert told is not None, label
        number, name, outcome, title = told.groups()
        module = found[TARGETS[title]].setdefault(name.lower().replace(" ", "_"), {})
        module[outcome] = int(number)
    return found


async def test_the_screen_the_interface_and_both_systems_tell_the_same(
    stage: Stage, window: Window
) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        told = (await client.get(f"{stage.url}/sync-log/summary")).json()
    await window.open("/?unchanged=1")
    shown = await _shown(window.page)

    assert shown == told
    assert shown["woocommerce"]["sales_orders"]["created"] == 1
    assert shown["vtiger"]["sales_orders"]["created"] == 42
    for module, made in made_in_crm(stage.sandbox).items():
        assert shown["vtiger"][module][Outcome.CREATED] == made, module
    for module, made in made_in_shop(stage.sandbox).items():
        assert shown["woocommerce"][module][Outcome.CREATED] == made, module


async def test_a_number_leads_to_as_many_records(window: Window) -> None:
    page = window.page
    await page.get_by_role("link", name="42 Sales Orders created in Vtiger CRM").click()
    await expect(page.get_by_role("rowheader")).to_have_count(42)


async def _addresses(stage: Stage, page: Page) -> list[str]:
    """All pages, with an entry of each kind, a conflict that waits and a finished comparison."""
    await dispute(stage.runtime, "9999", store=STORE)
    asked = NewRun(STORE, (Module.TAXES,), dry_run=True, started_by="test")
    run = await start_run(stage.runtime, asked)
    await page.goto(f"{stage.url}/ui/runs/{run.id}")
    await expect(page.get_by_text("Done", exact=True)).to_be_visible()
    progress = await find_progress(stage.runtime, run.id)
    assert progress is not None
    assert progress.run.state == RunState.DONE
    entries = []
    for query in ("outcome=skipped", "outcome=updated&module=sales_orders&target=vtiger"):
        await page.goto(f"{stage.url}/ui/records?{query}")
        address = (
            await page.get_by_role("rowheader").get_by_role("link").first.get_attribute("href")
        )
        entries.append(address or "")
    return [*PAGES, *entries, f"/ui/runs/{run.id}", "/sign-in"]


@pytest.fixture(scope="module")
async def addresses(stage: Stage, browser: Browser) -> AsyncIterator[list[str]]:
    async with open_window(browser, stage.url) as opened:
        await opened.sign_in(TOKEN)
        yield await _addresses(stage, opened.page)


async def test_everybody_can_use_every_page_by_day_and_by_night(
    addresses: list[str], window: Window
) -> None:
    axe, options = Axe(), {"runOnly": LEVELS, "resultTypes": ["violations"]}
    broken = []
    for address in addresses:
        await window.open(address)
        for details in await window.page.locator("details:not(.menu) > summary").all():
            await details.click()
        for scheme in ("light", "dark"):
            await window.page.emulate_media(color_scheme=scheme)
            results = await axe.run(window.page, options=options)
            broken += [
                (address, scheme, each["id"], each["nodes"][0]["html"])
                for each in results.response["violations"]
            ]
    assert not broken, broken


async def test_no_page_is_wider_than_a_phone(
    stage: Stage, browser: Browser, addresses: list[str]
) -> None:
    phone = {"width": 375, "height": 812}
    async with open_window(browser, stage.url, viewport=phone, is_mobile=True) as opened:
        await opened.sign_in(TOKEN)
        wide = []
        for address in addresses:
            await opened.open(address)
            over = await opened.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            wide += [(address, over)] if over > 0 else []
        opened.complaints[:] = [each for each in opened.complaints if EXPECTED not in each]
    assert not wide


async def test_the_menu_of_a_phone_leads_everywhere(stage: Stage, browser: Browser) -> None:
    phone = {"width": 375, "height": 812}
    async with open_window(browser, stage.url, viewport=phone, is_mobile=True) as opened:
        await opened.sign_in(TOKEN)
        for name in ("Records", "Deliveries", "Conflicts", "Runs", "Settings", "Status"):
            await opened.page.get_by_text("Menu").click()
            await opened.page.get_by_role("link", name=name, exact=True).click()
            await expect(opened.page.get_by_role("heading", level=1)).to_have_text(name)

"""Every page with something on it: its accessibility by day and by night, its width, its menu."""

from dataclasses import replace

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from app.domain import DeliveryState, Module, Outcome, System
from app.remotes.incidents import Trouble, report
from app.remotes.models import IncidentKind
from tests.api.rows import ENTRY, log, settled_hint
from tests.api.test_conflicts import dispute
from tests.custom import add_fields, add_row
from tests.running import begin, run
from tests.setting import TOKEN
from tests.web.browser.chromium import open_window
from tests.web.browser.conftest import Site

pytestmark = pytest.mark.anyio

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE = {"width": 375, "height": 812}
PAGES = (
    "/",
    "/?period=day&unchanged=1",
    "/ui/records",
    "/ui/records?outcome=skipped&since=yesterday",
    "/ui/deliveries?state=dead",
    "/ui/conflicts",
    "/ui/runs",
    "/ui/runs?state=sideways",
    "/ui/mappings/main/contacts?system=vtiger&record_id=12x999",
    "/ui/mappings/main/contacts/rows/new",
    "/ui/mappings/main/sales_orders/rows/status",
    "/ui/statuses/main",
    "/ui/settings",
    "/ui/settings/main/sales_orders",
    "/ui/status?check=1",
    "/ui/nowhere",
    "/sign-in",
)
REFUSED = "Failed to load resource: the server responded with a status of"
"""What the console tells of the two pages that are meant to be refused."""


@pytest.fixture
async def addresses(site: Site) -> list[str]:
    """All pages, with something on each."""
    world = site.world
    add_fields(world)
    await add_row(world, "vat")
    await world.customer("zoe@shop.example", first_name="Zoë", last_name="Müller")
    await world.contact(lastname="Walter")
    await world.settle()
    compared = await run(world, Module.CONTACTS, dry_run=True)
    await begin(world, dry_run=True)
    everything = replace(
        ENTRY,
        outcome=Outcome.SKIPPED,
        reason="currency_unavailable",
        label="Ada Lovelace <ada-of-a-very-long-name-indeed@a-long-name-too.shop.example>",
        notes=[{"field": "city", "reason": "value_too_long", "message": "Cut.", "value": "x"}],
        conflicts=[{"field": "phone", "woocommerce": "1", "vtiger": None, "winner": "vtiger"}],
    )
    [entry] = await log(world.runtime, everything)
    delivery, settled = await settled_hint(world.runtime, "9999", state=DeliveryState.DEAD)
    await dispute(world.runtime, "9999")
    trouble = Trouble(IncidentKind.REMOTE_DOWN, System.VTIGER)
    await report(world.runtime.sessions, trouble, "Connection refused.")
    more = [f"/ui/records/{entry}", f"/ui/records/{settled}", f"/ui/deliveries/{delivery}"]
    return [*PAGES, *more, f"/ui/runs/{compared.run.id}"]


async def test_everybody_can_use_every_page_by_day_and_by_night(
    site: Site, browser: Browser, addresses: list[str]
) -> None:
    axe, options = Axe(), {"runOnly": LEVELS, "resultTypes": ["violations"]}
    broken = []
    async with open_window(browser, site.url, reduced_motion="reduce") as window:
        await window.sign_in(TOKEN)
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
        window.complaints[:] = [each for each in window.complaints if REFUSED not in each]
    assert not broken, broken


async def test_no_page_is_wider_than_a_phone(
    site: Site, browser: Browser, addresses: list[str]
) -> None:
    wide = []
    async with open_window(browser, site.url, viewport=PHONE, is_mobile=True) as window:
        await window.sign_in(TOKEN)
        for address in addresses:
            await window.open(address)
            over = await window.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            wide += [(address, over)] if over > 0 else []
        window.complaints[:] = [each for each in window.complaints if REFUSED not in each]
    assert not wide


async def test_no_column_of_the_tables_runs_into_the_next(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.url, viewport={"width": 1280, "height": 900}) as window:
        await window.sign_in(TOKEN)
        for address in ("/", "/?unchanged=1"):
            await window.open(address)
            over = await window.page.locator(".counts thead th").evaluate_all(
                "all => all.filter(each => each.scrollWidth > each.clientWidth).length"
            )
            assert over == 0, address


async def test_the_menu_of_a_phone_leads_everywhere(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.url, viewport=PHONE, is_mobile=True) as window:
        await window.sign_in(TOKEN)
        for name in ("Records", "Deliveries", "Conflicts", "Runs", "Settings", "Status"):
            await window.page.get_by_text("Menu").click()
            await window.page.get_by_role("link", name=name, exact=True).click()
            await expect(window.page.get_by_role("heading", level=1)).to_have_text(name)


async def test_the_page_of_the_api_works_under_its_policy(site: Site, browser: Browser) -> None:
    """A script, a style or an image that the browser refuses is told in its console."""
    async with open_window(browser, site.url) as window:
        await window.open("/docs")
        route = window.page.locator(".opblock", has_text="/sync-log/summary").first
        await route.locator(".opblock-summary-control").click()
        await expect(route.locator(".try-out__btn")).to_be_visible()
        await window.page.locator("button.authorize").first.click()
        await expect(window.page.locator(".modal-ux")).to_be_visible()
        assert not [told for told in window.complaints if "Content Security Policy" in told]
        window.complaints.clear()  # Swagger UI misses a part of its own for dates

"""What admins do all day, done in a real browser: find why, mend, replay, decide, watch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, expect

from app.modules.context import ensure_setup
from app.sync.runs.execution import execute_due
from tests.custom import add_fields
from tests.goods import currency, forget_books, product
from tests.setting import TOKEN
from tests.trade import order, sales
from tests.web.browser.chromium import Window, open_window
from tests.web.browser.conftest import Site

pytestmark = pytest.mark.anyio


async def test_the_link_that_make_run_prints_opens_the_door(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.url) as window:
        await window.open(f"/sign-in#{TOKEN}")
        await expect(window.page.get_by_role("heading", name="Sync Log")).to_be_visible()
        assert window.page.url == f"{site.url}/"


async def test_a_wrong_token_is_told_at_its_field(site: Site, browser: Browser) -> None:
    async with open_window(browser, site.url) as window:
        await window.open("/sign-in")
        await window.page.get_by_label("Token").fill("wv_wrong")
        await window.page.keyboard.press("Enter")
        field = window.page.get_by_label("Token")
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(window.page.get_by_role("alert")).to_have_text("Invalid or revoked token.")
        window.complaints.clear()  # that the answer was 422 is no news


async def test_why_an_order_was_skipped_is_found_mended_and_replayed(
    site: Site, admin: Window
) -> None:
    world, page = site.world, admin.page
    await ensure_setup(world.runtime)
    mug = product(world, name="Mug", sku="MUG")
    order(world, (mug, 1), currency="USD")
    await world.settle()

    await admin.open("/")
    await page.get_by_role("link", name="1 Sales Orders skipped in Vtiger CRM").click()
    await page.get_by_role("rowheader").get_by_role("link").click()
    await expect(page.get_by_text("Vtiger has no active currency USD")).to_be_visible()
    await expect(page.get_by_text("Add or activate the currency in Vtiger")).to_be_visible()

    currency(world, "USD")
    forget_books(world)
    await page.get_by_role("button", name="Replay").click()
    await expect(page.get_by_role("status")).to_contain_text("The record is replayed.")
    await world.settle()
    await page.get_by_role("link", name="Show the result").click()
    created = page.get_by_role("row").filter(has_text="Created").filter(has_text="Sales Orders")
    await expect(created).to_have_count(1)
    assert len(sales(world)) == 1


async def test_a_direction_is_changed_and_holds_from_then_on(site: Site, admin: Window) -> None:
    world, page = site.world, admin.page
    await page.get_by_role("link", name="Settings").first.click()
    await page.get_by_role("link", name="Contacts").click()
    await page.get_by_role("radio", name="WooCommerce → Vtiger CRM").check()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_contain_text("Saved.")
    await expect(page.get_by_text("by API_TOKENS")).to_be_visible()

    await world.contact(lastname="Typed in the CRM", email="crm@shop.example")
    await world.customer("zoe@shop.example", first_name="Zoë", last_name="M")
    await world.settle()
    await admin.open("/ui/records?reason=direction_off")
    await expect(page.get_by_role("link", name="Typed in the CRM")).to_be_visible()
    customers = [user.email for user in world.sandbox.shop.users]
    assert "crm@shop.example" not in customers
    assert "zoe@shop.example" in {row["email"] for row in world.contacts()}


async def test_a_conflict_is_decided(site: Site, admin: Window) -> None:
    world, page = site.world, admin.page
    await world.set_policy(conflict_policy="ask")
    customer = await world.customer("zoe@shop.example", last_name="M", billing={"city": "Paris"})
    await world.settle()
    [link] = await world.links()
    world.later()
    world.edit_customer(customer, billing={"city": "Lyon"})
    await world.edit_contact(link.vtiger_id, mailingcity="Marseille")
    await world.settle()

    await admin.open("/")
    await page.get_by_role("link", name="1 conflict to decide").click()
    await expect(page.get_by_text("Lyon")).to_be_visible()
    await expect(page.get_by_text("Marseille")).to_be_visible()
    await page.get_by_role("button", name="Keep Vtiger CRM").click()
    await expect(page.get_by_text("No open conflicts.")).to_be_visible()
    await world.settle()
    assert (await world.get_customer(customer))["billing"]["city"] == "Marseille"


async def test_a_custom_mapping_is_added_and_counts_with_the_next_webhook(
    site: Site, admin: Window
) -> None:
    world, page = site.world, admin.page
    add_fields(world)
    meta = [{"key": "vat_number", "value": "FR 12"}]
    customer = await world.customer("zoe@shop.example", last_name="M", meta_data=meta)
    await world.settle()

    await page.get_by_role("link", name="Field mapping").first.click()
    await page.get_by_role("link", name="+ Add custom mapping").click()
    await expect(page.get_by_label("Values in both systems")).to_be_hidden()
    await page.get_by_label("WooCommerce field", exact=True).fill("meta:vat_number")
    await page.get_by_label("Vtiger field", exact=True).select_option(
        label="VAT number (cf_869), string"
    )
    await page.get_by_label("Id of a record there").fill(customer)
    await page.get_by_role("button", name="Show what a sync would do").click()
    tried = page.get_by_role("row", name="Unnamed FR 12")
    await expect(tried).to_contain_text("write it to Vtiger")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_contain_text("It applies from the next hint on.")
    await expect(page.get_by_role("row", name="VAT number")).to_contain_text("Custom")

    world.later()
    world.edit_customer(customer, last_name="Müller")
    await world.settle()
    [contact] = world.contacts()
    assert contact["cf_869"] == "FR 12"
    await admin.open("/")
    await page.get_by_role("link", name="1 Contacts updated in Vtiger CRM").click()
    await page.get_by_role("link", name="Müller").click()
    await expect(page.get_by_role("row", name="Cf 869")).to_contain_text("FR 12")


async def register_unseen(site: Site, count: int) -> None:
    """People of whom no webhook tells."""
    webhooks = site.world.sandbox.shop.webhooks
    for webhook in webhooks.all():
        webhooks.remove(webhook)
    for number in range(count):
        await site.world.customer(f"c{number}@shop.example", first_name="C", last_name=str(number))


@asynccontextmanager
async def working(site: Site) -> AsyncIterator[None]:
    """Somebody carries out what is asked for, as a worker would."""

    async def work() -> None:
        while True:
            if await execute_due(site.world.runtime):
                await site.world.settle()
            await asyncio.sleep(0)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_run_is_watched_to_its_end(site: Site, admin: Window) -> None:
    page = admin.page
    await register_unseen(site, 3)
    await page.get_by_role("link", name="Runs").first.click()
    await page.get_by_role("checkbox", name="Contacts").check()
    await page.get_by_role("button", name="Start").click()
    await expect(page.get_by_role("heading", name="Sync of Contacts")).to_be_visible()
    await expect(page.get_by_text("Waiting", exact=True)).to_be_visible()
    async with working(site):
        await expect(page.get_by_text("Done", exact=True)).to_be_visible()
        await expect(page.get_by_role("link", name="3 created")).to_be_visible()
    await expect(page.get_by_role("progressbar")).to_have_attribute("value", "100")
    await expect(page.get_by_role("button", name="Cancel the run")).to_have_count(0)


async def test_a_comparison_is_read_and_repaired(site: Site, admin: Window) -> None:
    world, page = site.world, admin.page
    await register_unseen(site, 1)
    await admin.open("/ui/runs")
    await page.get_by_role("radio", name="Compare only").check()
    await page.get_by_role("checkbox", name="Contacts").check()
    await page.get_by_role("button", name="Start").click()
    async with working(site):
        await expect(page.locator(".pill", has_text="Would be created")).to_be_visible()
        assert world.contacts() == []
        await page.get_by_role("button", name="Repair what it found").click()
        await expect(page.get_by_role("heading", name="Repair of Contacts")).to_be_visible()
        await expect(page.get_by_text("1 contact will be created in Vtiger.")).to_be_visible()
        assert world.contacts() == []
        await page.get_by_role("button", name="Confirm").click()
        await expect(page.get_by_role("link", name="1 created")).to_be_visible()
    assert [row["email"] for row in world.contacts()] == ["c0@shop.example"]


async def test_numbers_change_before_the_readers_eyes(site: Site, admin: Window) -> None:
    world, page = site.world, admin.page
    await expect(page.get_by_role("button", name="Live")).to_be_visible()
    assert await page.get_by_role("link", name="0 Contacts created in Vtiger CRM").count() == 1
    await page.get_by_text("As a table").click()
    await world.customer("zoe@shop.example", first_name="Zoë", last_name="M")
    await world.settle()

    await expect(page.get_by_role("link", name="1 Contacts created in Vtiger CRM")).to_be_visible()
    await expect(page.get_by_role("link", name="Zoë M", exact=True)).to_be_visible()
    await expect(page.get_by_role("region", name="Outcomes over time")).to_be_visible()


async def test_what_is_live_stands_still_on_demand(admin: Window) -> None:
    page = admin.page
    await page.get_by_role("button", name="Live").click()
    await expect(page.get_by_role("button", name="Paused")).to_have_attribute(
        "aria-pressed", "false"
    )
    await page.reload()
    await expect(page.get_by_role("button", name="Paused")).to_be_visible()
    await page.get_by_role("button", name="Paused").click()
    await expect(page.get_by_role("button", name="Live")).to_be_visible()


async def test_all_of_it_works_without_javascript(site: Site, browser: Browser) -> None:
    world = site.world
    await world.contact(lastname="Walter")
    await world.settle()
    async with open_window(browser, site.url, java_script_enabled=False) as window:
        page = window.page
        await window.sign_in(TOKEN)
        await page.get_by_role("link", name="1 Contacts skipped in WooCommerce").click()
        await page.get_by_role("link", name="Walter").click()
        await page.get_by_role("button", name="Replay").click()
        await expect(page.get_by_role("status")).to_contain_text("The record is replayed.")
        await page.get_by_role("button", name="Sign out").first.click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert (await world.deliveries())[-1].origin == "replay"


async def test_the_keyboard_is_enough(site: Site, admin: Window) -> None:
    """Skip the navigation, then go on to what a number stands for."""
    page = admin.page
    await site.world.customer("zoe@shop.example", first_name="Zoë", last_name="M")
    await site.world.settle()
    await admin.open("/")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    wanted = page.get_by_role("link", name="1 Contacts created in Vtiger CRM")
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("each => each === document.activeElement"):
            break
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Records")).to_be_visible()
    await expect(page.get_by_role("link", name="Zoë M")).to_be_visible()


async def test_the_api_is_tried_out_without_any_other_server(site: Site, browser: Browser) -> None:
    asked: list[str] = []
    async with open_window(browser, site.url) as window:
        page = window.page
        page.on("request", lambda request: asked.append(request.url))
        await window.open("/docs")
        await page.get_by_role("button", name="Authorize").click()
        await page.get_by_label("Value").fill(TOKEN)
        await page.get_by_role("button", name="Apply credentials").click()
        await page.get_by_role("button", name="Close").click()
        await page.locator("[id$=get_summary]").get_by_role("button").first.click()
        await page.get_by_role("button", name="Try it out").click()
        await page.get_by_role("button", name="Execute").click()
        await expect(
            page.locator(".live-responses-table .response .response-col_status")
        ).to_contain_text("200")
        window.complaints[:] = [each for each in window.complaints if "component" not in each]
    assert f"{site.url}/sync-log/summary" in asked
    assert [address for address in asked if not address.startswith(f"{site.url}/")] == []

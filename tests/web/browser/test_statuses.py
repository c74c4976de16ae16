"""The status table in a browser: a row for a plug-in's status, its preview, confirmed and saved."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from app.modules.context import ensure_setup
from app.sync.mappings.statuses import read_status_table
from tests.goods import product
from tests.setting import STORE, TOKEN
from tests.trade import edit, kept, order, sale
from tests.web.browser.chromium import Window, open_window
from tests.web.browser.conftest import Site
from tests.web.browser.test_pages import LEVELS, PHONE, REFUSED

pytestmark = pytest.mark.anyio

PAGE = "/ui/statuses/main"


@pytest.fixture
async def shop(site: Site) -> Site:
    """A plug-in's status, two more values in the CRM, and an order that has each of them."""
    world = site.world
    world.sandbox.shop.trade.orders.statuses["packed"] = "Packed & ready"
    for value in ("Packed", "Shipped"):
        world.sandbox.crm.ui_add_choice("SalesOrder", "sostatus", value)
    await ensure_setup(world.runtime)
    mug = product(world, name="Mug", sku="MUG", regular_price="10.00")
    packed, shipped = (order(world, (mug, 1)) for _ in range(2))
    await world.settle()
    world.later()
    edit(world, packed, status="packed")
    await world.sandbox.crm.ui_edit(sale(world, shipped)["id"], {"sostatus": "Shipped"})
    await world.settle()
    return site


async def fill_row(window: Window, number: int, shop: str, vtiger: str, way: str) -> None:
    page = window.page
    await page.get_by_label(f"Status of the shop, row {number}", exact=True).fill(shop)
    await page.get_by_label(f"Status in Vtiger, row {number}", exact=True).select_option(vtiger)
    await page.get_by_label(f"Direction, row {number}", exact=True).select_option(label=way)


async def preview(window: Window) -> None:
    await window.open(PAGE)
    await fill_row(window, 8, "packed", "Packed", "Both ways")
    await fill_row(window, 9, "completed", "Shipped", "To the shop")
    await window.page.get_by_role("button", name="Preview the changes").click()
    await expect(window.page.get_by_role("heading", name="What this table would")).to_be_visible()


async def test_a_table_is_saved_once_its_numbers_are_confirmed(shop: Site, admin: Window) -> None:
    page, world = admin.page, shop.world
    await admin.open(PAGE)
    await expect(page.get_by_role("link", name="Packed & ready (1)")).to_be_visible()
    await preview(admin)
    await expect(page.get_by_text("The table changes 2 orders (2 open)")).to_be_visible()
    await page.get_by_role("button", name="Save the table").click()
    await expect(page.get_by_text("Tick the box to confirm")).to_be_visible()
    assert (await read_status_table(world.runtime, STORE)).version == 0

    await page.get_by_label("Change 2 orders and let WooCommerce send 1 e-mail").check()
    await page.get_by_role("button", name="Save the table").click()
    await expect(page.get_by_text("Saved. The table applies")).to_be_visible()
    await world.settle()
    statuses = {kept(world, str(each.id)).status for each in world.sandbox.shop.trade.orders}
    assert statuses == {"packed", "completed"}
    admin.complaints[:] = [each for each in admin.complaints if REFUSED not in each]


async def test_a_row_with_an_error_loses_nothing(shop: Site, admin: Window) -> None:
    del shop
    page = admin.page
    await admin.open(PAGE)
    await fill_row(admin, 8, "processing", "Shipped", "To Vtiger")
    await fill_row(admin, 9, "Packed & Ready", "Packed", "Both ways")
    await page.get_by_role("button", name="Preview the changes").click()
    await expect(page.get_by_text("Small letters, digits")).to_be_visible()
    await expect(page.get_by_label("Status of the shop, row 9", exact=True)).to_have_value(
        "Packed & Ready"
    )
    await page.get_by_label("Status of the shop, row 9", exact=True).fill("packed")
    await page.get_by_role("button", name="Preview the changes").click()
    await expect(page.get_by_text("processing leads to Approved in row 3")).to_be_visible()
    await expect(page.get_by_label("Status in Vtiger, row 9", exact=True)).to_have_value("Packed")
    admin.complaints[:] = [each for each in admin.complaints if REFUSED not in each]


async def test_the_preview_is_for_everybody_and_for_a_phone(shop: Site, browser: Browser) -> None:
    axe, options = Axe(), {"runOnly": LEVELS, "resultTypes": ["violations"]}
    still = {"reduced_motion": "reduce", "viewport": PHONE, "is_mobile": True}
    async with open_window(browser, shop.url, **still) as window:
        await window.sign_in(TOKEN)
        await preview(window)
        over = await window.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert over <= 0
        for scheme in ("light", "dark"):
            await window.page.emulate_media(color_scheme=scheme)
            results = await axe.run(window.page, options=options)
            assert not results.response["violations"], (scheme, results.response["violations"])

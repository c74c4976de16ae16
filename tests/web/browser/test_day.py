"""After the sandbox's day the screen, the interface and both systems tell the same numbers."""

import re
from contextlib import closing

import httpx
import pytest
from playwright.async_api import Browser, Page, expect
from pydantic import SecretStr

from app.cli.sandbox_day import HOST, Stage, open_stage
from app.config.settings import Settings
from app.domain import Outcome
from app.http.server import listen
from tests.made import made_in_crm, made_in_shop
from tests.web.browser.chromium import Window, open_window

pytestmark = pytest.mark.anyio

TOKEN = "token-of-the-day"
NUMBER = re.compile(r"(\d+) (.+) (\w+) in (.+)")
TARGETS = {"WooCommerce": "woocommerce", "Vtiger CRM": "vtiger"}


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


async def test_one_order_of_the_crm_and_42_of_the_shop_on_the_screen(
    database_url: str, browser: Browser
) -> None:
    base = Settings.model_construct(api_tokens=(SecretStr(TOKEN),))
    with closing(listen(HOST, 0)) as listener:
        async with open_stage(
            base, listener, address=database_url, sandbox_port=0, cron_seconds=0.05
        ) as stage:
            await stage.play_day(seconds=0, report=lambda _: None, patience=300)
            async with open_window(browser, stage.url) as window:
                await window.sign_in(TOKEN)
                await _compare(stage, window)


async def _compare(stage: Stage, window: Window) -> None:
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
    await window.page.get_by_role("link", name="42 Sales Orders created in Vtiger CRM").click()
    await expect(window.page.get_by_role("rowheader")).to_have_count(42)

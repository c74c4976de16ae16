"""A browser for all walks, and a world whose service is served over real HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, expect

from app.http.server import listen, serving
from app.main import create_app
from tests.setting import SERVICE, TOKEN
from tests.web.browser.chromium import PATIENCE_MS, Window, open_browser, open_window
from tests.world import World, open_world

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Site:
    """A world, and where its pages are."""

    world: World
    url: str


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    async with open_world(database_url, public_url=SERVICE) as world:
        app = create_app(world.runtime.settings, worker=False)
        async with serving(app, listen("127.0.0.1", 0)) as served:
            yield Site(world, served.url)


@pytest.fixture
async def admin(site: Site, browser: Browser) -> AsyncIterator[Window]:
    """Signed in, and to end without a complaint of the console."""
    async with open_window(browser, site.url) as window:
        await window.sign_in(TOKEN)
        yield window

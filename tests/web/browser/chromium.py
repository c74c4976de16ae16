"""A real browser: the machine's own Chromium, or the one that Playwright brought."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]
PATIENCE_MS = 30_000


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(slots=True)
class Window:
    """One person's window on the service; `complaints` are what its console told of errors."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self.url}{path}")

    async def sign_in(self, token: str) -> None:
        await self.open("/sign-in")
        await self.page.get_by_label("Token").fill(token)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.wait_for_url(f"{self.url}/")

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@asynccontextmanager
async def open_window(browser: Browser, url: str, **options: object) -> AsyncIterator[Window]:
    """Fails at the end if the console told of an error."""
    context: BrowserContext = await browser.new_context(**options)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    window = Window(await context.new_page(), url)
    window.page.on("console", lambda message: window.hear(message))
    window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
    try:
        yield window
    finally:
        await context.close()
    assert not window.complaints, window.complaints

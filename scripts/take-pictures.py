"""Takes the pictures of README anew, light and dark, of a service that runs on the sandbox.

.venv/bin/python scripts/take-pictures.py '<the address that `make run` prints behind Open>'
"""

import asyncio
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WHO = "Emily Carter"
"""She moves in the sandbox's day, which changes four fields of her record."""


async def take(door: str) -> None:
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            await _take(browser, door, scheme)
        await browser.close()


async def _take(browser: Browser, door: str, scheme: str) -> None:
    page = await browser.new_page(color_scheme=scheme, reduced_motion="reduce")
    await page.set_viewport_size({"width": 1280, "height": 480})  # to the end of the tables
    await page.goto(door)
    await page.wait_for_url("**/")
    await page.screenshot(path=PICTURES / f"sync-log-{scheme}.png")
    await page.goto(await _find_update(page, door))
    await page.set_viewport_size({"width": 1280, "height": 430})  # to the end of the fields
    await page.screenshot(path=PICTURES / f"record-{scheme}.png")
    await page.close()


async def _find_update(page: Page, door: str) -> str:
    """The address of her entry, which is there when the day has come to its end."""
    place = urlsplit(door)
    token = {"Authorization": f"Bearer {place.fragment}"}
    service = f"{place.scheme}://{place.netloc}"
    answer = await page.request.get(f"{service}/sync-log?outcome=updated&limit=200", headers=token)
    entries = (await answer.json())["items"]
    return next(f"{service}/ui/records/{each['id']}" for each in entries if WHO in each["label"])


if __name__ == "__main__":
    asyncio.run(take(sys.argv[1]))

"""An administrator saves Vtiger's add-on from the status page."""

import pytest

from app.vtiger.addon_package import build_package
from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio

ZIP = "/ui/vtiger-addon.zip"


async def test_an_admin_saves_the_add_on(admin: Browser) -> None:
    assert f'href="{ZIP}"' in await admin.text("/ui/status")
    answer = await admin.get(ZIP)
    assert answer.content == build_package().content
    assert build_package().name in answer.headers["content-disposition"]


async def test_a_reader_does_not(reader: Browser) -> None:
    assert ZIP not in await reader.text("/ui/status")
    assert (await reader.get(ZIP)).status_code == 403


async def test_a_stranger_is_asked_to_sign_in(stranger: Browser) -> None:
    answer = await stranger.get(ZIP)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={ZIP}")

"""The page of the API: made of files of the service itself, under the policy of all pages."""

import re

import pytest

from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio


async def test_the_page_of_the_api_needs_no_other_server(stranger: Browser) -> None:
    answer = await stranger.get("/docs")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "<style" not in answer.text
    assert not re.findall(r"<script>|<script(?! src=)", answer.text)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert any(address.startswith("/ui/swagger/swagger-ui-bundle.js?v=") for address in addresses)
    for address in addresses:
        assert re.match(r"/(?!/)", address), address
        assert (await stranger.get(address)).status_code in (200, 303), address


async def test_where_frameworks_describe_an_api_too_leads_to_the_page(stranger: Browser) -> None:
    answer = await stranger.get("/redoc")
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")

"""The pages of an application without a worker, seen by browsers that are signed in or not."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.domain import Scope
from app.runtime import Runtime
from tests.api.calls import ADMIN
from tests.api.conftest import BASE, app, runtime, service_database_url, settings
from tests.web.browsing import Browser, new_token

__all__ = ["app", "runtime", "service_database_url", "settings"]


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[Browser]:
    """Nobody has signed in."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield Browser(client)


@pytest.fixture
async def admin(app: FastAPI) -> AsyncIterator[Browser]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        browser = Browser(client)
        assert (await browser.sign_in(ADMIN)).status_code == 303
        yield browser


@pytest.fixture
async def reader(app: FastAPI, runtime: Runtime) -> AsyncIterator[Browser]:
    """Signed in with a token that may only look."""
    _, secret = await new_token(runtime, Scope.READ)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        browser = Browser(client)
        assert (await browser.sign_in(secret)).status_code == 303
        yield browser

"""The application on an empty database, without a worker: what comes in stays put."""

from collections.abc import AsyncIterator

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI

from app.config.settings import Settings
from app.main import create_app
from app.runtime import Runtime
from tests.api.calls import ADMIN, CALLBACK_SECRET, SECRET

BASE = "http://service.test"


@pytest.fixture
def service_database_url(emptied_database_url: str) -> str:
    """Modules whose tests harm the database itself give it one of the test's own."""
    return emptied_database_url


@pytest.fixture
def settings(service_database_url: str) -> Settings:
    shop = {
        "url": "http://127.0.0.1:9",
        "consumer_key": "ck_of_the_tests",
        "consumer_secret": "cs_of_the_tests",
        "webhook_secret": SECRET,
    }
    vtiger = {
        "url": "http://127.0.0.1:9",
        "username": "sync",
        "access_key": "key-of-the-tests",
        "callback_secret": CALLBACK_SECRET,
    }
    return Settings.model_validate(
        {
            "database_url": service_database_url,
            "auto_migrate": False,
            "api_tokens": [ADMIN],
            "stores": {"main": shop, "shop-fr": shop | {"webhook_secret_previous": "lastyear"}},
            "vtiger": vtiger,
            "receiver": {"max_body_bytes": 100_000, "max_hint_bytes": 300_000},
        }
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings, worker=False)
    async with LifespanManager(app):
        yield app


@pytest.fixture
def runtime(app: FastAPI) -> Runtime:
    runtime: Runtime = app.state.runtime
    return runtime


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Calls without a token."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Calls with an admin's token."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
        yield client

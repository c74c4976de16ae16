"""While the database stands still the service answers 503; what it took in is there once."""

from collections.abc import AsyncIterator

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from pydantic import SecretStr

from app.config.settings import Settings
from app.main import create_app
from app.runtime import Runtime
from tests.acceptance.process import wait_until
from tests.api.calls import CALLBACK_SECRET, problem, send_hook
from tests.api.rows import stored
from tests.standstill import Standstill, standing_between

pytestmark = pytest.mark.anyio


@pytest.fixture
async def between(database_url: str) -> AsyncIterator[Standstill]:
    async with standing_between(database_url) as between:
        yield between


@pytest.fixture
async def app(settings: Settings, between: Standstill) -> AsyncIterator[FastAPI]:
    through = settings.model_copy(update={"database_url": SecretStr(between.address)})
    app = create_app(through, worker=False)
    async with LifespanManager(app):
        app.state.runtime.pulse.patience_seconds = 0.3
        yield app


async def test_a_database_that_stands_still_is_answered_503(
    client: httpx.AsyncClient, runtime: Runtime, between: Standstill, database_url: str
) -> None:
    assert (await send_hook(client, {"id": 7})).status_code == 202
    between.begin()
    assert problem(await send_hook(client, {"id": 8})) == (503, "not_stored")
    callback = await client.post(
        "/callbacks/vtiger/contacts", json={"id": 5}, headers={"x-callback-token": CALLBACK_SECRET}
    )
    assert problem(callback) == (503, "not_stored")
    for path in ("/sync-log", "/deliveries", "/health/ready"):
        assert (await client.get(path)).status_code == 503
    between.end()

    async def is_taken() -> bool:
        """The shop tries again and again."""
        return (await send_hook(client, {"id": 8})).status_code in (200, 202)

    async def is_ready() -> bool:
        """What it tells may be a second old."""
        return (await client.get("/health/ready")).status_code == 200

    await wait_until(database_url, is_taken, "taken")
    await wait_until(database_url, is_ready, "ready")
    woo = [each.record_id for each in await stored(runtime) if each.system == "woocommerce"]
    assert sorted(woo) == ["7", "8"]

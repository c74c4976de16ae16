"""Every error is a problem with a stable code, bugs included, and tells no secret."""

from dataclasses import replace
from datetime import datetime

import httpx
import orjson
import pytest
from fastapi import FastAPI

from app.runtime import Runtime
from tests.api.calls import problem
from tests.api.test_addon import change, send

pytestmark = pytest.mark.anyio


async def test_an_unknown_route_is_a_problem(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/nowhere")) == (404, "not_found")


@pytest.fixture
def service_database_url(database_url: str) -> str:
    """Its own, for these tests harm it."""
    return database_url


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(
    client: httpx.AsyncClient,
) -> None:
    response = await client.delete("/settings/main/contacts")
    assert problem(response) == (405, "method_not_allowed")
    assert "GET" in response.headers["allow"]


async def test_a_body_that_is_not_json_is_a_problem(client: httpx.AsyncClient) -> None:
    response = await client.put(
        "/settings/main/contacts", content=b"{", headers={"content-type": "application/json"}
    )
    assert problem(response) == (422, "invalid_request")


async def test_parameters_of_routes_without_any_are_refused(client: httpx.AsyncClient) -> None:
    for path in ("/health/live", "/settings", "/sync-log/1", "/deliveries/1"):
        response = await client.get(f"{path}?verbose=1")
        assert problem(response) == (422, "invalid_request"), path
        assert response.json()["errors"][0]["field"] == "verbose"


async def test_a_bug_is_a_problem_without_its_details(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async def broken() -> None:
        raise RuntimeError("secret detail")

    app.add_api_route("/broken", broken)
    response = await client.get("/broken")
    assert problem(response) == (500, "internal_error")
    assert "secret detail" not in response.text


@pytest.mark.parametrize("harm", ["DROP TABLE conflicts", "ALTER TABLE links DROP vtiger_id"])
async def test_a_database_that_lacks_migrations_says_what_to_do(
    client: httpx.AsyncClient, runtime: Runtime, harm: str
) -> None:
    """AUTO_MIGRATE is off, and nobody has run the command."""
    async with runtime.engine.begin() as connection:
        await connection.exec_driver_sql(harm)
    response = await client.get("/conflicts" if "conflicts" in harm else "/links")
    assert problem(response) == (503, "database_outdated")
    assert "woo-vtiger migrate" in response.json()["detail"]


async def test_a_wrong_query_of_ours_is_a_bug_all_the_same(
    app: FastAPI, client: httpx.AsyncClient, runtime: Runtime
) -> None:
    async def broken() -> None:
        async with runtime.engine.begin() as connection:
            await connection.exec_driver_sql("SELECT 1 + 'secret detail'::date")

    app.add_api_route("/broken", broken)
    response = await client.get("/broken")
    assert problem(response) == (500, "internal_error")
    assert "secret detail" not in response.text


async def test_a_bug_of_a_receiver_is_a_problem_and_is_logged(
    app: FastAPI, stranger: httpx.AsyncClient, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> datetime:
        raise RuntimeError("secret detail")

    app.state.runtime = replace(runtime, clock=broken)
    response = await send(stranger, [change(1)])
    assert problem(response) == (500, "internal_error")
    assert "secret detail" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "Unhandled exception at /callbacks/vtiger" in caplog.text


async def test_a_receiver_without_its_tables_says_what_to_do(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    async with runtime.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE links DROP vtiger_id")
    body = orjson.dumps({"asks": "status", "records": [{"id": "12x1", "module": "Contacts"}]})
    response = await send(stranger, body, path="/callbacks/vtiger/status")
    assert problem(response) == (503, "database_outdated")

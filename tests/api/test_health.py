"""Health: alive whatever else is down; ready only if deliveries can be accepted and settled."""

import asyncio
import tomllib
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from psycopg import sql
from sqlalchemy import event, text

from app import __version__
from app.api.monitoring import Readiness
from app.config.settings import Settings
from app.db.session import open_engine, open_sessions
from app.main import create_app
from app.runtime import Runtime
from tests.api.calls import problem, send_hook
from tests.api.rows import hint, settled_hint

pytestmark = pytest.mark.anyio

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture
def service_database_url(database_url: str) -> str:
    """Its own, for these tests harm it."""
    return database_url


def test_the_version_is_the_packages_own() -> None:
    assert tomllib.loads(PROJECT.read_text())["project"]["version"] == __version__


async def test_liveness_needs_no_token(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/health/live")).json() == {
        "status": "ok",
        "version": __version__,
        "commit": None,
        "built_at": None,
    }


async def test_ready_tells_the_queue(stranger: httpx.AsyncClient, runtime: Runtime) -> None:
    await settled_hint(runtime, "1")
    await hint(runtime, "2")
    body = (await stranger.get("/health/ready")).json()
    assert body["checks"] == {"database": "ok", "migrations": "ok"}
    assert body["queue"] == {"pending": 1, "processing": 0, "dead": 0, "workers": 0}


async def test_not_ready_while_migrations_wait(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    async with runtime.engine.begin() as connection:
        await connection.execute(text("DELETE FROM alembic_version"))
    response = await stranger.get("/health/ready")
    assert problem(response) == (503, "not_ready")
    assert "woo-vtiger migrate" in response.json()["checks"]["migrations"]


def cut_off(admin_url: str, database: str) -> None:
    name = sql.Identifier(database)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
        )


async def test_without_the_database_it_lives_and_says_so(
    client: httpx.AsyncClient, runtime: Runtime, admin_url: str
) -> None:
    assert runtime.engine.url.database is not None
    cut_off(admin_url, runtime.engine.url.database)
    assert (await client.get("/health/live")).status_code == 200
    ready = await client.get("/health/ready")
    assert problem(ready) == (503, "not_ready")
    assert ready.json()["checks"]["database"].startswith("unreachable")
    assert problem(await client.get("/sync-log")) == (503, "database_unavailable")
    assert problem(await send_hook(client, {"id": 7})) == (503, "not_stored")


async def test_however_often_it_is_asked_it_looks_once_a_second(
    stranger: httpx.AsyncClient, app: FastAPI, runtime: Runtime
) -> None:
    now, statements = 0.0, []
    event.listen(
        runtime.engine.sync_engine,
        "before_cursor_execute",
        lambda *given: statements.append(given[2]),
    )
    app.state.readiness = Readiness(runtime, worker_inside=False, clock=lambda: now)
    await stranger.get("/health/ready")
    once = len(statements)

    now = 1.0
    await asyncio.gather(*(stranger.get("/health/ready") for _ in range(20)))
    assert len(statements) == 2 * once, "those who ask meanwhile wait for the same look"
    now = 1.9
    await stranger.get("/health/ready")
    assert len(statements) == 2 * once
    now = 2.0
    await hint(runtime, "7")
    statements.clear()
    assert (await stranger.get("/health/ready")).json()["queue"]["pending"] == 1
    assert len(statements) == once


async def test_a_failing_look_is_shared_and_remembered_too(
    stranger: httpx.AsyncClient, app: FastAPI, runtime: Runtime
) -> None:
    now, calls = 0.0, []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(writer)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        engine = open_engine(f"postgresql+psycopg://me@127.0.0.1:{port}/none")
        broken = replace(runtime, sessions=open_sessions(engine))
        app.state.readiness = Readiness(broken, worker_inside=False, clock=lambda: now)
        assert problem(await stranger.get("/health/ready")) == (503, "not_ready")
        once = len(calls)
        assert once > 0
        now = 1.0
        answers = await asyncio.gather(*(stranger.get("/health/ready") for _ in range(20)))
        answers.append(await stranger.get("/health/ready"))
    assert {answer.status_code for answer in answers} == {503}
    assert len(calls) == 2 * once


async def test_a_worker_inside_counts_among_the_checks(settings: Settings) -> None:
    app = create_app(settings)
    async with LifespanManager(app), asyncio.timeout(30):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service.test") as client:
            while (ready := await client.get("/health/ready")).status_code != 200:
                assert ready.json()["checks"]["worker"] == "gives no sign of life"
    assert ready.json()["checks"]["worker"] == "ok"
    assert ready.json()["queue"]["workers"] == 1

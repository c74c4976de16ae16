"""What every answer of the service tells browsers and caches, whoever made it."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from app.api.monitoring import worker_metrics
from app.config.settings import Settings
from app.http.server import FIELDS, HttpLimits, listen, serving
from app.main import create_app
from app.web.site import ASSETS
from tests.api.calls import ADMIN
from tests.api.conftest import BASE, app, runtime, service_database_url, settings
from tests.test_bounded_http import GET, QUICK

__all__ = ["app", "runtime", "service_database_url", "settings"]
pytestmark = pytest.mark.anyio

ALWAYS = set(FIELDS) - {"Cache-Control", "Content-Security-Policy", "Referrer-Policy"}
KEPT = "public, max-age=31536000, immutable"
CALLS = (
    *[("GET", path) for path in ("/", "/sign-in", "/docs", "/redoc", "/openapi.json", "/ui/x")],
    *[("GET", path) for path in ("/health/live", "/health/ready", "/metrics", "/vtiger-addon.zip")],
    *[("GET", path) for path in ("/sync-log", "/sync-log/", "/sync-log/1", "/sync-log?limit=x")],
    *[("GET", path) for path in ("/sync-log/export?format=csv", "/nowhere", "/ui/static/x.js")],
    *[("PUT", path) for path in ("/sync-log", "/ui/records", "/ui/static/x.js", "/sync-runs")],
    *[("POST", path) for path in ("/webhooks/woocommerce/main", "/callbacks/vtiger", "/sign-in")],
    *[("POST", path) for path in ("/callbacks/vtiger/contacts?id=7", "/sync-runs", "/bug")],
    *[("HEAD", "/sync-log"), ("OPTIONS", "/sync-log"), ("GET", "/bug")],
)


def policy_of(answer: httpx.Response) -> str:
    policy = answer.headers["content-security-policy"]
    sources = {word for part in policy.split(";") for word in part.split()[1:]}
    assert sources <= {"'none'", "'self'"}, policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    return str(policy)


async def test_every_answer_carries_them(app: FastAPI) -> None:
    @app.get("/bug", include_in_schema=False)
    async def fail() -> None:
        raise RuntimeError("a bug")

    seen = set()
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        for sent in ({}, headers):
            for method, path in CALLS:
                answer = await client.request(method, path, headers=sent)
                told = {name: answer.headers[name] for name in ALWAYS}
                assert told == {name: FIELDS[name] for name in ALWAYS}, (method, path)
                assert answer.headers["cache-control"] == "no-store", (method, path)
                assert "strict-transport-security" not in answer.headers
                is_page = answer.headers.get("content-type", "").startswith("text/html")
                assert ("script-src 'self'" in policy_of(answer)) is (
                    is_page or (answer.status_code in (303, 307) and path in ("/", "/redoc"))
                ), (method, path)
                seen.add(answer.status_code)
        large = await client.post("/sync-runs", headers=headers, content=b" " * 300_000)
        policy_of(large)
        seen.add(large.status_code)
    assert seen >= {200, 303, 307, 401, 404, 405, 413, 422, 500}


async def test_files_that_change_with_their_address_may_be_kept(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        for address in ASSETS.values():
            answer = await client.get(address)
            assert (answer.status_code, answer.headers["cache-control"]) == (200, KEPT)
            assert policy_of(answer) == FIELDS["Content-Security-Policy"]


async def test_behind_tls_browsers_are_told_to_stay_there(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://service.test") as client:
        for path in ("/sign-in", "/sync-log", "/nowhere"):
            told = (await client.get(path)).headers["strict-transport-security"]
            assert told == "max-age=31536000"


async def test_a_trusted_proxy_tells_of_tls(settings: Settings) -> None:
    told = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.7"}
    for trusted, is_told in ((("127.0.0.1/32",), True), ((), False)):
        app = create_app(settings.model_copy(update={"trusted_proxies": trusted}), worker=False)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            answer = await client.get("/nowhere", headers=told)
        assert ("strict-transport-security" in answer.headers) is is_told


async def test_answers_before_there_is_a_request_carry_them(settings: Settings) -> None:
    served = create_app(settings, worker=False)
    asked = (
        (HttpLimits(), GET + b"a: b\r\n" * 150 + b"\r\n", b" 431 "),
        (HttpLimits(), b"no request at all\r\n\r\n", b" 400 "),
        (QUICK, GET, b" 408 "),
    )
    for limits, sent, status in asked:
        async with serving(served, listen("127.0.0.1", 0), lifespan="off", limits=limits) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent)
            answer = await reader.read()
            writer.close()
        assert status in answer
        for name, value in FIELDS.items():
            assert f"{name.lower()}: {value}\r\n".encode() in answer.lower().replace(
                value.lower().encode(), value.encode()
            )


async def test_the_metrics_of_a_worker_alone_carry_them() -> None:
    transport = httpx.ASGITransport(worker_metrics())
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        for path, status in (("/metrics", 200), ("/", 404)):
            answer = await client.get(path)
            assert answer.status_code == status
            assert {name: answer.headers[name] for name in FIELDS} == FIELDS


async def test_the_description_of_the_api_may_be_switched_off(settings: Settings) -> None:
    hidden = create_app(settings.model_copy(update={"api_docs": False}), worker=False)
    paths = ("/docs", "/redoc", "/openapi.json", *ASSETS.values())
    async with hidden.router.lifespan_context(hidden):
        transport = httpx.ASGITransport(hidden, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            assert [(await client.get(path)).status_code for path in paths] == [404] * len(paths)
            assert "/docs" not in (await client.get("/sign-in")).text

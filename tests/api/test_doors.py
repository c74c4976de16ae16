"""All doors: wrong credentials are counted and slowed down, the right one is always taken."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from app.config.settings import Settings
from app.db.session import transaction
from app.domain import Scope
from app.http.attempts import MOST_FAILURES
from app.main import create_app
from app.observability import REGISTRY
from app.policies.access import create_token
from app.runtime import Runtime
from app.vtiger.callbacks import sign as sign_changes
from app.woocommerce.webhook_delivery import sign
from tests.api.calls import ADMIN, CALLBACK_SECRET, HOOKS, SECRET, hook_headers, problem
from tests.api.conftest import BASE

pytestmark = pytest.mark.anyio

Call = Callable[[httpx.AsyncClient, bool], Awaitable[httpx.Response]]


async def call_api(client: httpx.AsyncClient, is_right: bool) -> httpx.Response:
    token = ADMIN if is_right else "wv_" + "x" * 43
    return await client.get("/sync-log", headers={"authorization": f"Bearer {token}"})


async def send_webhook(client: httpx.AsyncClient, is_right: bool) -> httpx.Response:
    signature = sign(b'{"id":7}', SECRET if is_right else "another secret of a shop")
    headers = hook_headers(b'{"id":7}') | {"x-wc-webhook-signature": signature}
    return await client.post(HOOKS, content=b'{"id":7}', headers=headers)


async def call_back(client: httpx.AsyncClient, is_right: bool) -> httpx.Response:
    headers = {"x-callback-token": CALLBACK_SECRET if is_right else "a guess"}
    return await client.post("/callbacks/vtiger/contacts", data={"id": "12x34"}, headers=headers)


async def send_changes(client: httpx.AsyncClient, is_right: bool) -> httpx.Response:
    body, stamp = b'{"installation":"i","changes":[]}', str(int(time.time()))
    secret = CALLBACK_SECRET if is_right else "another secret"
    headers = {
        "X-WooSync-Timestamp": stamp,
        "X-WooSync-Signature": sign_changes(secret, stamp, body),
    }
    return await client.post("/callbacks/vtiger", content=body, headers=headers)


DOORS = {
    "api": call_api,
    "webhook": send_webhook,
    "callback": call_back,
    "addon": send_changes,
}


@asynccontextmanager
async def calling_from(app: FastAPI, address: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


def refused(door: str, why: str) -> float:
    labels = {"door": door, "why": why}
    return REGISTRY.get_sample_value("woo_vtiger_refused_total", labels) or 0.0


@pytest.mark.parametrize("door", DOORS)
async def test_wrong_ones_are_slowed_down_by_address_and_counted(app: FastAPI, door: str) -> None:
    call, before = DOORS[door], (refused(door, "wrong"), refused(door, "throttled"))
    async with calling_from(app, "203.0.113.7") as guesser, calling_from(app, "192.0.2.1") as other:
        for _ in range(MOST_FAILURES):
            assert (await call(guesser, False)).status_code == 401
        told = await call(guesser, False)
        first = await call(other, False)

    assert problem(told) == (429, "too_many_failures")
    assert 1 <= int(told.headers["retry-after"]) <= 300
    assert first.json()["detail"] in told.json()["detail"], "what is wrong is told all the same"
    assert first.status_code == 401
    after = (refused(door, "wrong"), refused(door, "throttled"))
    assert (after[0] - before[0], after[1] - before[1]) == (MOST_FAILURES + 1, 1)


@pytest.mark.parametrize("door", DOORS)
async def test_the_right_one_is_taken_after_any_number_of_wrong_ones(
    app: FastAPI, door: str
) -> None:
    async with calling_from(app, "203.0.113.7") as shared:
        for _ in range(MOST_FAILURES + 5):
            await DOORS[door](shared, False)
        assert (await DOORS[door](shared, True)).status_code in {200, 202}


async def test_who_sends_none_does_not_guess(app: FastAPI) -> None:
    before = (
        refused("api", "missing"),
        refused("callback", "missing"),
        refused("webhook", "missing"),
    )
    async with calling_from(app, "203.0.113.7") as stranger:
        for _ in range(MOST_FAILURES + 5):
            assert (await stranger.get("/metrics")).status_code == 401
            assert (await stranger.post("/sync-runs", json={})).status_code == 401
            assert (await stranger.post("/callbacks/vtiger/contacts")).status_code == 401
            assert (await stranger.post(HOOKS, content=b"{}")).status_code == 401
    after = refused("api", "missing"), refused("callback", "missing"), refused("webhook", "missing")
    number = MOST_FAILURES + 5
    assert [now - then for now, then in zip(after, before, strict=True)] == [
        2 * number, number, number,
    ]  # fmt: skip


async def test_a_token_that_cannot_be_one_costs_no_query(app: FastAPI, runtime: Runtime) -> None:
    statements: list[str] = []

    def note(*given: Any) -> None:
        statements.append(given[2])

    event.listen(runtime.engine.sync_engine, "before_cursor_execute", note)
    async with calling_from(app, "203.0.113.7") as guesser:
        for guess in ("x", "x" * 46, "wv_", "wv_" + "x" * 44, "wv_" + "é" * 43, ADMIN[:-1]):
            headers = {b"authorization": f"Bearer {guess}".encode("latin-1")}
            assert (await guesser.get("/sync-log", headers=headers)).status_code == 401
        assert statements == []
        assert (await call_api(guesser, False)).status_code == 401
        assert len(statements) == 1


async def test_an_expired_token_is_told_so_and_is_no_guess(app: FastAPI, runtime: Runtime) -> None:
    async with transaction(runtime.sessions) as session:
        _, secret = await create_token(session, "old", scope=Scope.READ, expires_at=runtime.clock())
    async with calling_from(app, "203.0.113.7") as holder:
        for _ in range(MOST_FAILURES + 1):
            answer = await holder.get("/sync-log", headers={"authorization": f"Bearer {secret}"})
    assert problem(answer) == (401, "token_expired")
    assert "woo-vtiger token create" in answer.json()["detail"]


async def test_behind_a_trusted_proxy_each_visitor_counts_alone(settings: Settings) -> None:
    """Behind one that is not trusted, they share their wrong tries, and no right one is refused."""
    for trusted, status in ((("127.0.0.1/32",), 401), ((), 429)):
        app = create_app(settings.model_copy(update={"trusted_proxies": trusted}), worker=False)
        async with app.router.lifespan_context(app), calling_from(app, "127.0.0.1") as proxy:
            for _ in range(MOST_FAILURES):
                proxy.headers["x-forwarded-for"] = "203.0.113.7"
                await call_api(proxy, False)
            proxy.headers["x-forwarded-for"] = "203.0.113.8"
            assert (await call_api(proxy, False)).status_code == status
            assert (await call_api(proxy, True)).status_code == 200

"""Whatever is sent to the receivers, none of it is an error of ours, and none keeps a genuine hint
of anybody else from being stored and taken up."""

import itertools
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from uuid import uuid4

import orjson
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as tries
from sqlalchemy import select
from starlette.types import Message

from app.config.settings import Settings
from app.domain import DeliveryState
from app.inbox.models import Wakeup
from app.main import create_app
from app.runtime import Runtime
from app.sync.pipeline import Dispatcher
from tests.api.calls import HOOKS, hook_headers
from tests.api.rows import stored
from tests.api.strange import Strange, requests

BATCH = 250
FIRST_CLIENT = int(IPv4Address("10.0.0.1"))
"""Each request comes from an address of its own, for guessing from one is soon slowed down."""
_clients = itertools.count()


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings, worker=False)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal("asyncio", {"use_uvloop": True}) as opened:
        yield opened


@pytest.fixture
def app(portal: BlockingPortal, settings: Settings) -> Iterator[FastAPI]:
    with portal.wrap_async_context_manager(_opened(settings)) as opened:
        yield opened


async def _send(app: FastAPI, request: Strange) -> int:
    """The status of the answer, by the way on which the server hands requests over."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "method": request.method,
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": "",
        "query_string": request.query,
        "headers": list(request.headers),
        "client": (str(IPv4Address(FIRST_CLIENT + next(_clients))), 4711),
        "server": ("192.0.2.2", 80),
    }
    status = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": request.body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status


async def _is_genuine_hint_taken_up(app: FastAPI) -> bool:
    """Whether a shop's own webhook is stored, and its record woken, after all that came before."""
    runtime: Runtime = app.state.runtime
    record_id = uuid4().int % 2**62
    body = orjson.dumps({"id": record_id})
    headers = [(name.encode(), value.encode()) for name, value in hook_headers(body).items()]
    status = await _send(app, Strange("POST", HOOKS, b"", tuple(headers), body))
    await Dispatcher(runtime).run_once()
    async with runtime.sessions() as session:
        key = f"main:contacts:woocommerce:{record_id}"
        woken = await session.scalar(select(Wakeup.woken_at).where(Wakeup.record_key == key))
    return status == 202 and woken is not None


async def _states(app: FastAPI) -> set[str]:
    return {delivery.state for delivery in await stored(app.state.runtime)}


@pytest.mark.parametrize(
    "examples",
    [pytest.param(500, id="few"), pytest.param(20_000, id="many", marks=pytest.mark.faults)],
)
def test_no_request_fails_or_holds_up_a_genuine_hint(
    app: FastAPI, portal: BlockingPortal, examples: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    statuses: dict[int, int] = {}

    @seed(13)
    @tries(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(request=requests(portal.call(_now, app)))
    def send(request: Strange) -> None:
        status = portal.call(_send, app, request)
        statuses[status] = statuses.get(status, 0) + 1
        assert 200 <= status < 500, request
        if sum(statuses.values()) % BATCH == 0:
            assert portal.call(_is_genuine_hint_taken_up, app)

    send()

    assert portal.call(_is_genuine_hint_taken_up, app)
    assert portal.call(_states, app) <= {DeliveryState.PENDING, DeliveryState.DONE}
    assert caplog.records == []
    assert {202, 400, 401, 404} <= statuses.keys()


async def _now(app: FastAPI) -> float:
    return float(app.state.runtime.clock().timestamp())

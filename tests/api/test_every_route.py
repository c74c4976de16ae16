"""Every route of the application, new ones included: who may call it, what body it takes, and that
no byte is read of strangers. Which routes are exceptions is said here, and nowhere else."""

import itertools
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from app.api.middleware import MAX_BODY_BYTES
from app.db.session import transaction
from app.domain import Scope
from app.policies.access import create_token, revoke_token
from app.runtime import Runtime
from tests.api.calls import ADMIN, CALLBACK_SECRET, FORM, problem
from tests.web.browsing import Browser

pytestmark = pytest.mark.anyio

OPEN = {"/openapi.json", "/docs", "/redoc", "/health/live", "/health/ready", "/sign-in"}
RECEIVERS = ("/webhooks/", "/callbacks/")
API_OF_ADMINS = {"/vtiger-addon.zip", "/mappings/{store}/{module}/fields"}
"""What only admins may read."""
PAGES_OF_ADMINS = {"/ui/vtiger-addon.zip", "/ui/mappings/{store}/{module}/rows/{row_id}"}
PLACES = {"store": "main", "module": "contacts", "way": "nowhere"}


@dataclass(frozen=True, slots=True)
class Door:
    """One method of one route; `path` with its names, `way` with something in their place."""

    method: str
    path: str

    @property
    def way(self) -> str:
        return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: PLACES.get(found[1], "1"), self.path)

    @property
    def changes(self) -> bool:
        return self.method != "GET"


def _routes(parts: Iterable[object]) -> Iterator[Route]:
    """An included router keeps its routes to itself."""
    for part in parts:
        inside = getattr(part, "original_router", None)
        if inside is not None:
            yield from _routes(inside.routes)
        elif isinstance(part, Route):
            yield part


def _doors(app: FastAPI) -> dict[str, list[Door]]:
    """All doors by their kind: `api`, `page`, `receiver` or `open`."""
    described = app.openapi()["paths"]
    found: dict[str, list[Door]] = {"api": [], "page": [], "receiver": [], "open": []}
    for route in _routes(app.routes):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            door = Door(method, route.path)
            if route.path in OPEN:
                found["open"].append(door)
            elif route.path.startswith(RECEIVERS):
                found["receiver"].append(door)
            else:
                found["api" if route.path in described else "page"].append(door)
    return found


@pytest.fixture
def doors(app: FastAPI) -> dict[str, list[Door]]:
    return _doors(app)


@pytest.fixture
async def reader(app: FastAPI, runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """Calls with a token that may only read."""
    async with transaction(runtime.sessions) as session:
        _, secret = await create_token(session, "reader", scope=Scope.READ)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://service.test", headers=headers
    ) as client:
        yield client


class _ManyAddresses(httpx.AsyncBaseTransport):
    """Each request comes from an address of its own, for guessing from one is soon slowed down."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._numbers = itertools.count(1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        high, low = divmod(next(self._numbers), 256)
        transport = httpx.ASGITransport(
            self._app, raise_app_exceptions=False, client=(f"198.18.{high}.{low}", 4711)
        )
        return await transport.handle_async_request(request)


@pytest.fixture
async def strangers(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Calls without a token, of many clients."""
    async with httpx.AsyncClient(
        transport=_ManyAddresses(app), base_url="http://service.test"
    ) as client:
        yield client


async def _signed_in(app: FastAPI, secret: str) -> Browser:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    browser = Browser(httpx.AsyncClient(transport=transport, base_url="http://service.test"))
    assert (await browser.sign_in(secret)).status_code == 303
    return browser


async def _unread() -> AsyncIterator[bytes]:
    """A body of which no byte should be asked for."""
    raise AssertionError("the body was read")
    yield b""


async def test_the_walk_knows_every_kind_of_route(doors: Mapping[str, list[Door]]) -> None:
    assert {door.path for door in doors["open"]} == OPEN
    assert len(doors["api"]) > 30
    assert len(doors["page"]) > 25
    assert len(doors["receiver"]) == 14


async def test_no_route_of_the_api_opens_or_reads_a_body_without_a_token_in_force(
    doors: Mapping[str, list[Door]], strangers: httpx.AsyncClient, runtime: Runtime
) -> None:
    async with transaction(runtime.sessions) as session:
        row, revoked = await create_token(session, "former", scope=Scope.ADMIN)
        await revoke_token(session, row.id)
    for door in doors["api"]:
        answer = await strangers.request(door.method, door.way, content=_unread())
        assert problem(answer) == (401, "unauthorized"), door
        for value in ("Bearer wrong", f"Basic {ADMIN}", f"Bearer {revoked}"):
            answer = await strangers.request(
                door.method, door.way, headers={"authorization": value}
            )
            assert problem(answer) == (401, "unauthorized"), (door, value)


async def test_a_token_that_may_read_reads_and_changes_nothing(
    doors: Mapping[str, list[Door]], reader: httpx.AsyncClient
) -> None:
    for door in doors["api"]:
        answer = await reader.request(door.method, door.way, json=None)
        if door.changes or door.path in API_OF_ADMINS:
            assert answer.status_code in {403, 422}, door
            if answer.status_code == 422:  # a body is asked for before the scope
                assert "body" in answer.json()["detail"], door
        else:
            assert answer.status_code not in {401, 403}, door
            assert answer.status_code < 500 or answer.status_code == 502, door


async def test_a_token_of_an_admin_opens_every_route_of_the_api(
    doors: Mapping[str, list[Door]], client: httpx.AsyncClient
) -> None:
    for door in doors["api"]:
        answer = await client.request(door.method, door.way, json=None)
        assert answer.status_code in {200, 202, 404, 409, 422, 502}, door


async def test_pages_lead_strangers_to_the_sign_in_and_read_nothing_of_theirs(
    doors: Mapping[str, list[Door]], strangers: httpx.AsyncClient
) -> None:
    for door in doors["page"]:
        if door.path == "/ui/{way:path}":
            continue
        headers = {"authorization": f"Bearer {ADMIN}"}  # the pages go by their cookie alone
        answer = await strangers.request(door.method, door.way, headers=headers, content=_unread())
        assert answer.status_code == 303, door
        assert answer.headers["location"].startswith("/sign-in"), door


async def test_a_visitor_who_may_look_posts_nothing(
    doors: Mapping[str, list[Door]], app: FastAPI, runtime: Runtime
) -> None:
    async with transaction(runtime.sessions) as session:
        _, secret = await create_token(session, "reader", scope=Scope.READ)
    browser = await _signed_in(app, secret)
    for door in doors["page"]:
        answer = await browser.client.request(door.method, door.way)
        if door.method != "GET" or door.path in PAGES_OF_ADMINS:
            assert answer.status_code == 403, door
        else:
            assert answer.status_code in {200, 303, 404, 409, 502}, door


async def test_a_form_without_the_sessions_word_changes_nothing(
    doors: Mapping[str, list[Door]], app: FastAPI
) -> None:
    """As another site would post it from an admin's browser."""
    browser = await _signed_in(app, ADMIN)
    for door in doors["page"]:
        if door.method != "GET":
            answer = await browser.client.request(door.method, door.way, data={"a": "b"})
            assert answer.status_code == 403, door
            assert "out of date" in answer.text, door


async def test_a_byte_more_than_a_route_takes_is_refused(
    doors: Mapping[str, list[Door]], app: FastAPI, client: httpx.AsyncClient
) -> None:
    browser = await _signed_in(app, ADMIN)
    body = b"x" * (MAX_BODY_BYTES + 1)
    for door in doors["api"]:
        answer = await client.request(door.method, door.way, content=body)
        assert problem(answer) == (413, "too_large"), door
    for door in doors["page"]:
        if door.method != "GET":
            answer = await browser.client.request(door.method, door.way, content=body, headers=FORM)
            assert answer.status_code == 413, door


async def test_receivers_believe_nobody_without_the_secret(
    doors: Mapping[str, list[Door]], strangers: httpx.AsyncClient
) -> None:
    for door in doors["receiver"]:
        answer = await strangers.request(door.method, door.way, content=b'{"id": 7}')
        assert problem(answer)[0] == 401, door
    for door in doors["receiver"]:
        if "{module}" in door.path:
            answer = await strangers.request(door.method, door.way, content=_unread())
            assert problem(answer)[0] in {401, 429}, door


async def test_receivers_take_no_more_than_their_limit(
    doors: Mapping[str, list[Door]], strangers: httpx.AsyncClient
) -> None:
    headers = {"x-callback-token": CALLBACK_SECRET, "x-wc-webhook-signature": "x"}
    signed = {"x-woosync-timestamp": "1", "x-woosync-signature": "x"}
    for door in doors["receiver"]:
        answer = await strangers.request(
            door.method, door.way, content=b"x" * 300_001, headers=headers | signed
        )
        assert problem(answer) == (413, "too_large"), door

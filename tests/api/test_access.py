"""Who may do what: tokens by scope, and nothing told to those without."""

import httpx
import pytest
from fastapi import FastAPI

from app.db.session import transaction
from app.domain import Scope
from app.policies.access import create_token, revoke_token
from app.runtime import Runtime
from tests.api.calls import ADMIN, problem

pytestmark = pytest.mark.anyio

OPEN = {"/health/live", "/health/ready"}


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


async def token(runtime: Runtime, scope: Scope) -> tuple[int, str]:
    async with transaction(runtime.sessions) as session:
        row, secret = await create_token(session, "dashboard", scope=scope)
    return row.id, secret


def guarded(app: FastAPI) -> list[tuple[str, str]]:
    """Every described route but the open ones and the receivers, with its method."""
    return [
        (method, path.replace("{module}", "contacts"))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if path not in OPEN and not path.startswith(("/webhooks", "/callbacks"))
    ]


async def test_nothing_is_told_without_a_token(app: FastAPI, stranger: httpx.AsyncClient) -> None:
    routes = guarded(app)
    assert len(routes) >= 10
    for method, path in routes:
        response = await stranger.request(method, path)
        assert problem(response) == (401, "unauthorized"), path
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        bearer(ADMIN + "x"),
        bearer(ADMIN.upper()),
        bearer(""),
        {"authorization": ADMIN},
        {"authorization": f"Basic {ADMIN}"},
        {"authorization": "Bearer caf\u00e9"},
    ],
)
async def test_a_wrong_token_opens_nothing(
    stranger: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    response = await stranger.get("/sync-log", headers=encoded)
    assert problem(response) == (401, "unauthorized")


CHANGES = (
    ("PUT", "/settings/main/contacts"),
    ("PATCH", "/settings/main/contacts"),
    ("POST", "/deliveries/1/replay"),
    ("POST", "/conflicts/1/resolve"),
    ("POST", "/settings/main/contacts/confirm-deletions"),
)
RECORDS_OF_BOTH_SYSTEMS = (
    ("GET", "/mappings/main/contacts/fields"),
    ("POST", "/mappings/main/contacts/preview"),
)


async def test_a_reader_reads_but_changes_nothing_and_reads_no_record_of_either_system(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    _, secret = await token(runtime, Scope.READ)
    headers = bearer(secret)
    assert (await stranger.get("/sync-log", headers=headers)).status_code == 200
    for method, path in CHANGES + RECORDS_OF_BOTH_SYSTEMS:
        response = await stranger.request(method, path, headers=headers, json={})
        assert problem(response) == (403, "forbidden")


async def test_an_admin_token_does_both_until_it_is_revoked(
    stranger: httpx.AsyncClient, runtime: Runtime
) -> None:
    token_id, secret = await token(runtime, Scope.ADMIN)
    path, headers = "/settings/main/contacts", bearer(secret)
    assert (await stranger.patch(path, headers=headers, json={})).status_code == 200
    async with transaction(runtime.sessions) as session:
        await revoke_token(session, token_id)
    assert problem(await stranger.get(path, headers=headers)) == (401, "unauthorized")

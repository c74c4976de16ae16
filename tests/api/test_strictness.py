"""Nothing that a request says is dropped without a word."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.api.calls import problem
from tests.api.test_access import OPEN, guarded

pytestmark = pytest.mark.anyio

ROW = {"system": "woocommerce", "record_id": "7", "row": {"id": "a"}, "rows": []}


async def test_every_route_refuses_a_parameter_that_it_does_not_know(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    routes = guarded(app) + [("GET", path) for path in OPEN]
    assert len(routes) > 30
    for method, path in routes:
        response = await client.request(method, path, params={"dry_run_": "true"}, json=None)
        assert problem(response) == (422, "invalid_request"), (method, path)
        assert "dry_run_" in response.json()["detail"], (method, path)


async def test_every_route_without_a_body_refuses_one(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    paths = app.openapi()["paths"]
    bare = [
        (method, path)
        for method, path in guarded(app)
        if "requestBody" not in paths[path.replace("contacts", "{module}")][method]
    ]
    assert ("post", "/deliveries/{delivery_id}/replay") in bare
    for method, path in bare:
        response = await client.request(method, path, json={"state": ["dead"]})
        assert problem(response) == (422, "invalid_request"), (method, path)
        assert "body" in response.json()["detail"], (method, path)


async def test_a_client_that_sends_an_empty_object_is_no_matter(client: httpx.AsyncClient) -> None:
    path = "/settings/main/contacts/confirm-deletions"
    assert (await client.post(path, json={})).status_code == 202


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/sync-runs", {"store": "main", "dryrun": True}, "dryrun"),
        ("/deliveries/replay", {"states": ["dead"]}, "states"),
        ("/conflicts/1/resolve", {"keep": "vtiger", "kept": 1}, "kept"),
        ("/mappings/main/contacts/preview", ROW, "body"),
        ("/mappings/main/contacts/preview", {**ROW, "rows": None, "rwo": {}}, "rwo"),
        ("/mappings/main/contacts", {"woo": ["a"], "vtgier": "b"}, "vtgier"),
        ("/sync-runs?dry_run=true", {"store": "main"}, "dry_run"),
    ],
)
async def test_what_a_request_says_and_nobody_reads_is_refused(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], field: str
) -> None:
    response = await client.post(path, json=body)
    assert problem(response) == (422, "invalid_request")
    assert field in [error["field"] for error in response.json()["errors"]]


async def test_a_key_or_parameter_that_is_given_twice_is_refused(
    client: httpx.AsyncClient,
) -> None:
    body = b'{"store": "main", "dry_run": true, "dry_run": false}'
    headers = {"content-type": "application/json"}
    answers = [
        await client.post("/sync-runs", content=body, headers=headers),
        await client.get("/sync-log?limit=1&limit=2"),
    ]
    fields = [answer.json()["errors"] for answer in answers]
    assert fields == [
        [{"field": "dry_run", "message": "is given twice"}],
        [{"field": "limit", "message": "is given twice"}],
    ]
    assert (await client.get("/sync-log?store=main&store=shop-fr")).status_code == 200


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"dry_run": True}, "dry_run"),
        ({"module": "contacts"}, "module"),
        ({"since": "2026-11-24T08:00:00Z"}, "since"),
    ],
)
async def test_a_repair_with_choices_of_its_own_is_refused(
    client: httpx.AsyncClient, more: dict[str, Any], field: str
) -> None:
    response = await client.post("/sync-runs", json={"repair_of": 1, **more})
    assert problem(response) == (422, "invalid_request")
    assert response.json()["errors"][0]["field"] == field
    assert (await client.get("/sync-runs")).json()["items"] == []

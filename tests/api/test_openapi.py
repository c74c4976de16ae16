"""The OpenAPI document covers every route, each with an example, and answers keep to it."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute, Route

from app import api as app_api

pytestmark = pytest.mark.anyio

OWN = {"/openapi.json"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def routes(app: FastAPI) -> Iterator[BaseRoute]:
    """The app's plain routes, and those of every router under app/api."""
    yield from app.routes
    for found in pkgutil.iter_modules(app_api.__path__):
        module = importlib.import_module(f"{app_api.__name__}.{found.name}")
        for router in vars(module).values():
            yield from router.routes if isinstance(router, APIRouter) else ()


async def test_every_route_is_described(app: FastAPI, stranger: httpx.AsyncClient) -> None:
    described = {name for name, _ in operations((await stranger.get("/openapi.json")).json())}
    served = {
        f"{method} {route.path}"
        for route in routes(app)
        if isinstance(route, Route) and route.path not in OWN and route.include_in_schema
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == described


async def test_every_success_has_an_example(app: FastAPI) -> None:
    for name, operation in operations(app.openapi()):
        answers = [operation["responses"][code] for code in operation["responses"] if code < "300"]
        bodies = [body for answer in answers for body in answer["content"].values()]
        assert any("example" in body or "examples" in body for body in bodies), name


async def test_every_error_is_described_as_a_problem(app: FastAPI) -> None:
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    for name, operation in operations(app.openapi()):
        for code, answer in operation["responses"].items():
            if code >= "400":
                content = answer["content"]
                assert content == {"application/problem+json": {"schema": schema}}, (name, code)


async def test_every_route_says_which_token_it_needs(app: FastAPI) -> None:
    said = {
        name: operation["description"].rpartition("\n\n")[2]
        for name, operation in operations(app.openapi())
        if "Receivers" not in operation["tags"]
    }
    admin, read = (f"Needs a token of scope `{scope}`." for scope in ("admin", "read"))
    assert set(said.values()) == {admin, read, "Needs no token."}
    assert {name for name, told in said.items() if told == "Needs no token."} == {
        "GET /health/live", "GET /health/ready",
    }  # fmt: skip
    assert said["GET /sync-log/{entry_id}"] == read
    assert said["POST /mappings/{store}/{module}/preview"] == admin
    assert said["GET /mappings/{store}/{module}/fields"] == admin


async def test_where_a_credential_may_be_refused_guessing_is_slowed_down(app: FastAPI) -> None:
    for name, operation in operations(app.openapi()):
        assert ("401" in operation["responses"]) is ("429" in operation["responses"]), name


async def test_operations_have_names_of_their_own(app: FastAPI) -> None:
    names = [operation["operationId"] for _, operation in operations(app.openapi())]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() for name in names)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
        node = list(node.values())
    if isinstance(node, list):
        for part in node:
            yield from references(part)


async def test_every_reference_leads_somewhere(app: FastAPI) -> None:
    document = app.openapi()
    for reference in set(references(document)):
        part: Any = document
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]
        assert part


async def test_examples_have_the_parts_of_real_answers(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    for path in ("/settings/main/contacts", "/health/live", "/sync-log/summary"):
        documented = app.openapi()["paths"][path.replace("main/contacts", "{store}/{module}")]
        example = documented["get"]["responses"]["200"]["content"]["application/json"]["example"]
        assert (await client.get(path)).json().keys() == example.keys(), path

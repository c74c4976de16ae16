"""Every parameter of every route and page, with values that a database, a calendar, an encoding or
a stack cannot hold: whoever may ask is told what is wrong, and nothing fails inside."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.db.pagination import Cursor
from app.main import create_app
from app.web import site
from tests.setting import SERVICE, TOKEN
from tests.web.browsing import TOKEN as FORM_TOKEN
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

TEXTS = (
    str(2**63),
    "9" * 400,
    "\u0661\u00b2",
    "\x00",
    "x" * 1500,
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "\u202e\x1b[31m/..\\?#[",
)
VALUES: Sequence[object] = (
    *TEXTS[3:7],
    "\ud800",
    2**63,
    -(2**70),
    1e308,
    {"\ud800": "\x00"},
    [[["\ud800"]]],
    ["x"] * 2000,
    ["contacts", "\x00"],
)
BODIES = (
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b'{"\\ud800": 1, "\\ud800": 2}',
    b'{"\\u0000": 1, "\\u0000": 2}',
    b'"\xff\xfe"',
    b'{"store": ' + b"9" * 5000 + b"}",
    b'{"repair_of": NaN, "since": 1e400}',
    b"null",
    b"[]",
)
CURSORS = (
    "A" * 28,
    "\u00e9" * 4,
    "====",
    *(
        Cursor(moment, number).encode()
        for moment in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
        for number in (-(2**63), 2**63 - 1)
    ),
)
"""Of anybody's making: two are what the service itself would make of rows that cannot be."""
NEEDED = {"keep": "vtiger", "system": "woocommerce", "record_id": "7", "woo": ["meta:vat"]}
"""Without these a body is refused before its other fields matter."""
PLACES = {"store": "main", "module": "contacts", "way": "x"}
QUERY = (
    *("q", "outcome", "module", "state", "since", "until", "link_id", "run_id", "store", "plan"),
    *("cursor", "record_id", "system", "replayed", "saved", "confirmed", "decided", "period"),
    *("next", "origin", "source_id", "target_id", "delivery_id", "reason", "unchanged"),
)
FORM = (
    *("filters", "keep", "seen_at", "store", "module", "direction", "since", "repair_of", "id"),
    *("version", "wanted", "woo", "vtiger", "transform", "write", "given", "size", "pairs"),
    *("value", "notation", "separator", "comment", "record_id", "system", "order_account"),
    *("roles", "tax_country", "product_categories", "order_statuses", "conflict_policy"),
)


@asynccontextmanager
async def service(database_url: str) -> AsyncIterator[tuple[World, httpx.AsyncClient]]:
    """A small world, and a client with an admin's token."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        open_world(database_url, public_url=SERVICE) as world,
        httpx.AsyncClient(
            transport=world.doorway, base_url=SERVICE, headers=headers, timeout=60
        ) as client,
    ):
        yield world, client


def described(app: FastAPI) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and description of every route of the API but the receivers."""
    for path, methods in app.openapi()["paths"].items():
        if not path.startswith(("/webhooks", "/callbacks")):
            for method, operation in methods.items():
                yield method, path, operation


def fields_of(app: FastAPI, operation: Mapping[str, Any]) -> list[str]:
    """The names of a body's fields."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    for each in [schema, *schema.get("anyOf", [])]:
        if "$ref" in each:
            found = app.openapi()["components"]["schemas"][each["$ref"].rpartition("/")[2]]
            return list(found["properties"])
    return []


def filled(path: str, chosen: Mapping[str, str] | None = None) -> str:
    """The path with a value in each place: those of `chosen`, else such as exist."""
    values = {name: quoted(text) for name, text in (chosen or {}).items()}
    known = PLACES | values
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda place: known.get(place[1], "1"), path)


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def check(answer: httpx.Response, *asked: object) -> None:
    """Nothing failed inside; that a system was asked and refused is no failure of ours."""
    assert answer.status_code < 500 or answer.status_code == 502, (asked, answer.text[:300])


async def test_no_value_in_an_address_of_the_api_fails_inside(database_url: str) -> None:
    tried = 0
    async with service(database_url) as (world, client):
        app = create_app(world.runtime.settings, worker=False)
        for method, path, operation in described(app):
            for parameter in operation.get("parameters", []):
                name, is_path = parameter["name"], parameter["in"] == "path"
                for text in (*TEXTS, *(CURSORS if name == "cursor" else ())):
                    address = filled(path, {name: text} if is_path else None)
                    query = {} if is_path else {name: text}
                    check(await client.request(method, address, params=query), method, path, name)
                    tried += 1
    assert tried > 600


async def test_no_value_in_a_body_of_the_api_fails_inside(database_url: str) -> None:
    json = {"content-type": "application/json"}
    values = [orjson_like(value) for value in VALUES]
    tried = 0
    async with service(database_url) as (world, client):
        app = create_app(world.runtime.settings, worker=False)
        for method, path, operation in described(app):
            address, fields = filled(path), fields_of(app, operation)
            bodies = [*BODIES] if fields else []
            for name in fields:
                rest = {other: value for other, value in NEEDED.items() if other in fields}
                rest.pop(name, None)
                begun = orjson.dumps(rest)[:-1] + (b"," if rest else b"")
                bodies += [begun + b'"%s":' % name.encode() + value + b"}" for value in values]
            for body in bodies:
                answer = await client.request(method, address, content=body, headers=json)
                check(answer, method, path, body[:80])
                tried += 1
    assert tried > 400


async def test_of_many_wrong_values_the_first_is_told(database_url: str) -> None:
    """To tell all of them took seconds, in which nobody else was answered."""
    async with service(database_url) as (_, client):
        for path, name in (("/sync-runs", "module"), ("/mappings/main/contacts", "pairs")):
            answer = await client.post(path, json={name: ["x"] * 30_000})
            assert answer.status_code == 422, path
            assert len(answer.json()["errors"]) < 3, path


def orjson_like(value: object) -> bytes:
    """JSON with what strict writers refuse: halves of surrogate pairs, numbers of any size."""
    if isinstance(value, dict):
        parts = (orjson_like(key) + b":" + orjson_like(item) for key, item in value.items())
        return b"{" + b",".join(parts) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(orjson_like, value)) + b"]"
    if isinstance(value, str) and not value.isprintable():
        return b'"' + b"".join(b"\\u%04x" % ord(letter) for letter in value) + b'"'
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value).encode()
    return orjson.dumps(value)


def pages(method: str) -> list[str]:
    """The paths of the pages."""
    routers = [*site.ROUTERS, site.router, site.rest]
    return [
        route.path
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and method in (route.methods or ())
    ]


async def test_no_value_fails_inside_of_a_page(database_url: str) -> None:
    tried = 0
    async with service(database_url) as (_, client):
        page = (await client.get("/sign-in")).text
        signed = {"form_token": FORM_TOKEN.findall(page)[0], "token": TOKEN}
        assert (await client.post("/sign-in", data=signed)).status_code == 303
        for path in pages("GET"):
            for text in TEXTS:
                for name in re.findall(r"\{(\w+)", path):
                    check(await client.get(filled(path, {name: text})), path, name, text[:40])
                query = dict.fromkeys(QUERY, text)
                check(await client.get(filled(path), params=query), path, text[:40])
                tried += 1
            for cursor in CURSORS:
                check(await client.get(filled(path), params={"cursor": cursor}), path, cursor)
        token = FORM_TOKEN.findall((await client.get("/")).text)[0]
        for path in set(pages("POST")) - {"/sign-out", "/sign-in", "/ui/status/mend"}:
            for text in TEXTS:
                for name in re.findall(r"\{(\w+)", path):
                    address = filled(path, {name: text})
                    check(await client.post(address, data={"form_token": token}), path, name)
                data = {"form_token": token} | dict.fromkeys(FORM, text)
                check(await client.post(filled(path), data=data), path, text[:40])
                tried += 1
    assert tried > 150


async def test_a_filter_with_more_values_than_a_statement_holds_is_told(database_url: str) -> None:
    many = [f"{n}" for n in range(30_000)]
    async with service(database_url) as (_, client):
        body = orjson.dumps({"record_id": many})
        answers = [
            await client.get("/sync-log", params={"q": many[:1000]}),
            await client.post(
                "/deliveries/replay", content=body, headers={"content-type": "application/json"}
            ),
        ]
    for answer in answers:
        assert answer.status_code == 422
        assert "at most 500 items" in answer.json()["detail"]


HOSTS = ("[", "a b", "x/y", "shop.example@service", "a\u00e9", "a:99999999")


async def test_a_host_that_names_none_is_refused(database_url: str) -> None:
    """Addresses are made of it: in redirects, and where a list tells its next page."""
    async with service(database_url) as (_, client):
        for host in HOSTS:
            for path in ("/", "/sign-in", "/sync-log", "/health/live/"):
                answer = await client.get(path, headers={b"Host": host.encode("latin-1")})
                assert (answer.status_code, answer.json()["code"]) == (400, "bad_host"), host

"""The OpenAPI document: the routes as FastAPI describes them, the receivers, which FastAPI does not
know, and the errors that every route may return."""

import asyncio
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.routing import Route

from app.api import addon, receivers
from app.api.deps import Guard
from app.api.errors import ProblemBody, documented
from app.api.examples import (
    ACCEPTED,
    ADDON_STATUS,
    ADDON_SUMMARY,
    CALLBACK_ACCEPTED,
    CHANGES_ACCEPTED,
    DUPLICATE,
    NO_CHANGES,
    PING,
)
from app.domain import Scope
from app.vtiger.addon import CHANGES_PATH

_Document = dict[str, Any]


def _path_parameter(name: str, example: str) -> _Document:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "example": example,
    }


def _header(name: str, description: str, *, required: bool) -> _Document:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "schema": {"type": "string"},
        "description": description,
    }


def _success(description: str, **examples: object) -> _Document:
    values = {name: {"value": value} for name, value in examples.items()}
    return {
        "description": description,
        "content": {"application/json": {"schema": {"type": "object"}, "examples": values}},
    }


def _errors(*statuses: int) -> _Document:
    return {str(status): answer for status, answer in documented(*statuses).items()}


def _webhook() -> _Document:
    return {
        "tags": ["Receivers"],
        "summary": "Receive a WooCommerce webhook",
        "description": "The signature is base64(HMAC-SHA256(secret, raw body)). The delivery is"
        " stored before it is answered. The unsigned ping that WooCommerce sends when a webhook"
        " is created (`webhook_id=N`) is answered 200.",
        "operationId": "receive_webhook",
        "parameters": [
            _path_parameter("store", "main"),
            _header("X-WC-Webhook-Signature", "signature of the raw body", required=True),
            _header("X-WC-Webhook-Topic", "such as `customer.updated`", required=True),
            _header("X-WC-Webhook-ID", "the webhook's id in the shop", required=False),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": {"id": 7}},
                "application/x-www-form-urlencoded": {
                    "schema": {"type": "object"},
                    "example": {"webhook_id": "13"},
                },
            },
        },
        "responses": {
            "200": _success(
                "A ping, a duplicate of a waiting delivery, or an error envelope",
                ping=PING,
                duplicate=DUPLICATE,
                envelope=ACCEPTED,
            ),
            "202": _success("Stored", accepted=ACCEPTED),
            **_errors(401, 404),
        },
    }


def _callback(method: str) -> _Document:
    operation: _Document = {
        "tags": ["Receivers"],
        "summary": "Receive a Vtiger callback",
        "description": "Names a record by `12x34`, `34` or its record number under `id`, `record`,"
        " `record_id`, `recordid` or `crmid`, in a form, in JSON or in the query. Everything"
        " else is ignored: the record is read from Vtiger. Send the secret in"
        " `X-Callback-Token`, as `?token=`, or as the Basic password.",
        "operationId": f"receive_callback_{method}",
        "parameters": [
            _path_parameter("module", "contacts"),
            _header("X-Callback-Token", "the callback secret", required=False),
        ],
        "responses": {
            "202": _success("Stored, one delivery for each store", accepted=CALLBACK_ACCEPTED),
            **_errors(401, 404),
        },
    }
    if method != "get":
        body = {"schema": {"type": "object"}, "example": {"id": "12x34"}}
        forms = ("application/json", "application/x-www-form-urlencoded")
        operation["requestBody"] = {"content": dict.fromkeys(forms, body)}
    return operation


def _changes() -> _Document:
    change = {"sequence": 3, "id": "12x34", "module": "Contacts", "event": "updated"}
    body = {"installation": "9f86d081884c7d65", "changes": [{**change, "user_id": "19x5"}]}
    return {
        "tags": ["Receivers"],
        "summary": "Receive changes from the Vtiger add-on",
        "description": "A batch of at most 1000 changes. The signature is `sha256=` and the"
        " hexadecimal HMAC-SHA256 of the timestamp, a dot and the raw body, made with the callback"
        " secret. A change is a hint: the record is read from Vtiger. A sequence number that was"
        " accepted before is counted as a duplicate, a module that is not synced as skipped.",
        "operationId": "receive_changes",
        "parameters": _signature(),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": body}},
        },
        "responses": {
            "200": _success("The batch has no new changes", nothing=NO_CHANGES),
            "202": _success("Stored, one delivery for each store", accepted=CHANGES_ACCEPTED),
            **_errors(401),
        },
    }


def _status() -> _Document:
    body = {"asks": "status", "records": [{"id": "12x34", "module": "Contacts"}]}
    return {
        "tags": ["Receivers"],
        "summary": "Report the state of records to the Vtiger add-on",
        "description": "For 1 to 20 records of Vtiger, in the order of the request: the shops"
        " that have data about them, with the partner, the last outcome, and the open delivery."
        " `state` is `in_sync`, `skipped`, `failed`, `waiting`, `conflict`, `held` (a deletion"
        " that is held back) or `deleted`. Addresses are null if there is no page or `PUBLIC_URL`"
        " is not set. The request is signed like a batch of changes; it changes nothing.",
        "operationId": "receive_status_question",
        "parameters": _signature(),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": body}},
        },
        "responses": {
            "200": _success("The state of each record", known=ADDON_STATUS),
            **_errors(401),
        },
    }


def _summary() -> _Document:
    return {
        "tags": ["Receivers"],
        "summary": "Report the totals of the Sync Log to the Vtiger add-on",
        "description": "The totals of all shops and all time, the number of open deliveries, and"
        " the last 20 outcomes other than unchanged, each with the address of the page that shows"
        " its records. The request is signed like a batch of changes; it changes nothing.",
        "operationId": "receive_summary_question",
        "parameters": _signature(),
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": {"asks": "summary"}}
            },
        },
        "responses": {"200": _success("The totals", numbers=ADDON_SUMMARY), **_errors(401)},
    }


def _signature() -> list[_Document]:
    return [
        _header("X-WooSync-Timestamp", "Unix seconds, within five minutes", required=True),
        _header("X-WooSync-Signature", "signature of the timestamp and the body", required=True),
    ]


def _describe_scopes(app: FastAPI, paths: _Document) -> None:
    """Add the required scope of the token to the description of each route."""
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = paths.get(route.path_format or "", {}).get(method.lower())
            if operation is not None:
                scope = _needed_scope(route.dependant)
                access = f"Needs a token of scope `{scope}`." if scope else "Needs no token."
                text = operation.get("description", "").rstrip()
                operation["description"] = f"{text}\n\n{access}".lstrip()


def _needed_scope(dependant: Dependant) -> Scope | None:
    """The highest scope that a route or one of its dependencies requires; None for none."""
    scopes = {_needed_scope(part) for part in dependant.dependencies}
    if isinstance(dependant.call, Guard):
        scopes.add(dependant.call.scope)
    return next((scope for scope in (Scope.ADMIN, Scope.READ) if scope in scopes), None)


def _common_errors(path: str) -> Iterator[int]:
    """The error statuses that every route has: those of the server, of the middleware, and of an
    unreachable database."""
    yield from (400, 408, 413, 431)
    if not path.startswith("/health/"):
        yield from (429, 503)


def _problem_schemas() -> _Document:
    schema = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "ProblemBody": schema}


def install(app: FastAPI) -> None:
    """Serve the description of all routes under /openapi.json; it is built once."""

    def document() -> _Document:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            schema["components"]["schemas"] |= _problem_schemas()
            _describe_scopes(app, schema["paths"])
            methods = [method.lower() for method in receivers.CALLBACK_METHODS]
            schema["paths"][receivers.WEBHOOK_PATH] = {"post": _webhook()}
            schema["paths"][CHANGES_PATH] = {"post": _changes()}
            schema["paths"][addon.STATUS_PATH] = {"post": _status()}
            schema["paths"][addon.SUMMARY_PATH] = {"post": _summary()}
            schema["paths"][receivers.CALLBACK_PATH] = {
                method: _callback(method) for method in methods
            }
            for path, operations in schema["paths"].items():
                for operation in operations.values():
                    operation["responses"] |= _errors(*_common_errors(path))
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
    _serve_serialized(app, document)


def _serve_serialized(app: FastAPI, document: Callable[[], _Document]) -> None:
    """Serialize the document once. The framework does so for each request, which takes many
    milliseconds and hundreds of kilobytes, and the route needs no token."""

    @cache
    def text() -> bytes:
        return orjson.dumps(document())

    async def answer(request: Request) -> Response:
        del request
        return Response(await asyncio.to_thread(text), media_type="application/json")

    for route in [*app.router.routes]:
        if isinstance(route, Route) and route.path == app.openapi_url:
            app.router.routes.remove(route)
            app.add_route(route.path, answer, include_in_schema=False)

"""Errors as RFC 9457 problem+json with a stable `code`; each error's status is defined here."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.db.session import OUTAGES, OUTDATED, is_unmigrated, storable_json
from app.domain import InvalidInput, StaleState

MEDIA_TYPE = "application/problem+json"

_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    503: "overloaded",
}

log = logging.getLogger(__name__)


class Problem(Exception):
    """An error response; `members` are added to the standard members."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.members = members or {}

    def response(self) -> Response:
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.members,
        }
        content = orjson.dumps(storable_json(body))  # it may quote what was sent
        return Response(content, self.status, self.headers, MEDIA_TYPE)


class FieldProblem(BaseModel):
    """An error in one part of a request."""

    field: str
    message: str


class ProblemBody(BaseModel):
    """The body of every error response."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    code: str = Field(examples=["not_found"], description="stable; the texts may change")
    detail: str = Field(examples=["There is no entry 17."])
    errors: list[FieldProblem] = Field([], description="which parts of the request are wrong")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error responses of a route, for its OpenAPI description. A route that answers 401 also
    answers 429."""
    if 401 in statuses:
        statuses = (*statuses, 429)
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
        }
        for status in statuses
    }


def not_found(what: str) -> Problem:
    return Problem(404, "not_found", f"There is no {what}.")


def invalid(errors: Sequence[FieldProblem]) -> Problem:
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
    members = {"errors": [error.model_dump() for error in errors]}
    return Problem(422, "invalid_request", detail, members=members)


def invalid_fields(names: Iterable[str], message: str) -> Problem:
    """A 422 with the same message for each of the fields."""
    return invalid([FieldProblem(field=name, message=message) for name in names])


def unauthorized() -> Problem:
    return Problem(
        401,
        "unauthorized",
        "Send a valid token: `Authorization: Bearer <token>`.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def expired(moment: datetime) -> Problem:
    """A 401 for the holder of an expired token."""
    return Problem(
        401,
        "token_expired",
        f"This token expired on {moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC; create a new one with"
        " `woo-vtiger token create`.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def unavailable() -> Problem:
    return Problem(
        503,
        "database_unavailable",
        "The database cannot be reached; try again.",
        headers={"Retry-After": "5"},
    )


async def _on_problem(_: Request, error: Problem) -> Response:
    return error.response()


async def _on_http(_: Request, error: HTTPException) -> Response:
    code = _CODES.get(error.status_code, "refused")
    problem = Problem(error.status_code, code, str(error.detail), headers=error.headers)
    return problem.response()


async def _on_validation(_: Request, error: RequestValidationError) -> Response:
    messages: dict[str, list[str]] = {}
    for part in error.errors():
        messages.setdefault(_field(part["loc"]), []).append(_message(part))
    problems = [
        FieldProblem(field=field, message=" or ".join(dict.fromkeys(parts)))
        for field, parts in messages.items()
    ]
    return invalid(problems).response()


def _field(location: Sequence[str | int]) -> str:
    """The name of a parameter, or the path to a part of a body."""
    source, *way = location
    parts = way[:1] if source == "query" else way
    return ".".join(map(str, parts)) or str(source)


def _message(part: Mapping[str, Any]) -> str:
    return "is not known here" if part["type"] == "extra_forbidden" else str(part["msg"])


async def _on_invalid(_: Request, error: InvalidInput) -> Response:
    return invalid([FieldProblem(field=error.field, message=str(error))]).response()


async def _on_stale_state(_: Request, error: StaleState) -> Response:
    return Problem(409, "overtaken", str(error)).response()


async def _on_outage(_: Request, error: Exception) -> Response:
    log.error("The database cannot be reached: %s", type(error).__name__)
    return unavailable().response()


async def _on_outdated(_: Request, error: Exception) -> Response:
    if not is_unmigrated(error):
        raise error
    log.error("The database is not up to date: run `woo-vtiger migrate`")
    detail = "The database is not up to date: run `woo-vtiger migrate`, or set AUTO_MIGRATE=true."
    return Problem(503, "database_outdated", detail, headers={"Retry-After": "30"}).response()


async def _on_unhandled(_: Request, __: Exception) -> Response:
    detail = "An unhandled exception occurred; the log of the service has its traceback."
    return Problem(500, "internal_error", detail).response()


def install(app: FastAPI) -> None:
    app.exception_handler(Problem)(_on_problem)
    app.exception_handler(HTTPException)(_on_http)
    app.exception_handler(RequestValidationError)(_on_validation)
    app.exception_handler(InvalidInput)(_on_invalid)
    app.exception_handler(StaleState)(_on_stale_state)
    for outage in OUTAGES:
        app.exception_handler(outage)(_on_outage)
    for outdated in OUTDATED:
        app.exception_handler(outdated)(_on_outdated)
    app.exception_handler(Exception)(_on_unhandled)

"""Dependencies of the routes: the runtime, the authenticated caller, common response types, and the
refusal of wrong credentials."""

import json
import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar, get_origin

from fastapi import Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.api.errors import Problem, expired, invalid_fields, not_found, unauthorized
from app.db.pagination import MOST_PER_PAGE
from app.db.session import transaction
from app.domain import Scope
from app.http.attempts import Attempts, Door, Refusal, count_refusal
from app.parsing import Text
from app.policies.access import BOOTSTRAP, Expired, find_bootstrap, find_token
from app.runtime import Runtime

# Refusals of wrong credentials
#
# The credential is always checked first. Only the responses to wrong credentials are limited.

CREDENTIALS = {
    Door.API: "token",
    Door.WEBHOOK: "signature",
    Door.CALLBACK: "callback secret",
    Door.ADDON: "signature",
}

log = logging.getLogger(__name__)


def address_of(request: Request) -> str:
    """The client's address, behind trusted proxies; "" if it is not known."""
    return request.client.host if request.client else ""


def refused(attempts: Attempts, request: Request, door: Door, problem: Problem) -> Problem:
    """`problem`, the refusal of a wrong credential; a 429 after too many from one address."""
    address = address_of(request)
    wait = attempts.failed(door, address)
    if not wait:
        kind = CREDENTIALS[door]
        log.warning("A wrong %s from %s was refused at %s", kind, address, request.url.path)
        return problem
    return Problem(
        429,
        "too_many_failures",
        f"{problem.detail} Too many wrong credentials came from this address: they are answered 429"
        f" for another {wait} seconds. A valid one is accepted at any time.",
        headers={"Retry-After": str(wait)},
    )


# Common response types: ids are text, times are UTC with `Z`

T = TypeVar("T")


def as_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _text_of(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


Id = Annotated[str, BeforeValidator(_text_of)]
OptionalId = Annotated[str | None, BeforeValidator(_text_of)]
Time = Annotated[datetime, AfterValidator(as_utc)]


class Query(BaseModel):
    """Query parameters. Unknown ones are refused, so that a mistyped filter is noticed."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Query):
    """The parameters of all paginated lists."""

    limit: int = Field(50, ge=1, le=MOST_PER_PAGE, description="items per page")
    cursor: Text | None = Field(None, description="`next_cursor` of the previous page")


class Answer(BaseModel):
    """A response model that is built from a database row."""

    model_config = ConfigDict(from_attributes=True)


class PageAnswer(BaseModel, Generic[T]):
    """One page, newest first; `next_cursor` is null on the last page."""

    items: list[T]
    next_cursor: str | None


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{url}>; rel="next"'


NO_BODY = frozenset({b"", b"{}", b"null"})
MAX_EMPTY_BODY = 4

_BEARER = HTTPBearer(auto_error=False, description="A token of scope `read` or `admin`.")


async def get_runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


@dataclass(frozen=True, slots=True)
class Caller:
    """The client of a request, named after its token."""

    name: str
    scope: Scope


class Guard:
    """Requires a token of a scope: 401 without a valid token, 403 if its scope does not suffice,
    429 after too many wrong tokens."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(
        self,
        request: Request,
        runtime: RuntimeDep,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Caller:
        secret = credentials.credentials if credentials else ""
        if not secret:
            count_refusal(Door.API, Refusal.MISSING)
            raise unauthorized()
        caller = await _find_caller(runtime, secret)
        if caller is None:
            raise refused(runtime.attempts, request, Door.API, unauthorized())
        if isinstance(caller, Expired):
            count_refusal(Door.API, Refusal.EXPIRED)
            raise expired(caller.at)
        if not caller.scope.covers(self.scope):
            raise Problem(403, "forbidden", f"This needs a token of scope {self.scope}.")
        return caller


async def _find_caller(runtime: Runtime, secret: str) -> Caller | Expired | None:
    if find_bootstrap(runtime.settings.api_tokens, secret) is not None:
        return Caller(BOOTSTRAP, Scope.ADMIN)
    async with transaction(runtime.sessions) as session:
        token = await find_token(session, secret)
    if token is None or isinstance(token, Expired):
        return token
    return Caller(token.name, Scope(token.scope))


Admin = Annotated[Caller, Depends(Guard(Scope.ADMIN))]


async def refuse_unknown(request: Request) -> None:
    """Refuse parameters and bodies that the route does not accept: a mistyped or misplaced one must
    not go unnoticed. Empty bodies, which some clients send, count as none."""
    route = request.scope["route"]
    known = _query_names(route.dependant)
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise invalid_fields(unknown, "is not known here")
    twice = sorted(name for name in known if _is_given_twice(request, name, route.dependant))
    if twice:
        raise invalid_fields(twice, "is given twice")
    if route.body_field is None:
        if await _first_bytes(request) not in NO_BODY:
            raise invalid_fields(["body"], "is not taken here: send none")
    elif repeated := _repeated_keys(await request.body()):
        raise invalid_fields(repeated, "is given twice")


def _query_names(dependant: Dependant) -> set[str]:
    """The names of the parameters of a route and its dependencies; for a model, its fields."""
    return set(_query_fields(dependant))


def _query_fields(dependant: Dependant) -> dict[str, object]:
    """The name and the type of each parameter."""
    found: dict[str, object] = {}
    for part in dependant.dependencies:
        found |= _query_fields(part)
    for field in dependant.query_params:
        annotation = field.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found |= {name: each.annotation for name, each in annotation.model_fields.items()}
        else:
            found[field.alias] = annotation
    return found


def _is_given_twice(request: Request, name: str, dependant: Dependant) -> bool:
    """Whether a parameter that is not a list has several values; all but one would be dropped."""
    is_list = get_origin(_query_fields(dependant)[name]) is list
    return not is_list and len(request.query_params.getlist(name)) > 1


def _repeated_keys(body: bytes) -> list[str]:
    """The duplicate keys of all objects in a JSON body, of which a parser keeps one each; none for
    invalid JSON, which is refused elsewhere."""
    found: list[str] = []

    def collect(pairs: list[tuple[str, object]]) -> None:
        counts = Counter(name for name, _ in pairs)
        found.extend(name for name, count in counts.items() if count > 1)

    try:
        json.loads(body, object_pairs_hook=collect)
    except ValueError:
        return []
    return sorted(set(found))


async def _first_bytes(request: Request) -> bytes:
    """As much of a body as decides whether it is empty."""
    found = b""
    async for part in request.stream():
        found += part.strip()
        if len(found) > MAX_EMPTY_BODY:
            break
    return found


def check_store(runtime: Runtime, store: str) -> None:
    """Raise 404 unless the store is configured."""
    if store not in runtime.settings.stores:
        raise not_found(f"store {store}")

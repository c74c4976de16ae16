"""What routes are given: the runtime, a caller whose token was checked, the kinds of values in
answers, and refusals of wrong credentials."""

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

from app.api.errors import Problem, expired, invalid_fields, unauthorized
from app.db.pagination import MOST_PER_PAGE
from app.db.session import transaction
from app.domain import Scope
from app.parsing import Text
from app.policies.access import (
    BOOTSTRAP,
    Attempts,
    Door,
    Expired,
    Refusal,
    count_refusal,
    find_bootstrap,
    find_token,
)
from app.runtime import Runtime

# What a request without the right credential is answered: 401, or 429 after too many wrong ones.
#
# The credential is checked first, always. What is slowed down is the answer to wrong ones.

WHAT = {
    Door.API: "token",
    Door.WEBHOOK: "signature",
    Door.CALLBACK: "callback secret",
    Door.ADDON: "signature",
}

log = logging.getLogger(__name__)


def address_of(request: Request) -> str:
    """Where a request comes from, behind proxies that are trusted; "" if that is not known."""
    return request.client.host if request.client else ""


def refused(attempts: Attempts, request: Request, door: Door, problem: Problem) -> Problem:
    """`problem` for a wrong credential; once its address has sent too many, the same as 429."""
    address = address_of(request)
    wait = attempts.failed(door, address)
    if not wait:
        log.warning("A wrong %s from %s was refused at %s", WHAT[door], address, request.url.path)
        return problem
    return Problem(
        429,
        "too_many_failures",
        f"{problem.detail} Too many wrong ones came from this address: they are answered 429 for"
        f" another {wait} seconds. A right one is taken at any time.",
        headers={"Retry-After": str(wait)},
    )


# The kinds of values in answers: ids are text, times UTC with `Z`; and what paged lists share.

T = TypeVar("T")


def as_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _text_of(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


Id = Annotated[str, BeforeValidator(_text_of)]
OptionalId = Annotated[str | None, BeforeValidator(_text_of)]
Time = Annotated[datetime, AfterValidator(as_utc)]


class Query(BaseModel):
    """Query parameters; an unknown one is refused, so that a mistyped filter is noticed."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Query):
    """What all paged lists take."""

    limit: int = Field(50, ge=1, le=MOST_PER_PAGE, description="items per page")
    cursor: Text | None = Field(None, description="`next_cursor` of the page before")


class Answer(BaseModel):
    """Built from a row."""

    model_config = ConfigDict(from_attributes=True)


class PageAnswer(BaseModel, Generic[T]):
    """One page, newest first; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{url}>; rel="next"'


NO_BODY = frozenset({b"", b"{}", b"null"})
LONGEST_NOTHING = 4

_BEARER = HTTPBearer(auto_error=False, description="A token of scope `read` or `admin`.")


async def get_runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by the name of the token."""

    name: str
    scope: Scope


class Guard:
    """Lets callers of a scope pass; 401 without a token in force, 403 with too small a one, 429
    for wrong tokens after too many of them."""

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


async def only_known(request: Request) -> None:
    """Refuses parameters and bodies that the route does not take: a mistyped or misplaced one must
    not pass unnoticed. Empty bodies, as some clients send them, are none."""
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
    """The parameters of a route and of what it depends on; a model's are its fields."""
    return set(_query_fields(dependant))


def _query_fields(dependant: Dependant) -> dict[str, object]:
    """Each parameter's name with its type."""
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
    """Of several values of what is no list all but one would be dropped."""
    is_list = get_origin(_query_fields(dependant)[name]) is list
    return not is_list and len(request.query_params.getlist(name)) > 1


def _repeated_keys(body: bytes) -> list[str]:
    """Keys that an object of a JSON body has twice, of which a reader keeps one; none of what is
    no JSON, which is refused elsewhere."""
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        counts = Counter(name for name, _ in pairs)
        found.extend(name for name, count in counts.items() if count > 1)

    try:
        json.loads(body, object_pairs_hook=look)
    except ValueError:
        return []
    return sorted(set(found))


async def _first_bytes(request: Request) -> bytes:
    """Enough of a body to know that it says something."""
    found = b""
    async for part in request.stream():
        found += part.strip()
        if len(found) > LONGEST_NOTHING:
            break
    return found

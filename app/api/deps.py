"""What routes are given: the runtime, and a caller whose token was checked."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Annotated, get_origin

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from app.api.doors import refused
from app.api.errors import Problem, expired, invalid_fields, unauthorized
from app.attempts import Door, Refusal, count_refusal
from app.db.session import transaction
from app.policies.tokens import BOOTSTRAP, Expired, Scope, find_bootstrap, find_token
from app.runtime import Runtime

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

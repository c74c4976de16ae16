"""What routes are given: the runtime, and a caller whose token was checked."""

import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.api.errors import FieldProblem, Problem, invalid
from app.db.session import transaction
from app.policies.tokens import Scope, find_token
from app.runtime import Runtime
from app.settings import Settings

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
    """Lets callers of a scope pass; 401 without a token in force, 403 with too small a one."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(
        self,
        runtime: RuntimeDep,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> Caller:
        secret = credentials.credentials if credentials else ""
        caller = await _find_caller(runtime, secret)
        if caller is None:
            raise Problem(
                401,
                "unauthorized",
                "Send a valid token: `Authorization: Bearer <token>`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not caller.scope.covers(self.scope):
            raise Problem(403, "forbidden", f"This needs a token of scope {self.scope}.")
        return caller


async def _find_caller(runtime: Runtime, secret: str) -> Caller | None:
    if _is_bootstrap(runtime.settings, secret):
        return Caller("API_TOKENS", Scope.ADMIN)
    async with transaction(runtime.sessions) as session:
        token = await find_token(session, secret)
    return Caller(token.name, Scope(token.scope)) if token else None


def _is_bootstrap(settings: Settings, secret: str) -> bool:
    given = secret.encode("utf-8", "replace")
    tokens = [token.get_secret_value().encode() for token in settings.api_tokens]
    matches = [hmac.compare_digest(token, given) for token in tokens]
    return any(matches)


Reader = Annotated[Caller, Depends(Guard(Scope.READ))]
Admin = Annotated[Caller, Depends(Guard(Scope.ADMIN))]


async def no_query(request: Request) -> None:
    """A route without parameters refuses them: a mistyped one must not pass unnoticed."""
    unknown = sorted(set(request.query_params))
    if unknown:
        raise invalid([FieldProblem(field=name, message="is not known here") for name in unknown])

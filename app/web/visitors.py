"""Who looks at a page: the session of a request, and what its token may do."""

from dataclasses import dataclass

from fastapi import Request

from app.db.session import transaction
from app.policies.models import ApiToken
from app.policies.secrets import get_secret
from app.policies.sessions import begin_session, end_session, is_session_open
from app.policies.tokens import (
    BOOTSTRAP,
    Expired,
    Scope,
    find_bootstrap,
    find_token,
    find_token_in_force,
)
from app.runtime import Runtime
from app.web.tickets import COOKIE, LASTS, Seal, Ticket, new_ticket


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token it is; `id` is how a ticket names it."""

    id: str
    name: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser's session. `holder` is None before sign-in; `is_new` if it has no cookie yet."""

    seal: Seal
    ticket: Ticket
    holder: Holder | None
    is_new: bool = False

    @property
    def form_token(self) -> str:
        return self.seal.form_token(self.ticket)

    @property
    def is_admin(self) -> bool:
        return self.holder is not None and self.holder.scope is Scope.ADMIN


async def find_visitor(request: Request) -> Visitor:
    """Anybody: strangers get a ticket of their own, which the sign-in form is tied to."""
    runtime: Runtime = request.app.state.runtime
    seal = await open_seal(runtime)
    ticket = seal.open(request.cookies.get(COOKIE, ""))
    if ticket is None:
        return Visitor(seal, new_ticket(), None, is_new=True)
    return Visitor(seal, ticket, await _find_holder(runtime, seal, ticket))


async def open_seal(runtime: Runtime) -> Seal:
    async def load() -> str:
        async with transaction(runtime.sessions) as session:
            return await get_secret(session, "web_sessions")

    return Seal(await runtime.memory.get("web_sessions", load))


async def _find_holder(runtime: Runtime, seal: Seal, ticket: Ticket) -> Holder | None:
    if not ticket.holder:
        return None
    bootstraps = [token.get_secret_value() for token in runtime.settings.api_tokens]
    is_bootstrap = seal.find_fingerprint(ticket.holder, bootstraps)
    async with runtime.sessions() as session:
        if not await is_session_open(session, ticket.nonce):
            return None
        if is_bootstrap:
            return Holder(ticket.holder, BOOTSTRAP, Scope.ADMIN)
        if not ticket.holder.isdecimal():
            return None
        token = await find_token_in_force(session, int(ticket.holder))
    return _holder(token) if token else None


async def find_token_holder(runtime: Runtime, secret: str) -> Holder | Expired | None:
    """Whose token this is; None if it is nobody's, or revoked."""
    bootstrap = find_bootstrap(runtime.settings.api_tokens, secret)
    if bootstrap is not None:
        seal = await open_seal(runtime)
        return Holder(seal.fingerprint(bootstrap), BOOTSTRAP, Scope.ADMIN)
    async with transaction(runtime.sessions) as session:
        token = await find_token(session, secret)
    return _holder(token) if isinstance(token, ApiToken) else token


async def sign_in(runtime: Runtime, visitor: Visitor, holder: Holder) -> Ticket:
    """The ticket of a new session; one that the visitor had before ends."""
    ticket = new_ticket(holder.id)
    async with transaction(runtime.sessions) as session:
        await end_session(session, visitor.ticket.nonce)
        await begin_session(session, ticket.nonce, lasts=LASTS)
    return ticket


async def sign_out(runtime: Runtime, visitor: Visitor) -> Ticket:
    """The ticket of a stranger, in place of that of the session, which ends in every process."""
    async with transaction(runtime.sessions) as session:
        await end_session(session, visitor.ticket.nonce)
    return new_ticket()


def _holder(token: ApiToken) -> Holder:
    return Holder(str(token.id), token.name, Scope(token.scope))

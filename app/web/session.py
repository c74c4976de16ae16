"""Sessions of the pages: the signed session cookie, and the visitor's token and scope."""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from fastapi import Request
from itsdangerous import BadSignature, Signer, URLSafeTimedSerializer

from app.db.session import transaction
from app.domain import Scope
from app.policies.access import (
    BOOTSTRAP,
    Expired,
    begin_session,
    end_session,
    find_bootstrap,
    find_token,
    find_token_in_force,
    get_secret,
    is_session_open,
)
from app.policies.models import ApiToken
from app.runtime import Runtime

# The session cookie, which identifies a token without containing it
#
# Each request checks that the session is open and the token is valid, so that signing out ends a
# session, and revoking a token ends all of its sessions.

COOKIE = "woo_vtiger_session"
LASTS = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """The content of the cookie. `principal` is the id of a token, or the fingerprint of one of
    API_TOKENS; "" before sign-in."""

    nonce: str
    principal: str = ""


def new_session_cookie(principal: str = "") -> SessionCookie:
    """A cookie with a new nonce, so that no form is valid beyond its session."""
    return SessionCookie(secrets.token_urlsafe(16), principal)


class CookieSigner:
    """Signs and verifies cookies and form tokens with the secret that all processes share."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._tickets = URLSafeTimedSerializer(
            secret, salt="session", signer_kwargs={"digest_method": sha256}
        )
        self._forms = Signer(secret, salt="form", digest_method=sha256)

    def close(self, session_cookie: SessionCookie) -> str:
        sealed = self._tickets.dumps([session_cookie.nonce, session_cookie.principal])
        return sealed if isinstance(sealed, str) else sealed.decode()

    def open(self, text: str) -> SessionCookie | None:
        """The content of a cookie; None if its signature is invalid or it has expired."""
        try:
            nonce, principal = self._tickets.loads(text, max_age=int(LASTS.total_seconds()))
        except BadSignature:
            return None
        return SessionCookie(nonce, principal)

    def form_token(self, session_cookie: SessionCookie) -> str:
        """The token in the forms of a session, against cross-site request forgery."""
        return self._forms.get_signature(session_cookie.nonce).decode()

    def is_form_token(self, session_cookie: SessionCookie, given: str) -> bool:
        return hmac.compare_digest(self.form_token(session_cookie).encode(), given.encode())

    def fingerprint(self, token: str) -> str:
        """An identifier of a token in the settings, which has no id, that does not reveal it."""
        return "env:" + hmac.digest(self._secret.encode(), token.encode(), sha256).hex()

    def find_fingerprint(self, principal: str, tokens: Iterable[str]) -> bool:
        matches = [hmac.compare_digest(self.fingerprint(token), principal) for token in tokens]
        return any(matches)


@dataclass(frozen=True, slots=True)
class Principal:
    """The owner of a token; `id` identifies it in a session cookie."""

    id: str
    name: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser's session. `principal` is None before sign-in; `is_new` if it has no cookie yet."""

    cookie_signer: CookieSigner
    session_cookie: SessionCookie
    principal: Principal | None
    is_new: bool = False

    @property
    def form_token(self) -> str:
        return self.cookie_signer.form_token(self.session_cookie)

    @property
    def is_admin(self) -> bool:
        return self.principal is not None and self.principal.scope is Scope.ADMIN


async def find_visitor(request: Request) -> Visitor:
    """The visitor of a request. Visitors without a session get a session cookie, which the sign-in
    form depends on."""
    runtime: Runtime = request.app.state.runtime
    cookie_signer = await open_cookie_signer(runtime)
    session_cookie = cookie_signer.open(request.cookies.get(COOKIE, ""))
    if session_cookie is None:
        return Visitor(cookie_signer, new_session_cookie(), None, is_new=True)
    return Visitor(
        cookie_signer, session_cookie, await _find_principal(runtime, cookie_signer, session_cookie)
    )


async def open_cookie_signer(runtime: Runtime) -> CookieSigner:
    async def load() -> str:
        async with transaction(runtime.sessions) as session:
            return await get_secret(session, "web_sessions")

    return CookieSigner(await runtime.memory.get("web_sessions", load))


async def _find_principal(
    runtime: Runtime, cookie_signer: CookieSigner, session_cookie: SessionCookie
) -> Principal | None:
    if not session_cookie.principal:
        return None
    bootstraps = [token.get_secret_value() for token in runtime.settings.api_tokens]
    is_bootstrap = cookie_signer.find_fingerprint(session_cookie.principal, bootstraps)
    async with runtime.sessions() as session:
        if not await is_session_open(session, session_cookie.nonce):
            return None
        if is_bootstrap:
            return Principal(session_cookie.principal, BOOTSTRAP, Scope.ADMIN)
        if not session_cookie.principal.isdecimal():
            return None
        token = await find_token_in_force(session, int(session_cookie.principal))
    return _principal(token) if token else None


async def find_principal(runtime: Runtime, secret: str) -> Principal | Expired | None:
    """The owner of a token; None if the token is unknown or revoked."""
    bootstrap = find_bootstrap(runtime.settings.api_tokens, secret)
    if bootstrap is not None:
        cookie_signer = await open_cookie_signer(runtime)
        return Principal(cookie_signer.fingerprint(bootstrap), BOOTSTRAP, Scope.ADMIN)
    async with transaction(runtime.sessions) as session:
        token = await find_token(session, secret)
    return _principal(token) if isinstance(token, ApiToken) else token


async def sign_in(runtime: Runtime, visitor: Visitor, principal: Principal) -> SessionCookie:
    """The session cookie of a new session; the visitor's previous session ends."""
    session_cookie = new_session_cookie(principal.id)
    async with transaction(runtime.sessions) as session:
        await end_session(session, visitor.session_cookie.nonce)
        await begin_session(session, session_cookie.nonce, lasts=LASTS)
    return session_cookie


async def sign_out(runtime: Runtime, visitor: Visitor) -> SessionCookie:
    """End the session in every process, and return a session cookie without a principal."""
    async with transaction(runtime.sessions) as session:
        await end_session(session, visitor.session_cookie.nonce)
    return new_session_cookie()


def _principal(token: ApiToken) -> Principal:
    return Principal(str(token.id), token.name, Scope(token.scope))

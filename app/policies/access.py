"""Access to the service: API tokens, sessions of the pages, shared secrets, and limits on wrong
credentials."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain import Scope
from app.policies.models import ApiToken, SharedSecret, WebSession

# Wrong credentials, counted and throttled by address.
#
# Each process has its own counts. A valid credential is accepted regardless of them, so that nobody
# can lock out others who share an address.


# Random secrets that all processes share, and that survive restarts.


async def get_secret(session: AsyncSession, name: str) -> str:
    """The secret with this name, 256 random bits as text; created on first use."""
    new = insert(SharedSecret).values(name=name, value=secrets.token_urlsafe(32))
    await session.execute(new.on_conflict_do_nothing())
    stored = await session.scalars(select(SharedSecret.value).where(SharedSecret.name == name))
    return stored.one()


# Sessions of the pages: stored in the database, so that signing out ends a session in all processes
# and for every copy of its cookie.


def _nonce_digest(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()


async def begin_session(session: AsyncSession, nonce: str, *, lasts: timedelta) -> None:
    """Store a session, which `nonce` identifies, and delete expired ones."""
    await session.execute(delete(WebSession).where(WebSession.expires_at <= func.now()))
    expires_at = func.now() + lasts
    session.add(WebSession(digest=_nonce_digest(nonce), expires_at=expires_at))
    await session.flush()


async def is_session_open(session: AsyncSession, nonce: str) -> bool:
    found = select(WebSession.digest).where(
        WebSession.digest == _nonce_digest(nonce), WebSession.expires_at > func.now()
    )
    return await session.scalar(found) is not None


async def end_session(session: AsyncSession, nonce: str) -> None:
    """End the session; without effect if it has ended already."""
    await session.execute(delete(WebSession).where(WebSession.digest == _nonce_digest(nonce)))


PREFIX = "wv_"
EXPIRES_SOON = timedelta(days=14)
BOOTSTRAP = "API_TOKENS"
"""The name of clients with a token of the settings, which has scope admin and no row."""

_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_USE_NOTED_EVERY = timedelta(minutes=5)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Expired:
    """A token that expired `at` this time."""

    at: datetime


def find_bootstrap(tokens: Iterable[SecretStr], secret: str) -> str | None:
    """The token of the settings that equals the secret; None without one. All are compared, each in
    constant time."""
    given = secret.encode("utf-8", "replace")
    matches = [
        token.get_secret_value()
        for token in tokens
        if hmac.compare_digest(token.get_secret_value().encode(), given)
    ]
    return matches[0] if matches else None


async def create_token(
    session: AsyncSession, name: str, *, scope: Scope, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Create a token; return its row, and the secret, which is not stored. Without `expires_at` it
    is valid until it is revoked."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(name=name, digest=_digest(secret), scope=scope, expires_at=expires_at)
    session.add(token)
    await session.flush()
    return token, secret


async def find_token(session: AsyncSession, secret: str) -> ApiToken | Expired | None:
    """The valid or expired token with this secret; None without one. `last_used_at` is updated at
    most every few minutes. A secret without the form of a token needs no query."""
    if _FORM.fullmatch(secret) is None:
        return None
    wanted = ApiToken.digest == _digest(secret)
    found = await session.execute(
        select(ApiToken, ApiToken.expires_at <= func.now()).where(
            wanted, ApiToken.revoked_at.is_(None)
        )
    )
    row = found.one_or_none()
    if row is None:
        return None
    token, has_expired = row
    if has_expired and token.expires_at is not None:
        return Expired(token.expires_at)
    stale = ApiToken.last_used_at < func.now() - _USE_NOTED_EVERY
    unnoted = or_(ApiToken.last_used_at.is_(None), stale)
    await session.execute(update(ApiToken).where(wanted, unnoted).values(last_used_at=func.now()))
    return token


async def find_token_in_force(session: AsyncSession, token_id: int) -> ApiToken | None:
    """The valid token with this id, for a session that was begun with it; None without one."""
    unexpired = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > func.now())
    found = select(ApiToken).where(
        ApiToken.id == token_id, ApiToken.revoked_at.is_(None), unexpired
    )
    token: ApiToken | None = await session.scalar(found)
    return token


async def search_expiring(session: AsyncSession) -> Sequence[ApiToken]:
    """Tokens that expire within two weeks, or expired in the last two, by time of expiry."""
    near = ApiToken.expires_at.between(func.now() - EXPIRES_SOON, func.now() + EXPIRES_SOON)
    found = select(ApiToken).where(near, ApiToken.revoked_at.is_(None))
    return (await session.scalars(found.order_by(ApiToken.expires_at, ApiToken.id))).all()


async def search_tokens(session: AsyncSession) -> Sequence[ApiToken]:
    """All tokens, including revoked and expired ones, oldest first."""
    return (await session.scalars(select(ApiToken).order_by(ApiToken.id))).all()


async def revoke_token(session: AsyncSession, token_id: int) -> bool:
    """Revoke a token; False if there is no such token, or it is revoked already."""
    revoked = await session.scalar(
        update(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiToken.id)
    )
    return revoked is not None

"""API tokens: shown once, kept as SHA-256, which suffices for 256 random bits."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.policies.models import ApiToken
from app.policies.scopes import Scope as Scope

PREFIX = "wv_"
EXPIRES_SOON = timedelta(days=14)
BOOTSTRAP = "API_TOKENS"
"""The name of those who come with a token of the settings, which has scope admin and no row."""

_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_USE_NOTED_EVERY = timedelta(minutes=5)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Expired:
    """A token that was in force until the moment `at`."""

    at: datetime


def find_bootstrap(tokens: Iterable[SecretStr], secret: str) -> str | None:
    """The one of the settings' tokens that this is. All are compared, each in constant time."""
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
    """The row, and the token itself, which nothing can show again. Without `expires_at` it is in
    force until somebody revokes it."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(name=name, digest=_digest(secret), scope=scope, expires_at=expires_at)
    session.add(token)
    await session.flush()
    return token, secret


async def find_token(session: AsyncSession, secret: str) -> ApiToken | Expired | None:
    """The token in force with this secret; that it was used is noted every few minutes. What has
    not the form of a token costs no query."""
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
    """For who has proved before that the token is theirs."""
    unexpired = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > func.now())
    found = select(ApiToken).where(
        ApiToken.id == token_id, ApiToken.revoked_at.is_(None), unexpired
    )
    token: ApiToken | None = await session.scalar(found)
    return token


async def search_expiring(session: AsyncSession) -> Sequence[ApiToken]:
    """Tokens that expire within two weeks or did so in the last two, the soonest first."""
    near = ApiToken.expires_at.between(func.now() - EXPIRES_SOON, func.now() + EXPIRES_SOON)
    found = select(ApiToken).where(near, ApiToken.revoked_at.is_(None))
    return (await session.scalars(found.order_by(ApiToken.expires_at, ApiToken.id))).all()


async def search_tokens(session: AsyncSession) -> Sequence[ApiToken]:
    """Every token ever made, revoked and expired ones included, oldest first."""
    return (await session.scalars(select(ApiToken).order_by(ApiToken.id))).all()


async def revoke_token(session: AsyncSession, token_id: int) -> bool:
    """False if there is no such token in force."""
    revoked = await session.scalar(
        update(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.revoked_at.is_(None))
        .values(revoked_at=func.now())
        .returning(ApiToken.id)
    )
    return revoked is not None

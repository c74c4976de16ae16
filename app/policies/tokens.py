"""API tokens: shown once, kept as SHA-256, which suffices for 256 random bits."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.policies.models import ApiToken

PREFIX = "wv_"

_USE_NOTED_EVERY = timedelta(minutes=5)


class Scope(StrEnum):
    """What a token may do; `admin` includes `read`."""

    READ = "read"
    ADMIN = "admin"

    def covers(self, wanted: "Scope") -> bool:
        return self is Scope.ADMIN or self is wanted


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


async def create_token(session: AsyncSession, name: str, *, scope: Scope) -> tuple[ApiToken, str]:
    """The row, and the token itself, which nothing can show again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(name=name, digest=_digest(secret), scope=scope)
    session.add(token)
    await session.flush()
    return token, secret


async def find_token(session: AsyncSession, secret: str) -> ApiToken | None:
    """The token in force with this secret; that it was used is noted every few minutes."""
    wanted = ApiToken.digest == _digest(secret)
    token: ApiToken | None = await session.scalar(
        select(ApiToken).where(wanted, ApiToken.revoked_at.is_(None))
    )
    if token is not None:
        stale = ApiToken.last_used_at < func.now() - _USE_NOTED_EVERY
        unnoted = or_(ApiToken.last_used_at.is_(None), stale)
        await session.execute(
            update(ApiToken).where(wanted, unnoted).values(last_used_at=func.now())
        )
    return token


async def find_token_in_force(session: AsyncSession, token_id: int) -> ApiToken | None:
    """For who has proved before that the token is theirs."""
    found = select(ApiToken).where(ApiToken.id == token_id, ApiToken.revoked_at.is_(None))
    token: ApiToken | None = await session.scalar(found)
    return token


async def search_tokens(session: AsyncSession) -> Sequence[ApiToken]:
    """Every token ever made, revoked ones included, oldest first."""
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

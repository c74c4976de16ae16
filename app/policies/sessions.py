"""Who is signed in to the pages: kept in the database, so that signing out ends a session in every
process and for every copy of its cookie."""

import hashlib
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.policies.models import WebSession


def _digest(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()


async def begin_session(session: AsyncSession, nonce: str, *, lasts: timedelta) -> None:
    """`nonce` is what tells this session from all others. Sessions that are over are removed."""
    await session.execute(delete(WebSession).where(WebSession.expires_at <= func.now()))
    expires_at = func.now() + lasts
    session.add(WebSession(digest=_digest(nonce), expires_at=expires_at))
    await session.flush()


async def is_session_open(session: AsyncSession, nonce: str) -> bool:
    found = select(WebSession.digest).where(
        WebSession.digest == _digest(nonce), WebSession.expires_at > func.now()
    )
    return await session.scalar(found) is not None


async def end_session(session: AsyncSession, nonce: str) -> None:
    """Nothing happens where it has ended already."""
    await session.execute(delete(WebSession).where(WebSession.digest == _digest(nonce)))

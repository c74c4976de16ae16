"""Random secrets that all processes of the service share and no restart changes."""

import secrets

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.policies.models import SharedSecret


async def get_secret(session: AsyncSession, name: str) -> str:
    """256 random bits as text; made by whoever asks first."""
    drawn = insert(SharedSecret).values(name=name, value=secrets.token_urlsafe(32))
    await session.execute(drawn.on_conflict_do_nothing())
    kept = await session.scalars(select(SharedSecret.value).where(SharedSecret.name == name))
    return kept.one()

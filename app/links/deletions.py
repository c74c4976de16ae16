"""The brake on deleting: how many pairs lost both sides lately, against how many there are."""

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.links.models import Link
from app.records import Module

ALWAYS_ALLOWED = 5


async def within_brake(session: AsyncSession, store: str, module: Module, *, percent: int) -> bool:
    """Whether one more deletion within this hour stays below the share of all pairs."""
    hour_ago = func.now() - func.make_interval(0, 0, 0, 0, 1)
    gone = and_(Link.woo_deleted_at > hour_ago, Link.vtiger_deleted_at > hour_ago)
    pairs, deleted = (
        await session.execute(
            select(func.count(), func.count().filter(gone)).where(
                Link.store == store, Link.module == module
            )
        )
    ).one()
    return bool(deleted < max(ALWAYS_ALLOWED, pairs * percent / 100))

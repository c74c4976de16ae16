"""Dropping log entries by age; the totals are kept, so no number on the screen changes."""

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.synclog.models import Entry, EntryDelivery


async def prune_entries(session: AsyncSession, days: int, *, most: int) -> int:
    """Drop at most so many; how many those were."""
    old = Entry.occurred_at < func.now() - func.make_interval(0, 0, 0, days)
    ids = (await session.scalars(select(Entry.id).where(old).limit(most))).all()
    await session.execute(delete(EntryDelivery).where(EntryDelivery.entry_id.in_(ids)))
    await session.execute(delete(Entry).where(Entry.id.in_(ids)))
    return len(ids)

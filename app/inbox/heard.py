"""Which changes of Vtiger's add-on were accepted already: it delivers at least once."""

from collections.abc import Collection

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.inbox.models import HeardChange

KEEP_DAYS = 7
"""Longer than the add-on tries; what still comes later is looked at once more, with no harm."""


async def search_heard(
    session: AsyncSession, installation: str, sequences: Collection[int]
) -> set[int]:
    """Those of the sequences that were accepted before."""
    found = await session.scalars(
        select(HeardChange.sequence).where(
            HeardChange.installation == installation, HeardChange.sequence.in_(sequences)
        )
    )
    return set(found)


async def keep_heard(session: AsyncSession, installation: str, sequences: Collection[int]) -> None:
    """Remember them. Done after their hints are stored: a crash between tells them twice."""
    rows = [{"installation": installation, "sequence": number} for number in sorted(sequences)]
    if rows:
        await session.execute(insert(HeardChange).values(rows).on_conflict_do_nothing())


async def prune_heard(session: AsyncSession, days: int, *, most: int) -> int:
    """Forget what was accepted longer ago; how many those were."""
    key = tuple_(HeardChange.installation, HeardChange.sequence)
    before = func.now() - func.make_interval(0, 0, 0, days)
    old = select(HeardChange.installation, HeardChange.sequence)
    old = old.where(HeardChange.heard_at < before).limit(most)
    dropped = await session.scalars(
        delete(HeardChange).where(key.in_(old)).returning(HeardChange.sequence)
    )
    return len(dropped.all())

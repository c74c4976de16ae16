"""How far polls have read the Vtiger add-on's outbox, and when it was last found absent."""

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.links.models import OutboxMark, Watermark
from app.links.repository import find_watermark, save_watermark

ABSENT = "addon:absent"


async def find_outbox_mark(session: AsyncSession, key: str) -> OutboxMark | None:
    return await session.get(OutboxMark, key)


async def lowest_sequence(session: AsyncSession, since: datetime) -> int | None:
    """From where to read so that all marks are served which a look confirmed after `since`; None
    without any. A module that is no longer looked at holds nothing up."""
    found: int | None = await session.scalar(
        select(func.min(OutboxMark.sequence)).where(OutboxMark.looked_at > since)
    )
    return found


async def save_outbox_mark(session: AsyncSession, mark: OutboxMark) -> None:
    await session.merge(mark)


async def forget_outbox_mark(session: AsyncSession, key: str) -> None:
    await session.execute(delete(OutboxMark).where(OutboxMark.key == key))


async def find_absent(session: AsyncSession) -> datetime | None:
    """When the CRM was last found to have no add-on that can be read."""
    return await find_watermark(session, ABSENT)


async def keep_absent(session: AsyncSession, moment: datetime) -> None:
    await save_watermark(session, ABSENT, moment)


async def forget_absent(session: AsyncSession) -> None:
    """It made itself heard, so the next poll asks for it."""
    await session.execute(delete(Watermark).where(Watermark.key == ABSENT))

"""When polls took stock of a module in one system: what was there by then is not imported."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.links.models import Watermark


async def find_stock(session: AsyncSession, key: str) -> datetime | None:
    """The moment, by the remote's clock; None before that."""
    found: datetime | None = await session.scalar(
        select(Watermark.stock_at).where(Watermark.key == key)
    )
    return found


async def save_stock(session: AsyncSession, key: str, stock_at: datetime) -> None:
    """Of a watermark that was saved before."""
    await session.execute(update(Watermark).where(Watermark.key == key).values(stock_at=stock_at))

"""Stores which webhooks of a shop are ours, and when they were last found in order."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.remotes.models import WebhookWatch


async def find_watch(session: AsyncSession, store: str) -> WebhookWatch | None:
    return await session.get(WebhookWatch, store)


async def save_watch(session: AsyncSession, store: str, webhook_ids: Collection[str]) -> datetime:
    """Store that these webhooks are in order now; return the time by the database's clock."""
    row = {"webhook_ids": sorted(webhook_ids, key=int), "well_at": func.clock_timestamp()}
    statement = insert(WebhookWatch).values(store=store, **row)
    statement = statement.on_conflict_do_update(index_elements=["store"], set_=row)
    saved = await session.scalars(statement.returning(WebhookWatch.well_at))
    return saved.one()


async def forget_watch(session: AsyncSession, store: str) -> None:
    """Delete the row: the shop's webhooks were removed on purpose."""
    await session.execute(delete(WebhookWatch).filter_by(store=store))

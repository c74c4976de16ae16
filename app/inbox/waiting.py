"""Looking at the hints of one record that still want work, without taking them."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.inbox.models import Delivery, DeliveryState
from app.records import Record

_OPEN = (DeliveryState.PENDING, DeliveryState.PROCESSING)


async def peek(session: AsyncSession, record_key: str) -> Record | None:
    """The record that open deliveries of this key are about, if there are any."""
    found = await session.scalar(
        select(Delivery)
        .where(Delivery.record_key == record_key, Delivery.state.in_(_OPEN))
        .limit(1)
    )
    return found.record if found is not None else None


async def was_tried(session: AsyncSession, record_key: str) -> bool:
    """Whether a hint of the record waits that somebody has worked on already."""
    found = await session.scalar(
        select(Delivery.id)
        .where(
            Delivery.record_key == record_key,
            Delivery.state.in_(_OPEN),
            Delivery.attempts > 0,
        )
        .limit(1)
    )
    return found is not None

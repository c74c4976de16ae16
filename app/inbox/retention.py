"""Dropping what was taken in, by age: first what it carried, later the deliveries themselves."""

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.inbox.models import Delivery, DeliveryState


def _settled_before(days: int, most: int) -> Select[int]:
    """A delivery is settled after it was received, by which there is an index. One that somebody
    else has locked is left for the next time."""
    moment = func.now() - func.make_interval(0, 0, 0, days)
    old = select(Delivery.id).where(Delivery.received_at < moment, Delivery.settled_at < moment)
    return old.limit(most).with_for_update(skip_locked=True)


async def prune_payloads(session: AsyncSession, days: int, *, most: int) -> int:
    """Drop the bodies of what was settled longer ago, dead letters' too: a replay reads anew."""
    old = _settled_before(days, most).where(Delivery.body.is_not(None))
    emptied = await session.scalars(
        update(Delivery).where(Delivery.id.in_(old)).values(body=None).returning(Delivery.id)
    )
    return len(emptied.all())


async def prune_deliveries(session: AsyncSession, days: int, *, most: int) -> int:
    """Drop what was settled longer ago; dead letters wait for a person as long as it takes."""
    old = _settled_before(days, most).where(Delivery.state == DeliveryState.DONE)
    dropped = await session.scalars(
        delete(Delivery).where(Delivery.id.in_(old)).returning(Delivery.id)
    )
    return len(dropped.all())

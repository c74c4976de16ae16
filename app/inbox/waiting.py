"""Looking at hints that still want work, and waking those that waited, without taking them."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.inbox.models import Delivery, DeliveryState
from app.inbox.repository import CHANNEL
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


async def is_live_waiting(session: AsyncSession) -> bool:
    """Whether a hint that no run brought up is due."""
    due = (Delivery.state == DeliveryState.PENDING) & (Delivery.next_attempt_at <= func.now())
    found = select(Delivery.id).where(due, Delivery.run_id.is_(None))
    return await session.scalar(found.limit(1)) is not None


async def search_hinted(
    session: AsyncSession, run_id: int, record_keys: Collection[str]
) -> set[str]:
    """Those of the records that a run has brought up."""
    found = select(Delivery.record_key).where(
        Delivery.run_id == run_id, Delivery.record_key.in_(record_keys)
    )
    return set(await session.scalars(found))


async def search_open_of_run(
    session: AsyncSession, run_id: int, *, within_seconds: float
) -> Sequence[str]:
    """The records of a run that are due within this time, or in hand."""
    soon = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, within_seconds)
    due = or_(
        Delivery.state == DeliveryState.PROCESSING,
        (Delivery.state == DeliveryState.PENDING) & (Delivery.next_attempt_at <= soon),
    )
    found = select(Delivery.record_key).where(Delivery.run_id == run_id, due)
    return (await session.scalars(found.distinct().order_by(Delivery.record_key))).all()


async def hasten(session: AsyncSession, reasons: Sequence[str], *, store: str = "") -> int:
    """Have hints that wait for one of these reasons, of one store or all, tried now; how many."""
    of_store = Delivery.store == store if store else true()
    hastened = await session.scalars(
        update(Delivery)
        .where(
            Delivery.state == DeliveryState.PENDING,
            Delivery.next_attempt_at > func.now(),
            Delivery.last_reason.in_(reasons),
            of_store,
        )
        .values(next_attempt_at=func.now())
        .returning(Delivery.id)
    )
    await session.execute(select(func.pg_notify(CHANNEL, "")))
    return len(hastened.all())

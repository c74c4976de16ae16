"""Looking at hints that still want work, joining and waking them, without taking them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.inbox.models import Delivery, DeliveryState
from app.inbox.repository import CHANNEL, NewDelivery, accept, locked
from app.records import Record

_OPEN = (DeliveryState.PENDING, DeliveryState.PROCESSING)


@dataclass(frozen=True, slots=True)
class Open:
    """A delivery that is not settled, and in how many seconds it is due: 0 if it is."""

    id: int
    next_attempt_at: datetime
    seconds: float


async def find_open(session: AsyncSession, delivery_id: int) -> Open | None:
    """The delivery, unless it is settled."""
    return await _find_open(session, Delivery.id == delivery_id)


async def join(
    session: AsyncSession, hint: NewDelivery, *, among: Collection[DeliveryState] = _OPEN
) -> Open:
    """The delivery of the hint's record, origin and run that is open already, in one of these
    states, whenever it is to be tried again; the hint is stored if there is none.

    Callers take turns by the record, so that of many at once one stores it. Nobody is woken.
    """
    turn = func.hashtextextended(hint.record.key, 0)
    await session.execute(select(func.pg_advisory_xact_lock(turn)))
    same = (
        (Delivery.record_key == hint.record.key)
        & (Delivery.origin == hint.origin)
        & Delivery.run_id.is_not_distinct_from(hint.run_id)
        & Delivery.state.in_(among)
    )
    if (found := await _find_open(session, same)) is not None:
        return found
    [accepted] = await accept(session, [hint], announce=False)
    stored = await _find_open(session, Delivery.id == accepted.id)
    if stored is None:
        raise LookupError("a delivery that was just stored is not there")
    return stored


async def _find_open(session: AsyncSession, condition: ColumnElement[bool]) -> Open | None:
    left = func.extract("epoch", Delivery.next_attempt_at - func.clock_timestamp())
    found = await session.execute(
        select(Delivery.id, Delivery.next_attempt_at, left)
        .where(condition, Delivery.state.in_(_OPEN))
        .order_by(Delivery.id)
        .limit(1)
    )
    row = found.first()
    return Open(row[0], row[1], max(0.0, float(row[2]))) if row is not None else None


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
    waiting = locked(
        Delivery.state == DeliveryState.PENDING,
        Delivery.next_attempt_at > func.now(),
        Delivery.last_reason.in_(reasons),
        of_store,
    )
    hastened = await session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(waiting))
        .values(next_attempt_at=func.now())
        .returning(Delivery.id)
    )
    await session.execute(select(func.pg_notify(CHANNEL, "")))
    return len(hastened.all())

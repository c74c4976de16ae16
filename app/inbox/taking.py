"""Hints that are in somebody's hands from the start, many at a time: those of runs."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ARRAY, BigInteger, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.inbox.models import Delivery, DeliveryState
from app.inbox.repository import NewDelivery, locked, wake_waiting


async def take_in(
    session: AsyncSession, hints: Sequence[NewDelivery], *, attempts: int
) -> list[Delivery]:
    """Store hints that are in the caller's hands at once, in their order: nobody is woken for
    them, but for a worker that finds them stranded."""
    now = await session.scalar(select(func.now()))
    in_hand = {"state": DeliveryState.PROCESSING, "claimed_at": now, "attempts": attempts}
    taken = [Delivery(**hint.as_row() | in_hand) for hint in hints]
    session.add_all(taken)
    await session.flush()
    for each in taken:
        await session.refresh(each)
    return taken


async def settle_each(
    session: AsyncSession, entries: Mapping[int, int], *, ended: Collection[str]
) -> None:
    """The end of deliveries in hand, each told by an entry of its own: its id by theirs. What
    waited for one of the `ended` records is due."""
    await session.execute(locked(Delivery.id.in_(entries)))
    numbers = func.unnest(
        literal(list(entries), ARRAY(BigInteger)),
        literal(list(entries.values()), ARRAY(BigInteger)),
    )
    told = numbers.table_valued("delivery", "entry").render_derived()
    await session.execute(
        update(Delivery)
        .where(Delivery.id == told.c.delivery, Delivery.state == DeliveryState.PROCESSING)
        .values(state=DeliveryState.DONE, settled_at=func.now(), sync_log_id=told.c.entry)
        .execution_options(synchronize_session=False)
    )
    await wake_waiting(session, ended)

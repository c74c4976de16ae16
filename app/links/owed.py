"""What records still lack, so that they are brought up again when it can be had."""

from collections.abc import Collection, Sequence

from sqlalchemy import collate, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import System
from app.links.models import Owed
from app.records import Module, Record


async def owe(
    session: AsyncSession, record: Record, needs: Collection[str], *, seconds: float = 0
) -> None:
    """The record lacks these, and is not brought up for them within so many seconds."""
    due_at = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    row = {
        "record_key": record.key,
        "store": record.store,
        "system": record.system,
        "module": record.module,
        "record_id": record.id,
        "due_at": due_at,
    }
    statement = insert(Owed).values([row | {"needs": need} for need in sorted(needs)])
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=[Owed.record_key, Owed.needs],
            set_={"due_at": statement.excluded.due_at},
        )
    )


async def take_owed(session: AsyncSession, needs: Collection[str]) -> Sequence[Record]:
    """The records that are due and lack one of these, which they have from now on."""
    due = select(Owed.record_key, Owed.needs).where(
        Owed.needs.in_(needs), Owed.due_at <= func.now()
    )
    in_order = due.order_by(collate(Owed.record_key, "C"), collate(Owed.needs, "C"))
    found = await session.execute(
        delete(Owed)
        .where(tuple_(Owed.record_key, Owed.needs).in_(in_order.with_for_update()))
        .returning(Owed.store, Owed.system, Owed.module, Owed.record_id)
    )
    return sorted(
        {
            Record(store, System(system), Module(module), record_id)
            for store, system, module, record_id in found
        },
        key=lambda record: record.key,
    )


async def search_needs(session: AsyncSession) -> Sequence[str]:
    """What is lacked by records that are due."""
    due = select(Owed.needs).where(Owed.due_at <= func.now()).distinct()
    return (await session.scalars(due)).all()

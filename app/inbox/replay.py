"""Bringing many records up again: one new hint for each record whose deliveries match a filter.

The database does it by itself, in batches of its own transactions, so that a hundred thousand dead
letters neither pass through memory nor hold anything up. Always safe: a hint is only a hint.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, collate, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from app.db.session import Sessions, transaction
from app.inbox.dedupe import replay_key_in_sql
from app.inbox.models import Delivery
from app.inbox.repository import CHANNEL
from app.inbox.search import DeliveryFilter, matching
from app.records import Origin

BATCH = 5000


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries matched, how many new ones that gave, and of how many records a replay
    was waiting already."""

    matched: int = 0
    replayed: int = 0
    duplicates: int = 0


async def replay(sessions: Sessions, filters: DeliveryFilter, *, batch: int = BATCH) -> Replayed:
    """Hint the records of all matching deliveries that are there now."""
    async with sessions() as session:
        last = int(await session.scalar(select(func.max(Delivery.id))) or 0)
    done, total = 0, Replayed()
    while done < last:
        async with transaction(sessions) as session:
            found = await _replay_batch(session, filters, after=done, last=last, batch=batch)
        done, part = found
        total = Replayed(
            total.matched + part.matched,
            total.replayed + part.replayed,
            total.duplicates + part.duplicates,
        )
    return total


async def _replay_batch(
    session: AsyncSession, filters: DeliveryFilter, *, after: int, last: int, batch: int
) -> tuple[int, Replayed]:
    """The id up to which all is done, and what that gave."""
    conditions = [*matching(filters), Delivery.id > after, Delivery.id <= last]
    ids = select(Delivery.id).where(*conditions).order_by(Delivery.id).limit(batch).subquery()
    matched, end = (
        await session.execute(select(func.count(), func.max(ids.c.id)).select_from(ids))
    ).one()
    if not matched:
        return last, Replayed()
    old = await session.scalars(_insert([*conditions, Delivery.id <= end]))
    waiting = list(old)
    await session.execute(select(func.pg_notify(CHANNEL, "")))
    return int(end), Replayed(int(matched), waiting.count(False), waiting.count(True))


_COPIED = ("store", "system", "module", "kind", "event", "record_id", "record_key")


def _insert(conditions: list[ColumnElement[bool]]) -> ReturningInsert[Any]:
    """One hint a record, told by its newest delivery; one that waits already is bumped."""
    newest = select(func.max(Delivery.id)).where(*conditions).group_by(Delivery.record_key)
    key = replay_key_in_sql(Delivery.record_key)
    rows = select(
        *(getattr(Delivery, name) for name in _COPIED),
        literal(Origin.REPLAY.value),
        key,
        func.concat("replay of delivery ", Delivery.id),
    )
    rows = rows.where(Delivery.id.in_(newest)).order_by(collate(key, "C"))
    names = [*_COPIED, "origin", "dedupe_key", "remote_note"]
    statement = insert(Delivery).from_select(names, rows)
    return statement.on_conflict_do_update(
        index_elements=[Delivery.dedupe_key],
        index_where=text("state = 'pending'"),
        set_={
            "duplicates": Delivery.duplicates + 1,
            "last_received_at": func.clock_timestamp(),
        },
    ).returning(text("xmax <> 0"))

"""Hints records again: replays that a person requests, hints of the service itself, and deliveries
that are deferred to a run.

A run creates new records in batches, much faster than one by one, so waiting deliveries of its
modules are deferred to it. Those that the run does not settle are processed once it has passed
them, or has not renewed the deferral for a while."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    collate,
    column,
    exists,
    func,
    literal,
    or_,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from app.db.session import Sessions, transaction
from app.domain import DeliveryState, Event, Module, Origin, Record, System
from app.inbox.models import Delivery
from app.inbox.repository import (
    CHANNEL,
    WAITING_FOR_RUN,
    DeliveryFilter,
    NewDelivery,
    is_waiting_for_run,
    locked,
    matching,
    record_of,
    replay_key,
    replay_key_in_sql,
)

# New hints for single records.


def hint_again(delivery: Delivery) -> NewDelivery:
    """A hint for the delivery's record, which joins a pending replay of the record."""
    note = f"replay of delivery {delivery.id}"
    return hint_record(record_of(delivery), Event(delivery.event), note=note)


def hint_record(record: Record, event: Event, *, note: str) -> NewDelivery:
    """A hint of origin `replay` for the record; `note` says why."""
    return NewDelivery(
        record, Origin.REPLAY, event, dedupe_key=replay_key(record.key), remote_note=note
    )


# Replays of many records: one hint for each record whose deliveries match a filter.
#
# The hints are inserted by the database in batches, each in its own transaction, so that a hundred
# thousand dead letters are not loaded into memory and hold no locks for long.

BATCH = 5000


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries matched, how many new deliveries were stored, and for how many records a
    replay was pending already."""

    matched: int = 0
    replayed: int = 0
    duplicates: int = 0


async def replay(sessions: Sessions, filters: DeliveryFilter, *, batch: int = BATCH) -> Replayed:
    """Hint the records of all matching deliveries that exist now."""
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
    """Replay one batch; return the id up to which deliveries are done, and the counts."""
    conditions = [*matching(filters), Delivery.id > after, Delivery.id <= last]
    ids = select(Delivery.id).where(*conditions).order_by(Delivery.id).limit(batch).subquery()
    matched, end = (
        await session.execute(select(func.count(), func.max(ids.c.id)).select_from(ids))
    ).one()
    if not matched:
        return last, Replayed()
    inserted = await session.scalars(_insert([*conditions, Delivery.id <= end]))
    was_pending = list(inserted)
    await session.execute(select(func.pg_notify(CHANNEL, "")))
    return int(end), Replayed(int(matched), was_pending.count(False), was_pending.count(True))


_COPIED = ("store", "system", "module", "kind", "event", "record_id", "record_key")


def _insert(conditions: list[ColumnElement[bool]]) -> ReturningInsert[Any]:
    """One hint for each record, copied from its newest matching delivery; joins a pending one."""
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


MESSAGE = "Run {run_id} is about to sync this record, together with many others."
DEFERRAL_SECONDS = 600
"""How long a hint is deferred to a run, unless the run renews that."""

Part = tuple[Module, System]
"""The records that a step of a run reads."""

_LINKS = table("links", column("store"), column("module"), column("woo_id"), column("vtiger_id"))


async def defer_to_run(
    session: AsyncSession, run_id: int, store: str, parts: Collection[Part], *, most: int
) -> None:
    """Defer hints without an attempt, of records without a link, to a run that will read these
    parts; only if there are more than `most`, since a few are faster one by one."""
    if not parts:
        return
    waiting = and_(_of(store, parts), _is_untried(), ~_has_pair())
    counted = select(Delivery.id).where(waiting).limit(most + 1).subquery()
    if int(await session.scalar(select(func.count()).select_from(counted)) or 0) <= most:
        return
    is_due_soon = Delivery.next_attempt_at < _from_now(DEFERRAL_SECONDS / 2)
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(locked(waiting, is_due_soon)))
        .values(
            next_attempt_at=_from_now(DEFERRAL_SECONDS),
            last_reason=WAITING_FOR_RUN,
            last_error=MESSAGE.format(run_id=run_id),
        )
    )


async def release_backlog(session: AsyncSession, store: str, parts: Collection[Part]) -> None:
    """Make the remaining deferred hints of these parts due, as the run has passed them or ended."""
    if not parts:
        return
    released = await session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(locked(_of(store, parts), is_waiting_for_run())))
        .values(next_attempt_at=func.now(), last_reason=None, last_error=None)
        .returning(Delivery.id)
    )
    if released.first() is not None:
        await session.execute(select(func.pg_notify(CHANNEL, "")))


async def claim_backlog(
    session: AsyncSession, record_keys: Collection[str]
) -> dict[str, list[Delivery]]:
    """Claim the hints of these records that are deferred to a run, by record key."""
    claimed = await session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(locked(Delivery.record_key.in_(record_keys), is_waiting_for_run())))
        .values(
            state=DeliveryState.PROCESSING, claimed_at=func.now(), attempts=Delivery.attempts + 1
        )
        .returning(Delivery)
    )
    found: dict[str, list[Delivery]] = {}
    for delivery in sorted(claimed, key=lambda delivery: delivery.id):
        found.setdefault(delivery.record_key, []).append(delivery)
    return found


def _from_now(seconds: float) -> ColumnElement[datetime]:
    return func.now() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _of(store: str, parts: Collection[Part]) -> ColumnElement[bool]:
    chosen = [
        and_(Delivery.module == module, Delivery.system == system) for module, system in parts
    ]
    return and_(Delivery.store == store, or_(*chosen))


def _is_untried() -> ColumnElement[bool]:
    fresh = and_(Delivery.attempts == 0, Delivery.last_reason.is_(None))
    return and_(
        Delivery.state == DeliveryState.PENDING,
        Delivery.run_id.is_(None),
        or_(fresh, Delivery.last_reason == WAITING_FOR_RUN),
    )


def _has_pair() -> ColumnElement[bool]:
    woo = and_(Delivery.system == System.WOOCOMMERCE, _LINKS.c.woo_id == Delivery.record_id)
    vtiger = and_(Delivery.system == System.VTIGER, _LINKS.c.vtiger_id == Delivery.record_id)
    same = and_(_LINKS.c.store == Delivery.store, _LINKS.c.module == Delivery.module)
    return exists().where(same, or_(woo, vtiger))

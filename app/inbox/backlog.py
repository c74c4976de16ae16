"""Many hints of new records that wait while a run is about to bring those very records.

One by one they would take far longer than the run, which makes new records together; so they are
left to it. Whatever the run does not bring is tried when it has gone past, or has not been heard of
for a while.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, column, exists, func, or_, select, table, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import System
from app.inbox.models import Delivery, DeliveryState
from app.inbox.repository import CHANNEL, locked
from app.inbox.waiting_for_run import WAITING_FOR_RUN, is_waiting_for_run
from app.records import Module

MESSAGE = "Run {run_id} is about to bring this record, together with many others."
SILENT_SECONDS = 600
"""How long after a run's last sign of life its backlog is anybody's."""

Part = tuple[Module, System]
"""What a step of a run looks at."""

_LINKS = table("links", column("store"), column("module"), column("woo_id"), column("vtiger_id"))


async def leave_to_run(
    session: AsyncSession, run_id: int, store: str, parts: Collection[Part], *, most: int
) -> None:
    """Have hints that nobody has tried, of records without a pair, wait for a run that will look
    at these parts: if there are more than `most`, for a few are quicker by themselves."""
    if not parts:
        return
    waiting = and_(_of(store, parts), _is_untried(), ~_has_pair())
    counted = select(Delivery.id).where(waiting).limit(most + 1).subquery()
    if int(await session.scalar(select(func.count()).select_from(counted)) or 0) <= most:
        return
    is_due_soon = Delivery.next_attempt_at < _from_now(SILENT_SECONDS / 2)
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(locked(waiting, is_due_soon)))
        .values(
            next_attempt_at=_from_now(SILENT_SECONDS),
            last_reason=WAITING_FOR_RUN,
            last_error=MESSAGE.format(run_id=run_id),
        )
    )


async def release_backlog(session: AsyncSession, store: str, parts: Collection[Part]) -> None:
    """A run has gone past these parts, or ended: what it did not bring is tried now."""
    if not parts:
        return
    freed = await session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(locked(_of(store, parts), is_waiting_for_run())))
        .values(next_attempt_at=func.now(), last_reason=None, last_error=None)
        .returning(Delivery.id)
    )
    if freed.first() is not None:
        await session.execute(select(func.pg_notify(CHANNEL, "")))


async def take_backlog(
    session: AsyncSession, record_keys: Collection[str]
) -> dict[str, list[Delivery]]:
    """The hints of these records that were left to a run, in its hands now, by record key."""
    taken = await session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(locked(Delivery.record_key.in_(record_keys), is_waiting_for_run())))
        .values(
            state=DeliveryState.PROCESSING, claimed_at=func.now(), attempts=Delivery.attempts + 1
        )
        .returning(Delivery)
    )
    found: dict[str, list[Delivery]] = {}
    for each in sorted(taken, key=lambda delivery: delivery.id):
        found.setdefault(each.record_key, []).append(each)
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

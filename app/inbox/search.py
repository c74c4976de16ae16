"""Finding deliveries: by what they are about, where they stand, and how they ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, column, exists, or_, select, table
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.db.pagination import Page, fetch_page
from app.inbox.models import Delivery


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """What to show; several values of one filter mean either, several filters mean all."""

    id: Sequence[int] = ()
    state: Sequence[str] = ()
    store: Sequence[str] = ()
    module: Sequence[str] = ()
    system: Sequence[str] = ()
    origin: Sequence[str] = ()
    record_id: Sequence[str] = ()
    reason: Sequence[str] = ()
    outcome: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None


_EQUAL = ("id", "state", "store", "module", "system", "origin", "record_id")
_LOG = table("sync_log", column("id"), column("reason"), column("outcome"))


def matching(filters: DeliveryFilter) -> list[ColumnElement[bool]]:
    """The filters as conditions; `reason` is what the log or the last try says."""
    found: list[ColumnElement[bool]] = [
        getattr(Delivery, name).in_(getattr(filters, name))
        for name in _EQUAL
        if getattr(filters, name)
    ]
    if filters.reason:
        waiting = Delivery.sync_log_id.is_(None) & Delivery.last_reason.in_(filters.reason)
        found.append(or_(_ended(_LOG.c.reason.in_(filters.reason)), waiting))
    if filters.outcome:
        found.append(_ended(_LOG.c.outcome.in_(filters.outcome)))
    if filters.since is not None:
        found.append(Delivery.received_at >= filters.since)
    if filters.until is not None:
        found.append(Delivery.received_at < filters.until)
    return found


def _ended(how: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(_LOG.c.id == Delivery.sync_log_id, how)


async def search_deliveries(
    session: AsyncSession, filters: DeliveryFilter, *, cursor: str | None, limit: int
) -> Page[Delivery]:
    """Newest first. Raises InvalidInput for a cursor that is not ours."""
    found = select(Delivery).options(defer(Delivery.body)).where(*matching(filters))
    key = (Delivery.received_at, Delivery.id)
    return await fetch_page(session, found, key=key, cursor=cursor, limit=limit)

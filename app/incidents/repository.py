"""Beginning, ending, finding and dropping incidents; times are the database's.

Several workers meet one trouble: it is one row, and only whoever made or ended it is told so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.pagination import Page, fetch_page
from app.errors import System
from app.incidents.models import IncidentKind, IncidentRow


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an incident is about. `store` is "" for the CRM, `subject` "" for the whole."""

    kind: IncidentKind
    system: System
    store: str = ""
    subject: str = ""

    def as_row(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "system": self.system,
            "store": self.store,
            "subject": self.subject,
        }


async def begin(session: AsyncSession, trouble: Trouble, message: str) -> bool:
    """Whether this is news; one that lasts gets the latest message."""
    row = trouble.as_row()
    statement = insert(IncidentRow).values(message=message, **row)
    statement = statement.on_conflict_do_update(
        index_elements=list(row),
        index_where=text("ended_at IS NULL"),
        set_={"message": message, "last_seen_at": func.clock_timestamp()},
    )
    return bool(await session.scalar(statement.returning(text("xmax = 0"))))


async def end(session: AsyncSession, trouble: Trouble, mended: str) -> bool:
    """Whether it lasted until now."""
    ended = await session.scalars(
        update(IncidentRow)
        .filter_by(**trouble.as_row(), ended_at=None)
        .values(ended_at=func.clock_timestamp(), mended=mended)
        .returning(IncidentRow.id)
    )
    return bool(ended.all())


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """What to show; several values of one filter mean either, several filters mean all."""

    store: Sequence[str] = ()
    system: Sequence[str] = ()
    kind: Sequence[str] = ()
    lasting: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


async def search_incidents(
    session: AsyncSession, filters: IncidentFilter, *, cursor: str | None, limit: int
) -> Page[IncidentRow]:
    """Those that began last come first. Raises InvalidInput for a cursor that is not ours."""
    found = select(IncidentRow)
    for name in ("store", "system", "kind"):
        if wanted := getattr(filters, name):
            found = found.where(getattr(IncidentRow, name).in_(wanted))
    if filters.lasting is not None:
        found = found.where(IncidentRow.ended_at.is_(None) == filters.lasting)
    if filters.since is not None:
        found = found.where(IncidentRow.began_at >= filters.since)
    if filters.until is not None:
        found = found.where(IncidentRow.began_at < filters.until)
    key = (IncidentRow.began_at, IncidentRow.id)
    return await fetch_page(session, found, key=key, cursor=cursor, limit=limit)


async def count_troubles(session: AsyncSession) -> int:
    """Incidents without an end as people count them: those of one kind and place are one."""
    places = select(IncidentRow.kind, IncidentRow.system, IncidentRow.store)
    lasting = places.where(IncidentRow.ended_at.is_(None)).distinct().subquery()
    return int(await session.scalar(select(func.count()).select_from(lasting)) or 0)


async def count_lasting(session: AsyncSession) -> dict[str, int]:
    """Incidents without an end by kind, zeros included."""
    rows = await session.execute(
        select(IncidentRow.kind, func.count())
        .where(IncidentRow.ended_at.is_(None))
        .group_by(IncidentRow.kind)
    )
    counts = {str(kind): int(count) for kind, count in rows}
    return {str(kind): counts.get(kind, 0) for kind in IncidentKind}


async def prune_incidents(session: AsyncSession, days: int) -> None:
    """Drop what ended longer ago."""
    await session.execute(
        delete(IncidentRow).where(
            IncidentRow.ended_at < func.now() - func.make_interval(0, 0, 0, days)
        )
    )

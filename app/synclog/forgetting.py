"""What the log knows of one person: rows and totals stay, names and values go."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, case, false, or_, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.db.traces import Traces
from app.records import FORGOTTEN_GUEST
from app.synclog.models import Entry

_TOLD = (
    *(Entry.message, Entry.label, Entry.changes, Entry.notes, Entry.conflicts),
    *(Entry.source_id, Entry.target_id),
)


async def erase_entries(
    session: AsyncSession,
    traces: Traces,
    *,
    link_ids: Collection[int],
    places: Collection[tuple[str, str, str]],
) -> int:
    """`places` are store, module and id of the person's records, in either system."""
    theirs = or_(Entry.link_id.in_(link_ids), _at(places), traces.in_text(*_TOLD))
    erased = await session.scalars(
        update(Entry)
        .where(traces.of_store(Entry.store), theirs)
        .values(
            message="",
            label="",
            changes=[],
            notes=[],
            conflicts=[],
            source_id=_nameless(traces, Entry.source_id),
            target_id=_nameless(traces, Entry.target_id),
        )
        .returning(Entry.id)
    )
    return len(erased.all())


def _at(places: Collection[tuple[str, str, str]]) -> ColumnElement[bool]:
    if not places:
        return false()
    sides = ((Entry.store, Entry.module, each) for each in (Entry.source_id, Entry.target_id))
    return or_(*(tuple_(*side).in_(places) for side in sides))


def _nameless(traces: Traces, column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    return case((traces.in_text(column), FORGOTTEN_GUEST), else_=column)

"""The newest outcome of each of a few records, whichever way it went."""

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.errors import System
from app.records import Module, Record
from app.synclog.models import Entry


async def search_latest(session: AsyncSession, records: Collection[Record]) -> dict[str, Entry]:
    """By the record's key; what the log does not tell of is left out. The entries come without
    their lists of changes, notes and conflicts."""
    found: dict[str, Entry] = {}
    for system in System:
        theirs = [record for record in records if record.system is system]
        if not theirs:
            continue
        entries = [
            *await _search(session, theirs, target=system.other),
            *await _search(session, theirs, target=system),
        ]
        for entry in sorted(entries, key=lambda each: (each.occurred_at, each.id)):
            found[_record(entry, system).key] = entry
    wanted = {record.key for record in records}
    return {key: entry for key, entry in found.items() if key in wanted}


async def _search(
    session: AsyncSession, records: Sequence[Record], *, target: System
) -> Sequence[Entry]:
    """The newest entry of each record of one system as the source, or as what was written to."""
    column = Entry.target_id if records[0].system is target else Entry.source_id
    same = (Entry.store, Entry.module, column)
    entries = (
        select(Entry)
        .options(*(defer(each) for each in (Entry.changes, Entry.notes, Entry.conflicts)))
        .where(
            Entry.target == target,
            Entry.store.in_({record.store for record in records}),
            Entry.module.in_({record.module for record in records}),
            column.in_({record.id for record in records}),
        )
        .ext(distinct_on(*same))
        .order_by(*same, Entry.occurred_at.desc(), Entry.id.desc())
    )
    return (await session.scalars(entries)).all()


def _record(entry: Entry, system: System) -> Record:
    """The record of one system that an entry tells of."""
    record_id = entry.target_id if entry.target == system else entry.source_id
    module = Module(entry.module) if entry.module else None
    return Record(entry.store, system, module, record_id or "")

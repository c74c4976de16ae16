"""Reading and changing what is known of the remotes; the clock is the database's."""

from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.remotes.models import Remote
from app.remotes.state import RemoteState

Step = Callable[[RemoteState, datetime], RemoteState]

_FIELDS = [field.name for field in fields(RemoteState)]


async def change(
    session: AsyncSession, key: str, step: Step
) -> tuple[RemoteState, RemoteState, datetime]:
    """Before, after, and the moment. `step` is given the state, locked, and the moment; a crash
    may lose the change, which the next call's end makes up for."""
    before, now = await _lock(session, key)
    after = step(before, now)
    if after != before:
        await session.execute(update(Remote).filter_by(key=key).values(**asdict(after)))
    return before, after, now


async def _lock(session: AsyncSession, key: str) -> tuple[RemoteState, datetime]:
    asynchronous = func.set_config("synchronous_commit", "off", True)
    found = select(Remote, func.clock_timestamp(), asynchronous).filter_by(key=key)
    found = found.with_for_update(of=Remote)
    row = (await session.execute(found)).first()
    if row is None:
        await session.execute(insert(Remote).values(key=key).on_conflict_do_nothing())
        row = (await session.execute(found)).one()
    return _state_of(row[0]), row[1]


async def search_remotes(session: AsyncSession) -> dict[str, RemoteState]:
    """All that were called so far, by key."""
    rows = await session.scalars(select(Remote))
    return {row.key: _state_of(row) for row in rows}


def _state_of(row: Remote) -> RemoteState:
    return RemoteState(**{name: getattr(row, name) for name in _FIELDS})

"""Reading and changing what is known of the remotes; the clock is the database's."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.remotes.models import Remote, RemoteCalls
from app.remotes.state import RemoteState

Step = Callable[[RemoteState, datetime], RemoteState]

SILENT = timedelta(seconds=10)
"""A process whose row is older than this is taken for gone."""

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


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Calls to one remote that have not ended: how many, and when the oldest was made."""

    calls: int
    oldest_at: datetime


async def report_calls(
    session: AsyncSession, key: str, process: str, *, calls: int, oldest_seconds: float
) -> datetime | None:
    """Tell what one process has under way, and learn when the oldest call of all was made; None
    if there is none. Rows of processes that are gone are dropped."""
    now = func.clock_timestamp()
    gone = RemoteCalls.seen_at < now - SILENT
    if calls:
        row = {
            "calls": calls,
            "oldest_at": now - func.make_interval(0, 0, 0, 0, 0, 0, oldest_seconds),
            "seen_at": now,
        }
        statement = insert(RemoteCalls).values(key=key, process=process, **row)
        await session.execute(
            statement.on_conflict_do_update(index_elements=["key", "process"], set_=row)
        )
    else:
        gone = gone | (RemoteCalls.process == process)
    await session.execute(delete(RemoteCalls).where(RemoteCalls.key == key, gone))
    found = (await search_calls(session)).get(key)
    return found.oldest_at if found else None


async def search_calls(session: AsyncSession) -> dict[str, UnderWay]:
    """What all living processes have under way, by the remote's key."""
    alive = RemoteCalls.seen_at >= func.clock_timestamp() - SILENT
    rows = await session.execute(
        select(RemoteCalls.key, func.sum(RemoteCalls.calls), func.min(RemoteCalls.oldest_at))
        .where(alive)
        .group_by(RemoteCalls.key)
    )
    return {key: UnderWay(int(calls), oldest_at) for key, calls, oldest_at in rows}


async def search_remotes(session: AsyncSession) -> dict[str, RemoteState]:
    """All that were called so far, by key."""
    rows = await session.scalars(select(Remote))
    return {row.key: _state_of(row) for row in rows}


def _state_of(row: Remote) -> RemoteState:
    return RemoteState(**{name: getattr(row, name) for name in _FIELDS})

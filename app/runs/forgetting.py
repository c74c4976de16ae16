"""What comparisons know of one person: the count of differences stays, the values go."""

from collections.abc import Collection

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.traces import Traces
from app.runs.models import RunDifference, SyncRun

_TOLD = (
    *(RunDifference.record_key, RunDifference.label, RunDifference.message),
    *(RunDifference.fields, RunDifference.woo_id),
)


async def erase_differences(session: AsyncSession, traces: Traces, keys: Collection[str]) -> int:
    of_store = select(SyncRun.id).where(traces.of_store(SyncRun.store))
    theirs = or_(RunDifference.record_key.in_(keys), traces.in_text(*_TOLD))
    found = select(RunDifference.id).where(RunDifference.run_id.in_(of_store), theirs)
    ids = (await session.scalars(found)).all()
    values = {"label": "", "message": "", "fields": []}
    erased = update(RunDifference).where(RunDifference.id.in_(ids)).values(values)
    await session.execute(erased)
    guests = RunDifference.id.in_(ids) & traces.in_text(RunDifference.record_key)
    nameless = func.concat("forgotten:", RunDifference.id)
    await session.execute(
        update(RunDifference).where(guests).values(record_key=nameless, woo_id=None)
    )
    return len(ids)

"""When all records of a module were last looked at, so that it is done again in time."""

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.links.models import FullPass


async def is_pass_due(session: AsyncSession, key: str, interval_seconds: float) -> bool:
    """Whether the last one is as long ago, or unknown."""
    since = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, interval_seconds)
    recent = select(FullPass.key).where(FullPass.key == key, FullPass.passed_at > since)
    return await session.scalar(recent) is None


async def save_pass(session: AsyncSession, key: str, *, store: str, seconds_ago: float) -> None:
    passed_at = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds_ago)
    statement = insert(FullPass).values(key=key, store=store, passed_at=passed_at)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["key"], set_={"passed_at": passed_at})
    )


async def expire_passes(session: AsyncSession, store: str) -> None:
    """Have all of a store's records looked at by the next polls: hints may have been lost."""
    await session.execute(delete(FullPass).where(FullPass.store == store))

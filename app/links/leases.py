"""Leases: one worker at a time on a pair, on any number of machines.

A lease lives in a table and expires by the database's clock, so a worker that died frees its
pair within seconds and skewed clocks do no harm. The holder renews it while it works and asks
`check` before every write, which goes by its own monotonic clock: if renewals failed, it stops
writing before anyone else may start.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from sqlalchemy import delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Sessions, transaction
from app.errors import LeaseLost
from app.links.models import Lease


async def _take(session: AsyncSession, keys: Collection[str], owner: str, seconds: float) -> bool:
    wanted = sorted(keys)
    expires_at = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    row = {"owner": owner, "expires_at": expires_at}
    statement = insert(Lease).values([{"key": key, **row} for key in wanted])
    taken = await session.scalars(
        statement.on_conflict_do_update(
            index_elements=[Lease.key],
            set_=row,
            where=(Lease.expires_at < func.clock_timestamp()) | (Lease.owner == owner),
        ).returning(Lease.key)
    )
    return len(taken.all()) == len(wanted)


class PairLease:
    """The keys one worker holds. `extend` adds keys; all of them are renewed together."""

    def __init__(self, sessions: Sessions, owner: str, seconds: float) -> None:
        self._sessions = sessions
        self._owner = owner
        self._seconds = seconds
        self._keys: set[str] = set()
        self._valid_until = 0.0

    async def extend(self, keys: Collection[str]) -> None:
        """Hold these too, or raise LeaseLost with nothing taken."""
        started = time.monotonic()
        wanted = self._keys | set(keys)
        async with self._sessions() as session:
            if not await _take(session, wanted, self._owner, self._seconds):
                await session.rollback()
                raise LeaseLost("another worker is at this pair")
            await session.commit()
        self._keys = wanted
        self._valid_until = started + self._seconds

    def check(self) -> None:
        """Raise LeaseLost if another worker may have taken over since the last renewal."""
        if time.monotonic() >= self._valid_until:
            raise LeaseLost("the pair's lease ran out while working on it")

    async def keep(self) -> None:
        """Renew until cancelled; a failed renewal only lets `check` fail in time."""
        while True:
            await asyncio.sleep(self._seconds / 3)
            with contextlib.suppress(Exception):
                await self._renew()

    async def _renew(self) -> None:
        started = time.monotonic()
        async with transaction(self._sessions) as session:
            renewed = await session.scalars(
                update(Lease)
                .where(Lease.key.in_(self._keys), Lease.owner == self._owner)
                .values(
                    expires_at=func.clock_timestamp()
                    + func.make_interval(0, 0, 0, 0, 0, 0, self._seconds)
                )
                .returning(Lease.key)
            )
            if len(renewed.all()) == len(self._keys):
                self._valid_until = started + self._seconds

    async def release(self) -> None:
        async with transaction(self._sessions) as session:
            await session.execute(delete(Lease).where(Lease.owner == self._owner))


@asynccontextmanager
async def hold(
    sessions: Sessions, keys: Collection[str], *, owner: str, seconds: float
) -> AsyncIterator[PairLease]:
    """Hold the keys for the body's time; LeaseLost at once if another worker has one of them."""
    lease = PairLease(sessions, owner, seconds)
    await lease.extend(keys)
    keeper = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        await lease.release()


async def is_held(session: AsyncSession, key: str) -> bool:
    return bool(
        await session.scalar(
            select(literal(True)).where(Lease.key == key, Lease.expires_at > func.now())
        )
    )

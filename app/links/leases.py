"""Leases: one worker at a time on a pair, on any number of machines.

A lease lives in a table and expires by the database's clock, so a worker that died frees its
pair within seconds and skewed clocks do no harm. The holder renews it while it works and asks
`check` before every remote write, which goes by its own monotonic clock: if renewals failed, it
stops writing before anyone else may start. What it writes down itself is fenced by `confirm`,
in the same transaction: a worker that slept through its lease can neither settle nor reopen
what its successor has in hand. Rows are always locked in the order of their keys.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Sessions, transaction
from app.errors import LeaseLost
from app.links.models import Lease

STEP_SECONDS = 0.05


async def _take(
    session: AsyncSession, keys: Collection[str], owner: str, seconds: float
) -> set[str]:
    """Those of the keys that are the owner's now."""
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
    return set(taken)


class PairLease:
    """The keys one worker holds. `extend` adds keys; all of them are renewed together."""

    def __init__(self, sessions: Sessions, owner: str, seconds: float) -> None:
        self._sessions = sessions
        self._owner = owner
        self._seconds = seconds
        self._keys: set[str] = set()
        self._valid_until = 0.0
        self._turn = asyncio.Lock()

    async def extend(self, keys: Collection[str], *, patience: float = 0.0) -> None:
        """Hold these too, or raise LeaseLost with nothing taken.

        Another holder is waited for as many seconds as `patience` says. What ran out is never
        taken again: somebody may have worked on the pair in between.
        """
        give_up_at = time.monotonic() + patience
        while True:
            try:
                await self._extend(keys)
            except LeaseLost:
                if time.monotonic() >= give_up_at:
                    raise
                await asyncio.sleep(STEP_SECONDS)
            else:
                return

    async def _extend(self, keys: Collection[str]) -> None:
        """Only what is not held yet is taken: a page of records holds hundreds of keys."""
        if self._keys:
            self.check()
        async with self._turn:
            started, wanted = time.monotonic(), set(keys) - self._keys
            if not wanted:
                return
            async with self._sessions() as session:
                taken = await _take(session, wanted, self._owner, self._seconds)
                if len(taken) < len(wanted):
                    await session.rollback()
                    raise LeaseLost("another worker is at this pair")
                await session.commit()
            self._valid_until = self._valid_until if self._keys else started + self._seconds
            self._keys |= wanted

    async def take_free(self, groups: Mapping[str, Collection[str]]) -> set[str]:
        """Hold as many groups of keys as nobody else has a key of; the names of those groups."""
        if not groups:
            return set()
        async with self._turn, transaction(self._sessions) as session:
            started, wanted = time.monotonic(), set().union(*groups.values()) - self._keys
            free = self._keys | await _take(session, wanted, self._owner, self._seconds)
            held = {name for name, keys in groups.items() if free.issuperset(keys)}
            kept = self._keys.union(*(groups[name] for name in held))
            await session.execute(delete(Lease).where(self._ours(free - kept)))
            self._valid_until = self._valid_until if self._keys else started + self._seconds
            self._keys = kept
        return held

    def check(self) -> None:
        """Raise LeaseLost if another worker may have taken over since the last renewal."""
        if time.monotonic() >= self._valid_until:
            raise LeaseLost("the pair's lease ran out while working on it")

    async def confirm(self, session: AsyncSession) -> None:
        """Raise LeaseLost unless all keys are ours still, and stay so until the transaction ends.

        A lease that ran out but that nobody took is as good as a fresh one: whoever wants it
        waits for this transaction.
        """
        held = await session.scalars(self._mine(self._keys))
        if len(held.all()) < len(self._keys):
            raise LeaseLost("another worker took over this pair")

    def _mine(self, keys: Collection[str]) -> Select[str]:
        return select(Lease.key).where(self._ours(keys)).order_by(Lease.key).with_for_update()

    def _ours(self, keys: Collection[str]) -> ColumnElement[bool]:
        return Lease.key.in_(keys) & (Lease.owner == self._owner)

    async def keep(self) -> None:
        """Renew until cancelled; a failed renewal only lets `check` fail in time."""
        while True:
            await asyncio.sleep(self._seconds / 3)
            with contextlib.suppress(Exception):
                await self.renew()

    async def renew(self) -> None:
        """Hold all keys for another while; without effect if one of them is lost."""
        async with self._turn:
            started, keys = time.monotonic(), set(self._keys)
            if not keys:
                return
            async with transaction(self._sessions) as session:
                mine = (await session.scalars(self._mine(keys))).all()
                if len(mine) < len(keys):
                    return
                await _take(session, keys, self._owner, self._seconds)
            self._valid_until = started + self._seconds

    async def release(self) -> None:
        async with self._turn, transaction(self._sessions) as session:
            mine = (await session.scalars(self._mine(self._keys))).all()
            await session.execute(delete(Lease).where(Lease.key.in_(mine)))


@asynccontextmanager
async def hold(
    sessions: Sessions, keys: Collection[str], *, owner: str, seconds: float, patience: float = 0.0
) -> AsyncIterator[PairLease]:
    """Hold the keys for the body's time; LeaseLost if another worker has one of them, at once or
    after `patience` seconds."""
    lease = PairLease(sessions, owner, seconds)
    await lease.extend(keys, patience=patience)
    keeper = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        await lease.release()

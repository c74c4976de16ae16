"""Leases: one worker at a time on a pair, on any number of machines.

A lease lives in a table and expires by the database's clock, so a worker that died frees its
pair within seconds and skewed clocks do no harm. The holder renews it while it works and asks
`check` before every remote write, which goes by its own monotonic clock: if renewals failed, it
stops writing before anyone else may start. What it writes down itself is fenced by `confirm`,
in the same transaction: a worker that slept through its lease can neither settle nor reopen
what its successor has in hand. A lease that was given back is lost for whoever still asks it.
Rows are always locked in the order of their keys, byte by byte, as Python sorts text too:
decision 16."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    any_,
    collate,
    delete,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Sessions, transaction
from app.domain import LeaseLost, bounded_key
from app.links.models import Lease
from app.tasks import in_background

STEP_SECONDS = 0.05


def _array(keys: Collection[str]) -> ColumnElement[list[str]]:
    """One parameter for all keys: a page of orders has more than a statement takes parameters."""
    return literal(list(keys), ARRAY(Text))


async def _take(
    session: AsyncSession, keys: Collection[str], owner: str, seconds: float
) -> set[str]:
    """Those of the keys that are the owner's now."""
    expires_at = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    key = func.unnest(_array(keys)).column_valued("key")
    rows = select(key, literal(owner), expires_at).order_by(collate(key, "C"))
    taken = await session.scalars(
        insert(Lease)
        .from_select(["key", "owner", "expires_at"], rows)
        .on_conflict_do_update(
            index_elements=[Lease.key],
            set_={"owner": owner, "expires_at": expires_at},
            where=(Lease.expires_at < func.clock_timestamp()) | (Lease.owner == owner),
        )
        .returning(Lease.key)
    )
    return set(taken)


class PairLease:
    """The keys one worker holds. `extend` adds keys; all of them are renewed together, and given
    back together, for good."""

    def __init__(self, sessions: Sessions, owner: str, seconds: float) -> None:
        self._sessions = sessions
        self._owner = owner
        self._seconds = seconds
        self._keys: set[str] = set()
        self._valid_until = 0.0
        self._is_released = False
        self._turn = asyncio.Lock()

    async def extend(self, keys: Collection[str], *, patience: float = 0.0) -> None:
        """Hold these too, or raise LeaseLost with nothing taken.

        Another holder is waited for as many seconds as `patience` says. What ran out is never
        taken again: somebody may have worked on the pair in between.
        """
        give_up_at = time.monotonic() + patience
        wanted = {bounded_key(key) for key in keys}
        while True:
            try:
                await self._extend(wanted)
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
            self._refuse_released()
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
        groups = {name: {bounded_key(key) for key in keys} for name, keys in groups.items()}
        async with self._turn, transaction(self._sessions) as session:
            self._refuse_released()
            started, wanted = time.monotonic(), set().union(*groups.values()) - self._keys
            free = self._keys | await _take(session, wanted, self._owner, self._seconds)
            held = {name for name, keys in groups.items() if free.issuperset(keys)}
            kept = self._keys.union(*(groups[name] for name in held))
            await session.execute(delete(Lease).where(self._ours(free - kept)))
            self._valid_until = self._valid_until if self._keys else started + self._seconds
            self._keys = kept
        return held

    def check(self) -> None:
        """Raise LeaseLost if another worker may have taken over since the last renewal, or the
        lease was given back."""
        self._refuse_released()
        if time.monotonic() >= self._valid_until:
            raise LeaseLost("the pair's lease ran out while working on it")

    def _refuse_released(self) -> None:
        if self._is_released:
            raise LeaseLost("the pair's lease was given back already")

    async def confirm(self, session: AsyncSession) -> None:
        """Raise LeaseLost unless all keys are ours still, and stay so until the transaction ends.

        A lease that ran out but that nobody took is as good as a fresh one: whoever wants it
        waits for this transaction.
        """
        self._refuse_released()
        held = await session.scalars(self._mine(self._keys))
        if len(held.all()) < len(self._keys):
            raise LeaseLost("another worker took over this pair")

    def _mine(self, keys: Collection[str]) -> Select[str]:
        found = select(Lease.key).where(self._ours(keys))
        return found.order_by(collate(Lease.key, "C")).with_for_update()

    def _ours(self, keys: Collection[str]) -> ColumnElement[bool]:
        return (Lease.key == any_(_array(keys))) & (Lease.owner == self._owner)

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
        """Give all keys back; whoever still works under this lease is refused from now on."""
        self._is_released = True
        async with self._turn, transaction(self._sessions) as session:
            mine = (await session.scalars(self._mine(self._keys))).all()
            await session.execute(delete(Lease).where(Lease.key == any_(_array(mine))))


@asynccontextmanager
async def hold(
    sessions: Sessions, keys: Collection[str], *, owner: str, seconds: float, patience: float = 0.0
) -> AsyncIterator[PairLease]:
    """Hold the keys for the body's time; LeaseLost if another worker has one of them, at once or
    after `patience` seconds."""
    lease = PairLease(sessions, owner, seconds)
    await lease.extend(keys, patience=patience)
    async with _kept(lease):
        yield lease


@asynccontextmanager
async def acquire_turn(
    sessions: Sessions, key: str, *, owner: str, seconds: float
) -> AsyncIterator[PairLease]:
    """Hold the key of periodic work for the body's time; LeaseLost if a living worker is at it.

    A worker that died in the middle left the work undone, so the end of its lease is waited for.
    """
    lease = PairLease(sessions, owner, seconds)
    try:
        await lease.extend([key])
    except LeaseLost:
        if not await _ends_silently(sessions, key):
            raise
        await lease.extend([key])
    async with _kept(lease):
        yield lease


@asynccontextmanager
async def _kept(lease: PairLease) -> AsyncIterator[None]:
    """The lease is renewed while the body runs, and given back after it."""
    try:
        async with in_background(lease.keep()):
            yield
    finally:
        await lease.release()


@dataclass(frozen=True, slots=True)
class _Holding:
    """Who has a key until when."""

    owner: str
    expires_at: datetime


async def _ends_silently(sessions: Sessions, key: str) -> bool:
    """Whether the lease of a key runs out, without being renewed or given back before."""
    first, seconds = await _look_at(sessions, key)
    now = first
    while now is not None and now == first and seconds > 0:
        await asyncio.sleep(seconds + STEP_SECONDS)
        now, seconds = await _look_at(sessions, key)
    return now is not None and now == first


async def _look_at(sessions: Sessions, key: str) -> tuple[_Holding | None, float]:
    """Who has the key, and for how many seconds by the database's clock."""
    left = func.extract("epoch", Lease.expires_at - func.clock_timestamp())
    async with sessions() as session:
        found = await session.execute(
            select(Lease.owner, Lease.expires_at, left).where(Lease.key == key)
        )
    row = found.first()
    return (_Holding(row[0], row[1]), float(row[2])) if row is not None else (None, 0.0)

"""Leases: one worker at a time works on a pair, on any number of machines.

A lease is a row that expires by the database's clock: the pair of a worker that died is free within
seconds, and skewed clocks do no harm. The holder renews the lease while it works. It calls `check`,
which uses the process's monotonic clock, before every remote write: if renewals failed, it
stops writing before another worker may start. Its writes to the database are fenced by `confirm` in
the same transaction: a worker whose lease expired can neither settle nor reopen the deliveries of
its successor. A released lease cannot be used again.
Rows are always locked in the bytewise order of their keys, which is Python's order of text too
(decision 16)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
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

from app.db.session import Driver, Sessions, fetch_prepared, transaction
from app.domain import LeaseLost, Record, System, bounded_key
from app.links.models import Lease, Link
from app.tasks import in_background

STEP_SECONDS = 0.05

# Lease keys: what a drain leases while it works on a pair.

LEASE_WAIT_SECONDS = 2.0
"""Seconds to wait for a twin or a new Account that another worker has leased. Of two workers that
create one pair from its two ends, the one with the natural key waits and the other gives up at
once; if both gave up, they would collide again at each retry."""


def lease_keys(*records: Record) -> list[str]:
    """A key for each record, and for each Vtiger record one more that all stores share.

    Two shops may sync the same Vtiger record. Without the shared key two workers could both read
    it before either writes, and one shop's edit would be lost (lost update).
    """
    return [key for record in records for key in (record.key, shared_key(record)) if key]


def pair_keys(link: Link) -> list[str]:
    """The keys of both records of a pair."""
    return lease_keys(*(link.record(system) for system in System))


def with_partner(record: Record, link: Link | None) -> list[Record]:
    """The record and, if it has a pair, its partner."""
    return [record] if link is None else [record, link.record(record.system.other)]


def shared_key(record: Record) -> str:
    """The key that all stores share for a Vtiger record; "" for a shop's record, which belongs to
    one store only."""
    if record.system is System.WOOCOMMERCE:
        return ""
    return f"any:{record.module}:{record.system}:{record.id}"


# The leases of one worker.


def _array(keys: Collection[str]) -> ColumnElement[list[str]]:
    """All keys as one parameter: a page of orders has more keys than a statement takes
    parameters."""
    return literal(list(keys), ARRAY(Text))


async def _take(
    session: AsyncSession, keys: Collection[str], owner: str, seconds: float
) -> set[str]:
    """Take or renew keys for `seconds`; return those that the owner holds afterwards."""
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


# Leases of many workers of one process at once, each with its own owner.

TAKEN = "another worker holds the lease of this pair"
TAKEN_OVER = "another worker took over this pair"

Holding = tuple[str, str]
"""A key and its owner."""

_TAKE_EACH = """
INSERT INTO leases AS known (key, owner, expires_at)
SELECT key, owner, clock_timestamp() + make_interval(secs => seconds)
FROM unnest(%b::text[], %b::text[], %b::float8[]) AS wanted (key, owner, seconds)
ORDER BY key COLLATE "C"
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
WHERE known.expires_at < clock_timestamp() OR known.owner = excluded.owner
RETURNING key, owner
"""
_CONFIRM_EACH = """
SELECT key, owner FROM leases
WHERE key = ANY (%b::text[])
  AND (key, owner) IN (SELECT * FROM unnest(%b::text[], %b::text[]))
ORDER BY key COLLATE "C" FOR UPDATE
"""
_FREE_EACH = """
DELETE FROM leases WHERE key = ANY (%b::text[])
  AND (key, owner) IN (SELECT * FROM unnest(%b::text[], %b::text[]))
RETURNING key
"""


async def take_each(driver: Driver, wanted: Mapping[str, str], seconds: float) -> set[Holding]:
    """Take keys for these owners for `seconds`; return those that were free, with their owners."""
    columns = [list(wanted), list(wanted.values()), [seconds] * len(wanted)]
    return {(key, owner) for key, owner in await fetch_prepared(driver, _TAKE_EACH, columns)}


async def confirm_each(driver: Driver, held: Collection[Holding]) -> set[Holding]:
    """Those of these leases that are held still, locked until the transaction ends. An expired
    lease that nobody else took is held still."""
    found = await fetch_prepared(driver, _CONFIRM_EACH, _columns(held))
    return {(key, owner) for key, owner in found}


async def free_each(driver: Driver, held: Collection[Holding]) -> None:
    """Release leases that the transaction has taken or confirmed."""
    await fetch_prepared(driver, _FREE_EACH, _columns(held))


def _columns(held: Collection[Holding]) -> Sequence[object]:
    keys, owners = [key for key, _ in held], [owner for _, owner in held]
    return keys, keys, owners


class PairLease:
    """The keys that one worker holds. `extend` adds keys; all are renewed and released together.
    A released lease stays released."""

    def __init__(self, sessions: Sessions, owner: str, seconds: float) -> None:
        self.owner = owner
        self._sessions = sessions
        self._seconds = seconds
        self._keys: set[str] = set()
        self._valid_until = 0.0
        self._is_released = False
        self._turn = asyncio.Lock()

    @property
    def holdings(self) -> set[Holding]:
        """What is held, for `confirm_each` and `free_each`. Raises LeaseLost if it was released."""
        self._refuse_released()
        return {(key, self.owner) for key in self._keys}

    def adopt(self, keys: Collection[str], *, taken_at: float) -> None:
        """Hold keys that `take_each` took for the owner; `taken_at` is the monotonic time in
        seconds before that."""
        self._keys, self._valid_until = set(keys), taken_at + self._seconds

    def mark_released(self) -> None:
        """Note that `free_each` released all keys in a transaction that is committed."""
        self._is_released, self._keys = True, set()

    async def extend(self, keys: Collection[str], *, wait_seconds: float = 0.0) -> None:
        """Hold these keys too, or raise LeaseLost with none of them taken.

        Waits up to `wait_seconds` for another holder. A lease that expired is never taken
        again: another worker may have worked on the pair in between.
        """
        give_up_at = time.monotonic() + wait_seconds
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
        """Take the keys that are not held yet: a page of records has hundreds of keys."""
        if self._keys:
            self.check()
        async with self._turn:
            self._refuse_released()
            started, wanted = time.monotonic(), set(keys) - self._keys
            if not wanted:
                return
            async with self._sessions() as session:
                taken = await _take(session, wanted, self.owner, self._seconds)
                if len(taken) < len(wanted):
                    await session.rollback()
                    raise LeaseLost(TAKEN)
                await session.commit()
            self._valid_until = self._valid_until if self._keys else started + self._seconds
            self._keys |= wanted

    async def take_free(self, groups: Mapping[str, Collection[str]]) -> set[str]:
        """Hold every group of which no other worker holds a key; return the names of the groups."""
        if not groups:
            return set()
        groups = {name: {bounded_key(key) for key in keys} for name, keys in groups.items()}
        async with self._turn, transaction(self._sessions) as session:
            self._refuse_released()
            started, wanted = time.monotonic(), set().union(*groups.values()) - self._keys
            free = self._keys | await _take(session, wanted, self.owner, self._seconds)
            held = {name for name, keys in groups.items() if free.issuperset(keys)}
            keys = self._keys.union(*(groups[name] for name in held))
            await session.execute(delete(Lease).where(self._is_ours(free - keys)))
            self._valid_until = self._valid_until if self._keys else started + self._seconds
            self._keys = keys
        return held

    def check(self) -> None:
        """Raise LeaseLost if the lease expired since the last renewal, or was released."""
        self._refuse_released()
        if time.monotonic() >= self._valid_until:
            raise LeaseLost("the pair's lease expired during the work")

    def _refuse_released(self) -> None:
        if self._is_released:
            raise LeaseLost("the pair's lease was released already")

    async def confirm(self, session: AsyncSession) -> None:
        """Raise LeaseLost unless this worker holds all keys; lock them until the transaction ends.

        An expired lease that no other worker took is still valid: others wait for this
        transaction.
        """
        self._refuse_released()
        held = await session.scalars(self._lock(self._keys))
        if len(held.all()) < len(self._keys):
            raise LeaseLost(TAKEN_OVER)

    def _lock(self, keys: Collection[str]) -> Select[str]:
        found = select(Lease.key).where(self._is_ours(keys))
        return found.order_by(collate(Lease.key, "C")).with_for_update()

    def _is_ours(self, keys: Collection[str]) -> ColumnElement[bool]:
        return (Lease.key == any_(_array(keys))) & (Lease.owner == self.owner)

    async def renew_until_cancelled(self) -> None:
        """Renew every third of the lease's time. After failed renewals `check` raises in time."""
        while True:
            await asyncio.sleep(self._seconds / 3)
            with contextlib.suppress(Exception):
                await self.renew()

    async def renew(self) -> None:
        """Renew all keys; without effect if one of them is lost."""
        async with self._turn:
            started, keys = time.monotonic(), set(self._keys)
            if not keys:
                return
            async with transaction(self._sessions) as session:
                held = (await session.scalars(self._lock(keys))).all()
                if len(held) < len(keys):
                    return
                await _take(session, keys, self.owner, self._seconds)
            self._valid_until = started + self._seconds

    async def release(self) -> None:
        """Release all keys; work that goes on under this lease is refused from now on."""
        if self._is_released:
            return
        self._is_released = True
        async with self._turn, transaction(self._sessions) as session:
            held = (await session.scalars(self._lock(self._keys))).all()
            await session.execute(delete(Lease).where(Lease.key == any_(_array(held))))


@asynccontextmanager
async def hold(
    sessions: Sessions,
    keys: Collection[str],
    *,
    owner: str,
    seconds: float,
    wait_seconds: float = 0.0,
) -> AsyncIterator[PairLease]:
    """Hold a lease of the keys during the body, renewed in the background.

    Raises LeaseLost if another worker still holds one of them after `wait_seconds`."""
    lease = PairLease(sessions, owner, seconds)
    await lease.extend(keys, wait_seconds=wait_seconds)
    async with renewed(lease):
        yield lease


@asynccontextmanager
async def acquire_turn(
    sessions: Sessions, key: str, *, owner: str, seconds: float
) -> AsyncIterator[PairLease]:
    """Hold the key of periodic work during the body; LeaseLost if a running worker holds it.

    The lease of a worker that died is waited for, since its work was not done.
    """
    lease = PairLease(sessions, owner, seconds)
    try:
        await lease.extend([key])
    except LeaseLost:
        if not await _wait_for_expiry(sessions, key):
            raise
        await lease.extend([key])
    async with renewed(lease):
        yield lease


@asynccontextmanager
async def renewed(lease: PairLease) -> AsyncIterator[None]:
    """Renew the lease while the body runs, and release it afterwards."""
    try:
        async with in_background(lease.renew_until_cancelled()):
            yield
    finally:
        await lease.release()


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds a key, and until when."""

    owner: str
    expires_at: datetime


async def _wait_for_expiry(sessions: Sessions, key: str) -> bool:
    """Wait until the key's lease expires; False as soon as it was renewed or released."""
    first, seconds = await _find_holder(sessions, key)
    holder = first
    while holder is not None and holder == first and seconds > 0:
        await asyncio.sleep(seconds + STEP_SECONDS)
        holder, seconds = await _find_holder(sessions, key)
    return holder is not None and holder == first


async def _find_holder(sessions: Sessions, key: str) -> tuple[_Holder | None, float]:
    """Who holds the key, and for how many seconds more by the database's clock."""
    left = func.extract("epoch", Lease.expires_at - func.clock_timestamp())
    async with sessions() as session:
        found = await session.execute(
            select(Lease.owner, Lease.expires_at, left).where(Lease.key == key)
        )
    row = found.first()
    return (_Holder(row[0], row[1]), float(row[2])) if row is not None else (None, 0.0)

"""The gate to one remote: rate limit, breaker, turns, and what all workers record_result from each
call.

What it knows is in the database. A worker reference_data room for a few calls at a time there and
uses it within a second, so it hears of a breaker that another worker opened a second late at
most."""

import asyncio
import itertools
import logging
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import OUTAGES, Session, Sessions, transaction
from app.domain import CallsPaused, CircuitOpen, RateLimited, RemoteError, RemoteTimeout, System
from app.http.client import Verdict, cause, is_overloaded, judge
from app.remotes.incidents import Trouble, begin, end, log_begin, log_end
from app.remotes.models import IncidentKind, Remote, RemoteCalls, RemoteTurn
from app.tasks import in_background

# What is known of one remote, and what it may get.


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """`failures` in a row open the breaker; `calls_per_second` counts those of all workers
    together; `recovery_seconds` is the time in which a rate grows from nothing to that;
    `turn_seconds` is how long a call that is made alone keeps others from theirs if its process
    died, or gave up on it."""

    failures: int = 5
    probe_seconds: float = 5.0
    probe_max_seconds: float = 60.0
    calls_per_second: float = 100.0
    recovery_seconds: float = 300.0
    turn_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class RemoteState:
    """`opened_at` and `closed_at` are those of the last outage, which lasts while the latter is
    None; `probe_at` is when the next probe may go, or when one that never ended counts as dead;
    `booked_until` is the moment up to which calls are given out.

    `rejected_write` tells that the credentials were refused to a write, so that a read's answer
    does not mend it. `answered_at` is the last answer, a few seconds late at most; `silent_since`
    is when the first of the calls was made that got none since, None while the last one did;
    `slow_at` is since when the remote counts as slow, None while it does not.
    """

    failures: int = 0
    last_cause: str = ""
    last_error: str = ""
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    probe_at: datetime | None = None
    probes: int = 0
    rejected_at: datetime | None = None
    rate: float | None = None
    slowed_at: datetime | None = None
    paused_until: datetime | None = None
    booked_until: datetime | None = None
    answered_at: datetime | None = None
    silent_since: datetime | None = None
    slow_at: datetime | None = None
    rejected_write: bool = False

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None and self.closed_at is None

    @property
    def is_troubled(self) -> bool:
        """Whether a call that is answered is news."""
        troubles = (self.rejected_at, self.silent_since)
        return self.failures > 0 or any(moment is not None for moment in troubles)

    def is_paused(self, now: datetime) -> bool:
        return self.paused_until is not None and self.paused_until > now


# How many calls a second a remote gets: halved at its plea for fewer, growing back evenly. Pure.
#
# All workers reserve on one line of time, so they keep the rate together, however many they are.

BURST = timedelta(seconds=1)
SLOWEST = 0.5
PAUSE_SECONDS = 1.0


def rate_of(state: RemoteState, limits: RemoteLimits, now: datetime) -> float:
    """Calls a second that are allowed now."""
    if state.rate is None or state.slowed_at is None:
        return limits.calls_per_second
    grown = (now - state.slowed_at).total_seconds() / limits.recovery_seconds
    return min(limits.calls_per_second, state.rate + limits.calls_per_second * grown)


def slow_down(state: RemoteState, limits: RemoteLimits, now: datetime) -> RemoteState:
    """Half as many calls; once for all that were refused within a second."""
    if state.slowed_at is not None and now - state.slowed_at < BURST:
        return state
    slower = max(SLOWEST, rate_of(state, limits, now) / 2)
    return replace(state, rate=slower, slowed_at=now)


def pause(
    state: RemoteState, limits: RemoteLimits, *, now: datetime, retry_after: float | None
) -> RemoteState:
    """No calls for the time that the remote named, then half as many."""
    wait = PAUSE_SECONDS if retry_after is None else retry_after
    until = now + timedelta(seconds=wait)
    latest = until if state.paused_until is None else max(until, state.paused_until)
    return replace(slow_down(state, limits, now), paused_until=latest)


def reserve(
    state: RemoteState, limits: RemoteLimits, *, now: datetime, calls: int
) -> tuple[RemoteState, float]:
    """Room for some calls, and in how many seconds it begins. What nobody used in the last second
    can be used at once."""
    free_from = now - BURST
    start = free_from if state.booked_until is None else max(free_from, state.booked_until)
    seconds = calls / rate_of(state, limits, now)
    wait = max(0.0, (start - now).total_seconds())
    return replace(state, booked_until=start + timedelta(seconds=seconds)), wait


# Reading and changing what is known of the remotes; the clock is the database's.

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
class CallsInProgress:
    """Calls to one remote that have not ended: how many, and when the oldest was made."""

    calls: int
    oldest_at: datetime


async def report_calls(
    session: AsyncSession, key: str, process: str, *, calls: int, oldest_seconds: float
) -> datetime | None:
    """Tell what one process has under way, and record_result when the oldest call of all was made;
    None if there is none. Rows of processes that are gone are dropped."""
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


async def search_calls(session: AsyncSession) -> dict[str, CallsInProgress]:
    """What all living processes have under way, by the remote's key."""
    alive = RemoteCalls.seen_at >= func.clock_timestamp() - SILENT
    rows = await session.execute(
        select(RemoteCalls.key, func.sum(RemoteCalls.calls), func.min(RemoteCalls.oldest_at))
        .where(alive)
        .group_by(RemoteCalls.key)
    )
    return {key: CallsInProgress(int(calls), oldest_at) for key, calls, oldest_at in rows}


async def search_remotes(session: AsyncSession) -> dict[str, RemoteState]:
    """All that were called so far, by key."""
    rows = await session.scalars(select(Remote))
    return {row.key: _state_of(row) for row in rows}


def _state_of(row: Remote) -> RemoteState:
    return RemoteState(**{name: getattr(row, name) for name in _FIELDS})


# What people are told of a remote: incidents, lines in the log, and why something waits.

log = logging.getLogger(__name__)

Tell = Callable[[], None]

DOWN_AGAIN = "It answers again."
QUICK_AGAIN = "It answers in time again."
OUTAGE_INSTEAD = "It counts as out of reach now, which is an incident of its own."
KNOWN_AGAIN = "The credentials are accepted again."


def remote_key(system: System, store: str) -> str:
    """`vtiger`, for all stores share the CRM, or `woocommerce:<store>`."""
    return str(system) if system is System.VTIGER else f"{system}:{store}"


def keys_of(store: str) -> tuple[str, str]:
    """The remotes that a store's records need."""
    return remote_key(System.WOOCOMMERCE, store), remote_key(System.VTIGER, "")


def explain_pause(state: RemoteState, now: datetime) -> str:
    """Why no calls are made, "" if they are."""
    if state.is_open:
        return f"{state.failures} calls in a row failed, the last one so: {state.last_error}"
    return "it asked for fewer calls" if state.is_paused(now) else ""


def pause_end(state: RemoteState, now: datetime) -> datetime | None:
    """When the next call is made, None if at once."""
    if state.is_open:
        return state.probe_at or now
    return state.paused_until if state.is_paused(now) else None


def describe(state: RemoteState, now: datetime) -> str:
    """The state in words that anybody may read: no address and no message of the remote's."""
    if state.is_open:
        return f"down since {_moment(state.opened_at)}; probed next at {_moment(state.probe_at)}"
    if state.slow_at is not None:
        return f"slow: without an answer since {_moment(state.slow_at)}"
    if state.rejected_at is not None:
        return f"refuses the credentials since {_moment(state.rejected_at)}"
    paused = state.is_paused(now)
    return f"asked for no calls until {_moment(state.paused_until)}" if paused else "ok"


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment is not None else "any moment"


async def announce_changes(
    session: Session, system: System, store: str, *, before: RemoteState, after: RemoteState
) -> list[Tell]:
    """Incidents that begin or end with a change; what is to be logged once that is committed."""
    down = Trouble(IncidentKind.REMOTE_DOWN, system, store)
    slow = Trouble(IncidentKind.REMOTE_SLOW, system, store)
    rejected = Trouble(IncidentKind.AUTH_REJECTED, system, store)
    news: list[Tell] = []
    if after.is_open and not before.is_open:
        news += await _begin(session, down, f"{system.label} is down: {after.last_error}")
    if before.is_open and not after.is_open:
        news += await _end(session, down, DOWN_AGAIN)
    if after.slow_at is not None and before.slow_at is None:
        moment = f"{after.slow_at.astimezone(UTC):%H:%M:%S} UTC"
        message = f"{system.label} has given no answer since {moment}."
        news += await _begin(session, slow, message)
    if before.slow_at is not None and after.slow_at is None:
        news += await _end(session, slow, OUTAGE_INSTEAD if after.is_open else QUICK_AGAIN)
    if after.rejected_at is not None and before.rejected_at is None:
        message = f"{system.label} refuses the credentials: {after.last_error}"
        news += await _begin(session, rejected, message)
    if before.rejected_at is not None and after.rejected_at is None:
        news += await _end(session, rejected, KNOWN_AGAIN)
    return news


async def _begin(session: Session, trouble: Trouble, message: str) -> list[Tell]:
    new = await begin(session, trouble, message)
    return [partial(log_begin, trouble, message)] if new else []


async def _end(session: Session, trouble: Trouble, mended: str) -> list[Tell]:
    ended = await end(session, trouble, mended)
    return [partial(log_end, trouble, mended)] if ended else []


# Calls of which a remote bears one at a time, from all processes together.
#
# A turn is a row that expires by the database's clock, so a process that died gives it back within
# seconds, and no connection has to stay the same one (PgBouncer). Who waits in this process waits
# in line; each process looks for its first one alone.

STEP_SECONDS = 0.05


@dataclass(slots=True)
class Turns:
    """The turns of one remote, as one process takes them. `seconds` is how long one is held
    without being renewed."""

    sessions: Sessions
    remote: str
    seconds: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _lines: defaultdict[str, asyncio.Lock] = field(
        default_factory=lambda: defaultdict(asyncio.Lock)
    )

    @asynccontextmanager
    async def take(self, name: str) -> AsyncIterator[None]:
        """The body is the only one of this name. A call that we gave up on may go on over there:
        its turn is not given back, but runs out."""
        key, owner = f"{self.remote}:{name}", uuid4().hex
        async with self._lines[name]:
            while not await self._take(key, owner):
                await self.sleep(STEP_SECONDS)
            goes_on = False
            try:
                async with in_background(self._keep(key, owner)):
                    yield
            except asyncio.CancelledError:
                goes_on = True
                raise
            except RemoteTimeout as error:
                goes_on = error.ambiguous
                raise
            finally:
                if not goes_on:
                    await self._give_back(key, owner)

    async def _take(self, key: str, owner: str) -> bool:
        row = {"owner": owner, "expires_at": self._expiry}
        async with transaction(self.sessions) as session:
            taken = await session.scalar(
                insert(RemoteTurn)
                .values(key=key, **row)
                .on_conflict_do_update(
                    index_elements=[RemoteTurn.key],
                    set_=row,
                    where=RemoteTurn.expires_at < func.clock_timestamp(),
                )
                .returning(RemoteTurn.key)
            )
        return taken is not None

    async def _keep(self, key: str, owner: str) -> None:
        """Renew until cancelled: an outage of the database is outlived, if it is short."""
        while True:
            await self.sleep(self.seconds / 3)
            try:
                async with transaction(self.sessions) as session:
                    await session.execute(
                        update(RemoteTurn)
                        .filter_by(key=key, owner=owner)
                        .values(expires_at=self._expiry)
                    )
            except OUTAGES as error:
                log.warning("a turn at %s could not be renewed: %s", self.remote, error)

    async def _give_back(self, key: str, owner: str) -> None:
        """What cannot be given back runs out; the call's own end is not to be lost over it."""
        with suppress(*OUTAGES):
            async with transaction(self.sessions) as session:
                await session.execute(delete(RemoteTurn).filter_by(key=key, owner=owner))

    @property
    def _expiry(self) -> object:
        return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, self.seconds)


# The breaker of one remote: what each call's end changes. Pure; times and chance are given.
#
# After a number of failures in a row it opens; then nobody calls but a probe now and then, and the
# first probe that is answered closes it.

PROBE_LEASE = timedelta(seconds=60)
SLOW = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call ended, `seconds` after it was made. `cause` is the record or look that it was
    made for; `jitter`, from 0 to 1, shortens the wait for the next probe."""

    verdict: Verdict
    probe: bool = False
    write: bool = False
    seconds: float = 0.0
    message: str = ""
    cause: str = ""
    retry_after: float | None = None
    overloaded: bool = False
    jitter: float = 0.0


def record_result(
    state: RemoteState, limits: RemoteLimits, *, call_result: CallResult, now: datetime
) -> RemoteState:
    if call_result.verdict is Verdict.NOTHING:
        return state
    if call_result.verdict in (Verdict.DOWN, Verdict.SUSPECT):
        slowed = slow_down(state, limits, now) if call_result.overloaded else state
        return _fail(_miss(slowed, call_result, now), limits, call_result, now)
    answered = _answer(state, call_result, now)
    if call_result.verdict is Verdict.REJECTED:
        return replace(
            answered,
            rejected_at=state.rejected_at or now,
            rejected_write=call_result.write,
            last_error=call_result.message,
        )
    if call_result.verdict is Verdict.THROTTLED:
        return pause(answered, limits, now=now, retry_after=call_result.retry_after)
    return answered


def _miss(state: RemoteState, call_result: CallResult, now: datetime) -> RemoteState:
    """A call without an answer, if that is what its end tells."""
    if call_result.verdict is not Verdict.DOWN or state.silent_since is not None:
        return state
    return replace(state, silent_since=now - timedelta(seconds=call_result.seconds))


def _fail(
    state: RemoteState, limits: RemoteLimits, call_result: CallResult, now: datetime
) -> RemoteState:
    """One record alone does not open the breaker where the fault may be its own; what was under
    way when the breaker opened changes nothing."""
    if state.is_open:
        return _fail_probe(state, limits, call_result, now) if call_result.probe else state
    own = call_result.verdict is Verdict.SUSPECT and call_result.cause == state.last_cause
    failures = state.failures + (0 if own and state.failures else 1)
    failed = replace(
        state, failures=failures, last_cause=call_result.cause, last_error=call_result.message
    )
    return failed if failures < limits.failures else _open(failed, limits, call_result, now)


def _open(
    state: RemoteState, limits: RemoteLimits, call_result: CallResult, now: datetime
) -> RemoteState:
    """One that opens again soon goes on with the waits where it left off."""
    calm = timedelta(seconds=2 * limits.probe_max_seconds)
    relapse = state.closed_at is not None and now - state.closed_at < calm
    opened = replace(state, opened_at=now, closed_at=None, probes=state.probes if relapse else 0)
    return replace(opened, probe_at=now + _probe_wait(opened, limits, call_result))


def _fail_probe(
    state: RemoteState, limits: RemoteLimits, call_result: CallResult, now: datetime
) -> RemoteState:
    failed = replace(state, probes=state.probes + 1, last_error=call_result.message)
    return replace(failed, probe_at=now + _probe_wait(failed, limits, call_result))


def _probe_wait(state: RemoteState, limits: RemoteLimits, call_result: CallResult) -> timedelta:
    """Doubled with each probe in vain."""
    ceiling = limits.probe_seconds * 2.0 ** min(state.probes, 30)
    seconds = min(limits.probe_max_seconds, ceiling) * (1 - call_result.jitter / 2)
    return timedelta(seconds=seconds)


def _answer(state: RemoteState, call_result: CallResult, now: datetime) -> RemoteState:
    """While the breaker is open only a probe's answer counts: others were asked for before.
    Credentials that may read but not write are refused until a write is answered."""
    still = state.rejected_write and not call_result.write
    answered = replace(
        state,
        answered_at=now,
        silent_since=None,
        rejected_at=state.rejected_at if still else None,
        rejected_write=still,
    )
    if state.is_open and not call_result.probe:
        return answered
    closed_at = now if state.is_open else state.closed_at
    return replace(answered, failures=0, last_cause="", closed_at=closed_at, probe_at=None)


def claim_probe(state: RemoteState, now: datetime) -> RemoteState:
    """The same if no probe is due; else nobody else's is for a while."""
    if not state.is_open or state.probe_at is None or state.probe_at > now:
        return state
    return replace(state, probe_at=now + PROBE_LEASE)


def watch(state: RemoteState, now: datetime, *, oldest_at: datetime | None) -> RemoteState:
    """Whether the remote counts as slow: a call is under way, or the calls since the last answer
    got none, for `SLOW` by now. `oldest_at` is when the oldest call under way was made. One that
    is known to be down is that, not slow."""
    unanswered = [moment for moment in (oldest_at, state.silent_since) if moment is not None]
    is_slow = not state.is_open and bool(unanswered) and now - min(unanswered) >= SLOW
    if is_slow == (state.slow_at is not None):
        return state
    return replace(state, slow_at=min(unanswered) if is_slow else None)


T = TypeVar("T")

ROOM_SECONDS = 1.0
ROOM_SHARE = 0.25


@dataclass(slots=True)
class _Probe:
    every: bool
    used: bool = False

    def take(self) -> bool:
        free, self.used = self.every or not self.used, True
        return free


_probing: ContextVar[_Probe | None] = ContextVar("probing", default=None)


@contextmanager
def probing(*, every: bool = False) -> Iterator[None]:
    """The first call inside passes an open breaker, or `every` one does, for a person who asks;
    an answer closes it."""
    token = _probing.set(_Probe(every))
    try:
        yield
    finally:
        _probing.reset(token)


@dataclass(slots=True)
class SharedGate:
    """One process's way to a remote that several processes call. `most_at_once` is for this
    process, the limits are for all together; `known` is what was last read or learned."""

    sessions: Sessions
    system: System
    store: str
    limits: RemoteLimits
    most_at_once: int
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    known: RemoteState = field(default_factory=RemoteState)
    _places: asyncio.Semaphore = field(init=False)
    _turns: Turns = field(init=False)
    _booking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _room: int = 0
    _room_until: float = 0.0
    _under_way: dict[int, float] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _process: str = field(default_factory=lambda: uuid4().hex)
    _answered: float | None = None
    _reported: bool = False

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.most_at_once)
        self._turns = Turns(self.sessions, self.key, self.limits.turn_seconds, self.sleep)

    @property
    def key(self) -> str:
        return remote_key(self.system, self.store)

    async def run(
        self, call: Callable[[], Awaitable[T]], *, write: bool = False, alone: str = ""
    ) -> T:
        """Raises RemotePaused without calling while the breaker is open or calls are paused."""
        if not alone:
            return await self._run(call, write=write)
        async with self._turns.take(alone):
            return await self._run(call, write=write)

    async def _run(self, call: Callable[[], Awaitable[T]], *, write: bool) -> T:
        probe = _probing.get()
        if probe is not None and probe.take():
            return await self._call(call, probe=True, write=write)
        async with self._places:
            await self.acquire_permit()
            return await self._call(call, probe=False, write=write)

    async def report(self) -> None:
        """Tell all processes which calls this one waits for and when the remote last answered,
        and judge whether it is slow. Costs nothing while there is nothing new."""
        now, under_way = time.monotonic(), list(self._under_way.values())
        is_news = bool(under_way) or self._reported or self._answered is not None
        if not is_news and self.known.slow_at is None and self.known.silent_since is None:
            return
        answered, self._answered = self._answered, None
        self._reported = bool(under_way)
        async with transaction(self.sessions) as session:
            oldest_at = await report_calls(
                session,
                self.key,
                self._process,
                calls=len(under_way),
                oldest_seconds=now - min(under_way, default=now),
            )

        def step(known: RemoteState, moment: datetime) -> RemoteState:
            if answered is not None:
                answered_at = moment - timedelta(seconds=now - answered)
                latest = max(answered_at, known.answered_at or answered_at)
                known = replace(known, answered_at=latest)
            return watch(known, moment, oldest_at=oldest_at)

        await self._change(step)

    async def claim_probe(self) -> bool:
        """Whether a probe is due and ours to make; a call inside `probing` makes it."""
        before, after, _ = await self._change(claim_probe)
        return after != before

    async def _call(self, call: Callable[[], Awaitable[T]], *, probe: bool, write: bool) -> T:
        began, number = time.monotonic(), next(self._numbers)
        self._under_way[number] = began
        try:
            result = await call()
        except RemoteError as error:
            call_result = _call_result(
                error, probe=probe, write=write, seconds=time.monotonic() - began
            )
            if call_result.verdict is Verdict.ANSWERED:
                self._answered = time.monotonic()
            await self._record_result(call_result)
            raise
        finally:
            del self._under_way[number]
        self._answered = time.monotonic()
        await self._record_result(CallResult(Verdict.ANSWERED, probe=probe, write=write))
        return result

    async def acquire_permit(self) -> None:
        """Those that wait for room wait together."""
        async with self._booking:
            if self._room <= 0 or time.monotonic() >= self._room_until:
                self._room, wait = await self._reserve()
                await self.sleep(wait)
                self._room_until = time.monotonic() + ROOM_SECONDS
            self._room -= 1

    async def _reserve(self) -> tuple[int, float]:
        """For how many calls there is room, and in how many seconds."""
        calls, wait = 1, 0.0

        def step(known: RemoteState, now: datetime) -> RemoteState:
            nonlocal calls, wait
            if pause_end(known, now) is not None:
                return known
            calls = max(1, int(rate_of(known, self.limits, now) * ROOM_SHARE))
            known, wait = reserve(known, self.limits, now=now, calls=calls)
            return known

        _, known, now = await self._change(step)
        self._refuse_paused(known, now)
        return calls, wait

    def _refuse_paused(self, known: RemoteState, now: datetime) -> None:
        until = pause_end(known, now)
        if until is None:
            return
        kind = CircuitOpen if known.is_open else CallsPaused
        why = explain_pause(known, now)
        message = f"{self.system.label} is not called before {until:%H:%M:%S} UTC: {why}"
        raise kind(
            self.system, message, until=until, seconds=max(0.0, (until - now).total_seconds())
        )

    async def _record_result(self, call_result: CallResult) -> None:
        """Good news of a remote that is known to be well changes nothing, and costs nothing."""
        if call_result.verdict is Verdict.NOTHING:
            return
        if call_result.verdict is not Verdict.ANSWERED:
            self._room = 0
        elif not call_result.probe and not self.known.is_troubled:
            return
        _, known, now = await self._change(
            lambda known, now: record_result(known, self.limits, call_result=call_result, now=now)
        )
        if call_result.verdict is Verdict.THROTTLED:
            rate = rate_of(known, self.limits, now)
            told = {"remote": self.key, "until": known.paused_until, "calls_per_second": rate}
            log.warning("%s asks for fewer calls", self.system.label, extra=told)

    async def _change(self, step: Step) -> tuple[RemoteState, RemoteState, datetime]:
        async with transaction(self.sessions) as session:
            before, after, now = await change(session, self.key, step)
            news = await announce_changes(
                session, self.system, self.store, before=before, after=after
            )
        self.known = after
        for tell in news:
            tell()
        return before, after, now


def _call_result(error: RemoteError, *, probe: bool, write: bool, seconds: float) -> CallResult:
    return CallResult(
        judge(error),
        probe=probe,
        write=write,
        seconds=seconds,
        message=error.summary,
        cause=cause(),
        retry_after=error.retry_after if isinstance(error, RateLimited) else None,
        overloaded=is_overloaded(error),
        jitter=random.random(),  # noqa: S311 - no secret
    )

"""The gate to one remote: rate limit, breaker, turns, and the result of every call.

The state is in the database and shared by all workers. A worker reserves a block of permits at a
time and uses them within a second, so it notices a breaker that another worker opened with a delay
of at most one second. A call for which a permit is held makes no query (decision 29)."""

import asyncio
import itertools
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import Select, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import OUTAGES, Session, Sessions, transaction
from app.domain import CallsPaused, CircuitOpen, RateLimited, RemoteError, RemoteTimeout, System
from app.http.client import Verdict, cause, is_overloaded, judge
from app.remotes.incidents import Trouble, begin, end, log_begin, log_end
from app.remotes.models import IncidentKind, Remote, RemoteCalls, RemoteTurn
from app.tasks import in_background

# The state of one remote, and its limits.


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """Limits of the calls to one remote, for all workers together.

    After `failures` consecutive failures the breaker opens. `probe_seconds` is the first wait
    before a probe, `probe_max_seconds` the longest. `calls_per_second` is the full rate;
    `recovery_seconds` is the time in which a rate grows from 0 to it. `turn_seconds` is how long
    an exclusive call blocks others of its kind after its process died or gave up on it."""

    failures: int = 5
    probe_seconds: float = 5.0
    probe_max_seconds: float = 60.0
    calls_per_second: float = 100.0
    recovery_seconds: float = 300.0
    turn_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class RemoteState:
    """The state of one remote as all workers see it.

    `failures` counts consecutive failures; `last_cause` and `last_error` are of the last one.
    `opened_at` and `closed_at` are those of the last outage, which lasts while `closed_at` is
    None. `probe_at` is when the next probe may be sent; while one is in progress, when it counts
    as dead. `probes` counts failed probes. `rate` is that at `slowed_at`, None for the full rate.
    `booked_until` is the time up to which permits are reserved.

    `rejected_write` is True if a write was refused for its credentials: an answered read does not
    clear that. `answered_at` is the time of the last answer, recorded with a delay of about
    `ANSWER_SECONDS` at most. `silent_since` is when the first call without an answer since the last
    answer was made. `slow_at` is since when the remote counts as slow. Both are None otherwise.
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

    def is_cleared_by_answer(self, *, write: bool) -> bool:
        """Whether the answer to a call would change more than `answered_at`."""
        was_rejected = self.rejected_at is not None and (write or not self.rejected_write)
        return self.failures > 0 or self.silent_since is not None or was_rejected

    def is_paused(self, now: datetime) -> bool:
        return self.paused_until is not None and self.paused_until > now


# The rate limit: halved when the remote throttles, then growing linearly. Pure functions.
#
# All workers reserve permits on one timeline, so that they keep the rate together. A permit is a
# point of it: the call begins at that time or up to two seconds later. So any w seconds see at most
# rate * (w + 2) + 1 calls, however many workers there are: those of w seconds, those of an idle
# second, and what workers hold for up to a second.

BURST = timedelta(seconds=1)
MIN_RATE = 0.5
PAUSE_SECONDS = 1.0


def rate_of(state: RemoteState, limits: RemoteLimits, now: datetime) -> float:
    """Calls a second that are allowed now."""
    if state.rate is None or state.slowed_at is None:
        return limits.calls_per_second
    grown = (now - state.slowed_at).total_seconds() / limits.recovery_seconds
    return min(limits.calls_per_second, state.rate + limits.calls_per_second * grown)


def slow_down(state: RemoteState, limits: RemoteLimits, now: datetime) -> RemoteState:
    """Halve the rate, once for all calls that were refused within a second."""
    if state.slowed_at is not None and now - state.slowed_at < BURST:
        return state
    slower = max(MIN_RATE, rate_of(state, limits, now) / 2)
    return replace(state, rate=slower, slowed_at=now)


def pause(
    state: RemoteState, limits: RemoteLimits, *, now: datetime, retry_after: float | None
) -> RemoteState:
    """Pause calls for the seconds that the remote asked for, then halve the rate."""
    wait = PAUSE_SECONDS if retry_after is None else retry_after
    until = now + timedelta(seconds=wait)
    latest = until if state.paused_until is None else max(until, state.paused_until)
    return replace(slow_down(state, limits, now), paused_until=latest)


def reserve(
    state: RemoteState, limits: RemoteLimits, *, now: datetime, calls: int
) -> tuple[RemoteState, float]:
    """Reserve permits for `calls`; return the new state and the seconds until they are valid.

    Permits that were not used in the last second can be used at once."""
    free_from = now - BURST
    start = free_from if state.booked_until is None else max(free_from, state.booked_until)
    seconds = calls / rate_of(state, limits, now)
    wait = max(0.0, (start - now).total_seconds())
    return replace(state, booked_until=start + timedelta(seconds=seconds)), wait


# Blocks: the permits that a process holds. Pure functions too.

PERMIT_SECONDS = 1.0
PERMIT_SHARE = 0.25
"""The share of one second's permits that a block has at most."""


@dataclass(slots=True)
class Block:
    """Permits of one process: the first is valid at `valid_at`, each other one `step` seconds after
    the one before, and all until `expires_at`. Times are those of the monotonic clock."""

    permits: int
    valid_at: float
    step: float
    expires_at: float
    used: int = 0

    def has_left(self, now: float) -> bool:
        return self.used < self.permits and now < self.expires_at

    def use(self) -> float:
        """Use the next permit; return when it is valid."""
        self.used += 1
        return self.valid_at + (self.used - 1) * self.step

    def next_size(self, waiting: int) -> int:
        """The permits for the next block: twice as many if all were used in time, else as many as
        were used, so that a process with few calls leaves the rest to others; at least one for
        each of the calls that wait."""
        wanted = self.used * 2 if self.used == self.permits else self.used
        return max(1, wanted, waiting)


def reserve_block(
    state: RemoteState,
    limits: RemoteLimits,
    *,
    now: datetime,
    monotonic: float,
    last: Block | None,
    waiting: int,
) -> tuple[RemoteState, Block]:
    """Reserve a block for a process that had the block `last`; `monotonic` is `now` by its own
    clock."""
    rate = rate_of(state, limits, now)
    most = max(1, int(rate * PERMIT_SHARE))
    permits = most if last is None else min(most, last.next_size(waiting))
    after, wait = reserve(state, limits, now=now, calls=permits)
    assert after.booked_until is not None  # noqa: S101 - just reserved
    valid_in = (after.booked_until - now).total_seconds() - permits / rate
    return after, Block(permits, monotonic + valid_in, 1 / rate, monotonic + wait + PERMIT_SECONDS)


# Reads and changes of the stored state; times are those of the database's clock.

PROCESS_TIMEOUT = timedelta(seconds=10)
"""A process whose row is older than this counts as terminated."""

_FIELDS = [field.name for field in fields(RemoteState)]


async def lock(session: AsyncSession, key: str) -> tuple[RemoteState, datetime]:
    """Lock the state of a remote; return it and the current time.

    The commit will be asynchronous, so a crash may lose a change; the next result corrects it."""
    asynchronous = func.set_config("synchronous_commit", "off", True)
    found = _select(key).add_columns(asynchronous).with_for_update(of=Remote)
    row = (await session.execute(found)).first()
    if row is None:
        await session.execute(insert(Remote).values(key=key).on_conflict_do_nothing())
        row = (await session.execute(found)).one()
    now, *state, _ = row
    return RemoteState(*state), now


async def find_state(session: AsyncSession, key: str) -> tuple[RemoteState, datetime] | None:
    """The state of a remote and the current time; None for a remote that was not called yet."""
    row = (await session.execute(_select(key))).first()
    return None if row is None else (RemoteState(*row[1:]), row[0])


def _select(key: str) -> Select[Any]:
    columns = [getattr(Remote, name) for name in _FIELDS]
    return select(func.clock_timestamp(), *columns).where(Remote.key == key)


async def save(session: AsyncSession, key: str, *, before: RemoteState, after: RemoteState) -> None:
    """Store what differs from the state `before`, which is locked."""
    names = [name for name in _FIELDS if getattr(after, name) != getattr(before, name)]
    if names:
        changed = {name: getattr(after, name) for name in names}
        statement = update(Remote).where(Remote.key == key).values(**changed)
        await session.execute(statement, execution_options={"synchronize_session": False})


@dataclass(frozen=True, slots=True)
class CallsInProgress:
    """The calls to one remote in progress: how many, and when the oldest was made."""

    calls: int
    oldest_at: datetime


async def report_calls(
    session: AsyncSession, key: str, process: str, *, calls: int, oldest_seconds: float
) -> datetime | None:
    """Store what one process has in progress; return when the oldest call of all processes was
    made, None without any. Deletes the rows of processes that are terminated."""
    now = func.clock_timestamp()
    obsolete = RemoteCalls.seen_at < now - PROCESS_TIMEOUT
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
        obsolete = obsolete | (RemoteCalls.process == process)
    await session.execute(delete(RemoteCalls).where(RemoteCalls.key == key, obsolete))
    found = (await search_calls(session)).get(key)
    return found.oldest_at if found else None


async def search_calls(session: AsyncSession) -> dict[str, CallsInProgress]:
    """The calls that all running processes have in progress, by the remote's key."""
    alive = RemoteCalls.seen_at >= func.clock_timestamp() - PROCESS_TIMEOUT
    rows = await session.execute(
        select(RemoteCalls.key, func.sum(RemoteCalls.calls), func.min(RemoteCalls.oldest_at))
        .where(alive)
        .group_by(RemoteCalls.key)
    )
    return {key: CallsInProgress(int(calls), oldest_at) for key, calls, oldest_at in rows}


async def search_remotes(session: AsyncSession) -> dict[str, RemoteState]:
    """The state of every remote that was called so far, by key."""
    rows = await session.scalars(select(Remote))
    return {row.key: _state_of(row) for row in rows}


def _state_of(row: Remote) -> RemoteState:
    return RemoteState(**{name: getattr(row, name) for name in _FIELDS})


# How a remote's state is shown: incidents, log lines, and why a delivery waits.

log = logging.getLogger(__name__)

LogCall = Callable[[], None]

DOWN_AGAIN = "It answers again."
QUICK_AGAIN = "It answers in time again."
OUTAGE_INSTEAD = "It counts as down now, which is an incident of its own."
KNOWN_AGAIN = "The credentials are accepted again."


def remote_key(system: System, store: str) -> str:
    """`vtiger`, since all stores share the CRM, or `woocommerce:<store>`."""
    return str(system) if system is System.VTIGER else f"{system}:{store}"


def keys_of(store: str) -> tuple[str, str]:
    """The keys of the remotes that syncing a store's records calls."""
    return remote_key(System.WOOCOMMERCE, store), remote_key(System.VTIGER, "")


def explain_pause(state: RemoteState, now: datetime) -> str:
    """Why no calls are made; "" if they are."""
    if state.is_open:
        return f"{state.failures} calls in a row failed, the last one with: {state.last_error}"
    return "it asked for fewer calls" if state.is_paused(now) else ""


def pause_end(state: RemoteState, now: datetime) -> datetime | None:
    """When the next call may be made; None if at once."""
    if state.is_open:
        return state.probe_at or now
    return state.paused_until if state.is_paused(now) else None


def describe(state: RemoteState, now: datetime) -> str:
    """The state in words fit for the public: no address and no message of the remote."""
    if state.is_open:
        return f"down since {_moment(state.opened_at)}; next probe at {_moment(state.probe_at)}"
    if state.slow_at is not None:
        return f"slow: no answer since {_moment(state.slow_at)}"
    if state.rejected_at is not None:
        return f"refuses the credentials since {_moment(state.rejected_at)}"
    paused = state.is_paused(now)
    return f"asked for no calls until {_moment(state.paused_until)}" if paused else "ok"


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment is not None else "any moment"


async def announce_changes(
    session: Session, system: System, store: str, *, before: RemoteState, after: RemoteState
) -> list[LogCall]:
    """Store the incidents that begin or end with a change; return the log calls for afterwards.

    The caller makes them once its transaction is committed."""
    down = Trouble(IncidentKind.REMOTE_DOWN, system, store)
    slow = Trouble(IncidentKind.REMOTE_SLOW, system, store)
    rejected = Trouble(IncidentKind.AUTH_REJECTED, system, store)
    log_calls: list[LogCall] = []
    if after.is_open and not before.is_open:
        log_calls += await _begin(session, down, f"{system.label} is down: {after.last_error}")
    if before.is_open and not after.is_open:
        log_calls += await _end(session, down, DOWN_AGAIN)
    if after.slow_at is not None and before.slow_at is None:
        moment = f"{after.slow_at.astimezone(UTC):%H:%M:%S} UTC"
        message = f"{system.label} has given no answer since {moment}."
        log_calls += await _begin(session, slow, message)
    if before.slow_at is not None and after.slow_at is None:
        log_calls += await _end(session, slow, OUTAGE_INSTEAD if after.is_open else QUICK_AGAIN)
    if after.rejected_at is not None and before.rejected_at is None:
        message = f"{system.label} refuses the credentials: {after.last_error}"
        log_calls += await _begin(session, rejected, message)
    if before.rejected_at is not None and after.rejected_at is None:
        log_calls += await _end(session, rejected, KNOWN_AGAIN)
    return log_calls


async def _begin(session: Session, trouble: Trouble, message: str) -> list[LogCall]:
    is_new = await begin(session, trouble, message)
    return [partial(log_begin, trouble, message)] if is_new else []


async def _end(session: Session, trouble: Trouble, resolution: str) -> list[LogCall]:
    ended = await end(session, trouble, resolution)
    return [partial(log_end, trouble, resolution)] if ended else []


# Exclusive calls: those of which a remote can process one at a time, from all processes together.
#
# A turn is a row that expires by the database's clock: the turn of a process that died is free
# within seconds, and no connection has to stay the same one (PgBouncer). Callers in one process
# wait in line and pass the turn on before it is released; each process polls the table for the
# first of its line only. The process that polled first is the next one: it has a second row, and
# while that lasts no other process takes the turn. So a busy process does not keep it.

STEP_SECONDS = 0.05
NEXT_SECONDS = 1.0
"""How long the next process is waited for after its last poll."""
TURN_CALLS = 8
"""The calls for which a process keeps a turn."""

_TAKE = text("""
INSERT INTO remote_turns (key, owner, expires_at)
SELECT :key, CAST(:owner AS varchar), clock_timestamp() + make_interval(secs => :seconds)
WHERE NOT EXISTS (
    SELECT FROM remote_turns
    WHERE key = :next AND owner <> CAST(:owner AS varchar) AND expires_at > clock_timestamp()
)
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
WHERE remote_turns.expires_at < clock_timestamp()
RETURNING key
""")
_BE_NEXT = text("""
INSERT INTO remote_turns (key, owner, expires_at)
VALUES (:next, :owner, clock_timestamp() + make_interval(secs => :seconds))
ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
WHERE remote_turns.owner = excluded.owner OR remote_turns.expires_at < clock_timestamp()
""")


@dataclass(slots=True)
class _Line:
    """The callers of one process that wait for one turn. `owner` is the turn's while the process
    has it, "" otherwise; it was taken at `taken_at` and used for `calls` since."""

    key: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    owner: str = ""
    taken_at: float = 0.0
    calls: int = 0

    @property
    def next_key(self) -> str:
        return f"{self.key}:next"


@dataclass(slots=True)
class Turns:
    """The turns of one remote, as one process takes them. A turn expires after `seconds` without
    renewal."""

    sessions: Sessions
    remote: str
    seconds: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _lines: dict[str, _Line] = field(default_factory=dict)

    @asynccontextmanager
    async def take(self, name: str) -> AsyncIterator[None]:
        """Run the body as the only call of this name.

        A call that was given up may still be processed by the remote, so its turn is not released
        but expires."""
        line = self._lines.setdefault(name, _Line(f"{self.remote}:{name}"))
        await self._wait_in_line(line)
        try:
            if not line.owner:
                await self._take(line)
            line.calls += 1
            async with in_background(self._renew_until_cancelled(line.key, line.owner)):
                yield
        except asyncio.CancelledError:
            line.owner = ""
            raise
        except RemoteTimeout as error:
            line.owner = "" if error.ambiguous else line.owner
            raise
        finally:
            try:
                if not (line.waiting and self._may_be_passed_on(line)):
                    await self._release(line)
            finally:
                line.lock.release()

    async def _wait_in_line(self, line: _Line) -> None:
        """Wait for the callers before; afterwards the line is locked, and the turn may have been
        passed on."""
        line.waiting += 1
        try:
            await line.lock.acquire()
        except asyncio.CancelledError:
            if line.waiting == 1 and not line.lock.locked():
                await self._release(line)  # no other caller is left for the turn
            raise
        finally:
            line.waiting -= 1

    def _may_be_passed_on(self, line: _Line) -> bool:
        """Whether the turn was neither used often nor is due for renewal."""
        return line.calls < TURN_CALLS and time.monotonic() - line.taken_at < self.seconds / 3

    async def _take(self, line: _Line) -> None:
        owner, has_polled = uuid4().hex, False
        while not await self._try_to_take(line, owner, has_polled=has_polled):
            has_polled = True
            await self.sleep(STEP_SECONDS)
        line.owner, line.taken_at, line.calls = owner, time.monotonic(), 0

    async def _try_to_take(self, line: _Line, owner: str, *, has_polled: bool) -> bool:
        """Take the turn if it is free for this process; otherwise try to be the next one."""
        values = {"key": line.key, "next": line.next_key, "owner": owner}
        async with transaction(self.sessions) as session:
            taken = await session.scalar(_TAKE, {**values, "seconds": self.seconds})
            if taken is None:
                await session.execute(_BE_NEXT, {**values, "seconds": NEXT_SECONDS})
            elif has_polled:
                await self._delete(session, line.next_key, owner)
        return taken is not None

    async def _renew_until_cancelled(self, key: str, owner: str) -> None:
        """Renew every third of the turn's time; a short outage of the database is tolerated."""
        expiry = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, self.seconds)
        while True:
            await self.sleep(self.seconds / 3)
            try:
                async with transaction(self.sessions) as session:
                    await session.execute(
                        update(RemoteTurn).filter_by(key=key, owner=owner).values(expires_at=expiry)
                    )
            except OUTAGES as error:
                log.warning("a turn at %s could not be renewed: %s", self.remote, error)

    async def _release(self, line: _Line) -> None:
        """Release the turn if the process has it. During an outage of the database it expires
        instead, so that the call's own result is not lost."""
        owner, line.owner = line.owner, ""
        if owner:
            with suppress(*OUTAGES):
                async with transaction(self.sessions) as session:
                    await self._delete(session, line.key, owner)

    async def _delete(self, session: AsyncSession, key: str, owner: str) -> None:
        await session.execute(delete(RemoteTurn).filter_by(key=key, owner=owner))


# The breaker of one remote: how a call's result changes the state. Pure functions.
#
# It opens after a number of consecutive failures. From then on only probes are sent, and the first
# probe that is answered closes it.

PROBE_LEASE = timedelta(seconds=60)
SLOW_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class CallResult:
    """The result of a call, `seconds` after it was made.

    `cause` is the record or scan for which it was made; `retry_after` is in seconds, None if the
    remote named no time; `jitter`, from 0 to 1, shortens the wait for the next probe."""

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
    """The state after a call with this result."""
    if call_result.verdict is Verdict.NOTHING:
        return state
    if call_result.verdict in (Verdict.DOWN, Verdict.SUSPECT):
        slowed = slow_down(state, limits, now) if call_result.overloaded else state
        return _fail(_record_silence(slowed, call_result, now), limits, call_result, now)
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


def _record_silence(state: RemoteState, call_result: CallResult, now: datetime) -> RemoteState:
    """Set `silent_since` if the call got no answer and is the first such call."""
    if call_result.verdict is not Verdict.DOWN or state.silent_since is not None:
        return state
    return replace(state, silent_since=now - timedelta(seconds=call_result.seconds))


def _fail(
    state: RemoteState, limits: RemoteLimits, call_result: CallResult, now: datetime
) -> RemoteState:
    """Count a failure, and open the breaker at the limit.

    Repeated suspect failures of one record count once, since the record may cause them. A call
    that was in progress when the breaker opened changes nothing."""
    if state.is_open:
        return _fail_probe(state, limits, call_result, now) if call_result.probe else state
    is_repeated = call_result.verdict is Verdict.SUSPECT and call_result.cause == state.last_cause
    failures = state.failures + (0 if is_repeated and state.failures else 1)
    failed = replace(
        state, failures=failures, last_cause=call_result.cause, last_error=call_result.message
    )
    return failed if failures < limits.failures else _open(failed, limits, call_result, now)


def _open(
    state: RemoteState, limits: RemoteLimits, call_result: CallResult, now: datetime
) -> RemoteState:
    """Open the breaker; if it closed a short time ago, the waits between probes continue to grow
    from where they were."""
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
    """The wait before the next probe; it doubles with each failed probe."""
    ceiling = limits.probe_seconds * 2.0 ** min(state.probes, 30)
    seconds = min(limits.probe_max_seconds, ceiling) * (1 - call_result.jitter / 2)
    return timedelta(seconds=seconds)


def _answer(state: RemoteState, call_result: CallResult, now: datetime) -> RemoteState:
    """The state after an answered call.

    An open breaker is closed by a probe's answer only, as other calls were made before it opened.
    Refused credentials of a write stay refused until a write is answered."""
    still_rejected = state.rejected_write and not call_result.write
    answered = replace(
        state,
        answered_at=now,
        silent_since=None,
        rejected_at=state.rejected_at if still_rejected else None,
        rejected_write=still_rejected,
    )
    if state.is_open and not call_result.probe:
        return answered
    closed_at = now if state.is_open else state.closed_at
    return replace(answered, failures=0, last_cause="", closed_at=closed_at, probe_at=None)


def claim_probe(state: RemoteState, now: datetime) -> RemoteState:
    """The state with the due probe claimed for `PROBE_LEASE`; unchanged if no probe is due."""
    if not state.is_open or state.probe_at is None or state.probe_at > now:
        return state
    return replace(state, probe_at=now + PROBE_LEASE)


def detect_slow(state: RemoteState, now: datetime, *, oldest_at: datetime | None) -> RemoteState:
    """Set or clear `slow_at`. `oldest_at` is when the oldest call in progress was made.

    A remote is slow if that call, or the first call without an answer since the last answer, was
    made at least `SLOW_AFTER` ago. A remote that is down does not count as slow."""
    unanswered = [moment for moment in (oldest_at, state.silent_since) if moment is not None]
    is_slow = not state.is_open and bool(unanswered) and now - min(unanswered) >= SLOW_AFTER
    if is_slow == (state.slow_at is not None):
        return state
    return replace(state, slow_at=min(unanswered) if is_slow else None)


T = TypeVar("T")

ANSWER_SECONDS = 10.0
"""How long the time of an answer waits for another change with which it is stored."""


@dataclass(slots=True)
class _Probe:
    every: bool
    used: bool = False

    def take(self) -> bool:
        is_available, self.used = self.every or not self.used, True
        return is_available


_probing: ContextVar[_Probe | None] = ContextVar("probing", default=None)


@contextmanager
def probing(*, every: bool = False) -> Iterator[None]:
    """Let the first call inside pass an open breaker, or `every` call, for a check that a person
    requested. An answer closes the breaker."""
    token = _probing.set(_Probe(every))
    try:
        yield
    finally:
        _probing.reset(token)


@dataclass(slots=True)
class _Change:
    """A change of the locked state, from `before` to `after`; `now` is the database's time."""

    session: Session
    before: RemoteState
    now: datetime
    after: RemoteState


@dataclass(slots=True)
class SharedGate:
    """The gate of one process to a remote that several processes call.

    `most_at_once` limits the concurrent calls of this process, `limits` those of all processes
    together; `known` is the state as last read or written."""

    sessions: Sessions
    system: System
    store: str
    limits: RemoteLimits
    most_at_once: int
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    known: RemoteState = field(default_factory=RemoteState)
    _slots: asyncio.Semaphore = field(init=False)
    _turns: Turns = field(init=False)
    _permit_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _block: Block | None = None
    _waiting: int = 0
    _in_progress: dict[int, float] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _process: str = field(default_factory=lambda: uuid4().hex)
    _answered: float | None = None
    _reported: bool = False

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.most_at_once)
        self._turns = Turns(self.sessions, self.key, self.limits.turn_seconds, self.sleep)

    @property
    def key(self) -> str:
        return remote_key(self.system, self.store)

    async def run(
        self, call: Callable[[], Awaitable[T]], *, write: bool = False, exclusive: str = ""
    ) -> T:
        """Make a call and return its result; `exclusive` names a kind of exclusive call.

        Raises RemotePaused without calling while the breaker is open or calls are paused."""
        if not exclusive:
            return await self._run(call, write=write)
        async with self._turns.take(exclusive):
            return await self._run(call, write=write)

    async def _run(self, call: Callable[[], Awaitable[T]], *, write: bool) -> T:
        probe = _probing.get()
        if probe is not None and probe.take():
            return await self._call(call, probe=True, write=write)
        async with self._slots:
            await self.acquire_permit()
            return await self._call(call, probe=False, write=write)

    async def report(self) -> None:
        """Store the calls in progress and the time of the last answer, and decide whether the
        remote is slow. Makes no query while nothing changed."""
        now, in_progress = time.monotonic(), list(self._in_progress.values())
        is_known = not in_progress and not self._reported and not self._is_answer_due(now)
        if is_known and self.known.slow_at is None and self.known.silent_since is None:
            return
        self._reported = bool(in_progress)
        oldest_seconds = now - min(in_progress, default=now)
        async with self._changing() as change:
            oldest_at = await report_calls(
                change.session,
                self.key,
                self._process,
                calls=len(in_progress),
                oldest_seconds=oldest_seconds,
            )
            change.after = detect_slow(change.after, change.now, oldest_at=oldest_at)

    def _is_answer_due(self, now: float) -> bool:
        """Whether the time of the last answer is to be stored: it is the remote's first, or no
        other change took it along."""
        if self._answered is None:
            return False
        return self.known.answered_at is None or now - self._answered >= ANSWER_SECONDS

    async def claim_probe(self) -> bool:
        """Whether a probe was due and is claimed now; a call inside `probing` makes it."""
        async with self._changing() as change:
            change.after = claim_probe(change.after, change.now)
        return change.after.probe_at != change.before.probe_at

    async def _call(self, call: Callable[[], Awaitable[T]], *, probe: bool, write: bool) -> T:
        began, number = time.monotonic(), next(self._numbers)
        self._in_progress[number] = began
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
            del self._in_progress[number]
        self._answered = time.monotonic()
        await self._record_result(CallResult(Verdict.ANSWERED, probe=probe, write=write))
        return result

    async def acquire_permit(self) -> None:
        """Wait for a permit. Raises RemotePaused as `run` does.

        Permits are reserved in the database for several calls at a time."""
        self._waiting += 1
        try:
            async with self._permit_lock:
                while not await self._use_permit():
                    pass
        finally:
            self._waiting -= 1

    async def _use_permit(self) -> bool:
        """Wait until the next permit is valid; return whether it still is one afterwards."""
        block = self._block
        if block is None or not block.has_left(time.monotonic()):
            block = self._block = await self._reserve()
        wait = block.use() - time.monotonic()
        if wait > 0:
            await self.sleep(wait)
        if wait > PERMIT_SECONDS:
            await self._refuse_paused_meanwhile()
        return block.expires_at > 0

    async def _reserve(self) -> Block:
        block = None
        async with self._changing() as change:
            if pause_end(change.after, change.now) is None:
                change.after, block = reserve_block(
                    change.after,
                    self.limits,
                    now=change.now,
                    monotonic=time.monotonic(),
                    last=self._block,
                    waiting=self._waiting,
                )
        self._refuse_paused(change.after, change.now)
        assert block is not None  # noqa: S101 - calls are not paused
        return block

    async def _refuse_paused_meanwhile(self) -> None:
        """Read the state again after a long wait for a permit. Raises RemotePaused."""
        async with self.sessions() as session:
            found = await find_state(session, self.key)
        if found is not None:
            self._refuse_paused(*found)

    def _drop_permits(self) -> None:
        if self._block is not None:
            self._block.expires_at = 0.0

    def _refuse_paused(self, known: RemoteState, now: datetime) -> None:
        until = pause_end(known, now)
        if until is None:
            return
        kind = CircuitOpen if known.is_open else CallsPaused
        explanation = explain_pause(known, now)
        message = f"{self.system.label} is not called before {until:%H:%M:%S} UTC: {explanation}"
        raise kind(
            self.system, message, until=until, seconds=max(0.0, (until - now).total_seconds())
        )

    async def _record_result(self, call_result: CallResult) -> None:
        """Store the result. An answered call of a remote without failures makes no query."""
        if call_result.verdict is Verdict.NOTHING:
            return
        if call_result.verdict is not Verdict.ANSWERED:
            self._drop_permits()
        elif not call_result.probe and not self.known.is_cleared_by_answer(write=call_result.write):
            return
        async with self._changing() as change:
            change.after = record_result(
                change.after, self.limits, call_result=call_result, now=change.now
            )
        if call_result.verdict is Verdict.THROTTLED:
            rate = rate_of(change.after, self.limits, change.now)
            until = change.after.paused_until
            details = {"remote": self.key, "until": until, "calls_per_second": rate}
            log.warning("%s asks for fewer calls", self.system.label, extra=details)

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[_Change]:
        """Lock the state; store it as the body left it, with the time of the last answer, and the
        incidents that begin or end with the change."""
        answered = self._answered
        async with transaction(self.sessions) as session:
            before, now = await lock(session, self.key)
            change = _Change(session, before, now, _add_answer(before, now, answered))
            yield change
            await save(session, self.key, before=before, after=change.after)
            log_calls = await announce_changes(
                session, self.system, self.store, before=before, after=change.after
            )
        self.known = change.after
        if self._answered == answered:
            self._answered = None
        for log_call in log_calls:
            log_call()


def _add_answer(state: RemoteState, now: datetime, answered: float | None) -> RemoteState:
    """The state with the time of an answer, which is given by the monotonic clock."""
    if answered is None:
        return state
    answered_at = now - timedelta(seconds=time.monotonic() - answered)
    return replace(state, answered_at=max(answered_at, state.answered_at or answered_at))


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

"""The breaker of one remote: what each call's end changes. Pure; times and chance are given.

After a number of failures in a row it opens; then nobody calls but a probe now and then, and the
first probe that is answered closes it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.gate import Verdict
from app.remotes.rate import pause, slow_down
from app.remotes.state import RemoteLimits, RemoteState

PROBE_LEASE = timedelta(seconds=60)
SLOW = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Lesson:
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


def learn(
    state: RemoteState, limits: RemoteLimits, *, lesson: Lesson, now: datetime
) -> RemoteState:
    if lesson.verdict is Verdict.NOTHING:
        return state
    if lesson.verdict in (Verdict.DOWN, Verdict.SUSPECT):
        slowed = slow_down(state, limits, now) if lesson.overloaded else state
        return _fail(_miss(slowed, lesson, now), limits, lesson, now)
    answered = _answer(state, lesson, now)
    if lesson.verdict is Verdict.REJECTED:
        return replace(
            answered,
            rejected_at=state.rejected_at or now,
            rejected_write=lesson.write,
            last_error=lesson.message,
        )
    if lesson.verdict is Verdict.THROTTLED:
        return pause(answered, limits, now=now, retry_after=lesson.retry_after)
    return answered


def _miss(state: RemoteState, lesson: Lesson, now: datetime) -> RemoteState:
    """A call without an answer, if that is what its end tells."""
    if lesson.verdict is not Verdict.DOWN or state.silent_since is not None:
        return state
    return replace(state, silent_since=now - timedelta(seconds=lesson.seconds))


def _fail(state: RemoteState, limits: RemoteLimits, lesson: Lesson, now: datetime) -> RemoteState:
    """One record alone does not open the breaker where the fault may be its own; what was under
    way when the breaker opened changes nothing."""
    if state.is_open:
        return _fail_probe(state, limits, lesson, now) if lesson.probe else state
    own = lesson.verdict is Verdict.SUSPECT and lesson.cause == state.last_cause
    failures = state.failures + (0 if own and state.failures else 1)
    failed = replace(state, failures=failures, last_cause=lesson.cause, last_error=lesson.message)
    return failed if failures < limits.failures else _open(failed, limits, lesson, now)


def _open(state: RemoteState, limits: RemoteLimits, lesson: Lesson, now: datetime) -> RemoteState:
    """One that opens again soon goes on with the waits where it left off."""
    calm = timedelta(seconds=2 * limits.probe_max_seconds)
    relapse = state.closed_at is not None and now - state.closed_at < calm
    opened = replace(state, opened_at=now, closed_at=None, probes=state.probes if relapse else 0)
    return replace(opened, probe_at=now + _probe_wait(opened, limits, lesson))


def _fail_probe(
    state: RemoteState, limits: RemoteLimits, lesson: Lesson, now: datetime
) -> RemoteState:
    failed = replace(state, probes=state.probes + 1, last_error=lesson.message)
    return replace(failed, probe_at=now + _probe_wait(failed, limits, lesson))


def _probe_wait(state: RemoteState, limits: RemoteLimits, lesson: Lesson) -> timedelta:
    """Doubled with each probe in vain."""
    ceiling = limits.probe_seconds * 2.0 ** min(state.probes, 30)
    seconds = min(limits.probe_max_seconds, ceiling) * (1 - lesson.jitter / 2)
    return timedelta(seconds=seconds)


def _answer(state: RemoteState, lesson: Lesson, now: datetime) -> RemoteState:
    """While the breaker is open only a probe's answer counts: others were asked for before.
    Credentials that may read but not write are refused until a write is answered."""
    still = state.rejected_write and not lesson.write
    answered = replace(
        state,
        answered_at=now,
        silent_since=None,
        rejected_at=state.rejected_at if still else None,
        rejected_write=still,
    )
    if state.is_open and not lesson.probe:
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

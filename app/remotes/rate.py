"""How many calls a second a remote gets: halved at its plea for fewer, growing back evenly. Pure.

All workers book on one line of time, so they keep the rate together, however many they are.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from app.remotes.state import RemoteLimits, RemoteState

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


def book(
    state: RemoteState, limits: RemoteLimits, *, now: datetime, calls: int
) -> tuple[RemoteState, float]:
    """Room for some calls, and in how many seconds it begins. What nobody used in the last second
    can be used at once."""
    free_from = now - BURST
    start = free_from if state.booked_until is None else max(free_from, state.booked_until)
    seconds = calls / rate_of(state, limits, now)
    wait = max(0.0, (start - now).total_seconds())
    return replace(state, booked_until=start + timedelta(seconds=seconds)), wait

"""The rate: kept by all workers together, halved when the remote asks, growing back in time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.http.client import Verdict
from app.remotes.gate import (
    MIN_RATE,
    CallResult,
    RemoteLimits,
    RemoteState,
    pause,
    rate_of,
    record_result,
    reserve,
    slow_down,
)

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
LIMITS = RemoteLimits(calls_per_second=100, recovery_seconds=300)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_plea_for_fewer_calls_halves_the_rate_once_a_second() -> None:
    state = RemoteState()
    for _ in range(8):
        state = pause(state, LIMITS, now=NOW, retry_after=None)
    assert rate_of(state, LIMITS, NOW) == 50
    assert 25 < rate_of(slow_down(state, LIMITS, later(1)), LIMITS, later(1)) < 26


def test_a_rate_grows_back_to_what_the_settings_allow() -> None:
    state = slow_down(RemoteState(), LIMITS, NOW)
    rates = [rate_of(state, LIMITS, later(seconds)) for seconds in range(0, 400, 10)]
    assert rates == sorted(rates)
    assert rates[0] == 50
    assert rates[15] == rates[-1] == 100


@given(st.lists(st.floats(0, 10), max_size=60))
def test_a_rate_stays_above_nothing(gaps: list[float]) -> None:
    state, now = RemoteState(), NOW
    for gap in gaps:
        now += timedelta(seconds=gap)
        state = slow_down(state, LIMITS, now)
        assert MIN_RATE <= rate_of(state, LIMITS, now) <= 100


def test_the_longest_wait_that_was_asked_for_holds() -> None:
    state = pause(RemoteState(), LIMITS, now=NOW, retry_after=30)
    state = pause(state, LIMITS, now=NOW, retry_after=5)
    assert state.paused_until == later(30)
    assert state.is_paused(later(29))
    assert not state.is_paused(later(30))


def test_an_overloaded_remote_is_slowed_down_and_counts_as_failing() -> None:
    state = record_result(
        RemoteState(), LIMITS, call_result=CallResult(Verdict.DOWN, overloaded=True), now=NOW
    )
    assert (rate_of(state, LIMITS, NOW), state.failures) == (50, 1)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 25)), min_size=1, max_size=80))
def test_however_calls_are_booked_the_rate_is_kept(bookings: list[tuple[float, int]]) -> None:
    """Within any time no more than the rate, and what a second of idleness saved up."""
    state, now, given_out, ends = RemoteState(), NOW, 0, NOW
    for gap, calls in bookings:
        now += timedelta(seconds=gap)
        state, wait = reserve(state, LIMITS, now=now, calls=calls)
        assert wait >= 0
        given_out, ends = given_out + calls, now + timedelta(seconds=wait)
        allowed = 100 * ((ends - NOW).total_seconds() + 1) + calls
        assert given_out <= allowed + 0.01


def test_idleness_saves_up_a_second_and_no_more() -> None:
    idle = replace(RemoteState(), booked_until=later(-3600))
    state, wait = reserve(idle, LIMITS, now=NOW, calls=100)
    assert (wait, state.booked_until) == (0, NOW)
    _, next_wait = reserve(state, LIMITS, now=NOW, calls=1)
    assert next_wait == 0

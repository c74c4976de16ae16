"""When a hint is tried again: later and later, never before the remote asked, not for ever."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import (
    AuthRejected,
    CircuitOpen,
    DependencyNotReady,
    Duplicate,
    LeaseLost,
    NotFound,
    RateLimited,
    Rejected,
    RemoteTimeout,
    RemoteUnavailable,
    System,
    WooVtigerError,
    utc_now,
)
from app.sync.pipeline import RetryPolicy, counts_as_attempt, delay_seconds, should_retry

DOWN = RemoteUnavailable(System.VTIGER, "down")
POLICY = RetryPolicy()

attempts = st.integers(1, 10_000)
seeds = st.integers(0, 2**32)
policies = st.builds(
    RetryPolicy, base_seconds=st.floats(0.01, 60), max_seconds=st.floats(60, 86_400)
)


@given(policies, attempts, seeds)
def test_a_delay_stays_within_its_bounds(policy: RetryPolicy, attempt: int, seed: int) -> None:
    delay = delay_seconds(policy, DOWN, attempt, Random(seed))
    ceiling = min(policy.max_seconds, policy.base_seconds * 2.0 ** min(attempt - 1, 30))
    assert ceiling / 2 <= delay <= ceiling


@given(policies, attempts, seeds, seeds)
def test_a_later_delay_is_never_shorter_than_half_of_an_earlier_one(
    policy: RetryPolicy, attempt: int, seed: int, other: int
) -> None:
    earlier = delay_seconds(policy, DOWN, attempt, Random(seed))
    later = delay_seconds(policy, DOWN, attempt + 1, Random(other))
    assert later >= min(earlier, policy.max_seconds / 2)


@given(attempts, seeds, st.floats(0, 100_000))
def test_what_the_remote_asked_for_is_the_least(attempt: int, seed: int, asked: float) -> None:
    error = RateLimited(System.WOOCOMMERCE, "slow down", retry_after=asked)
    assert delay_seconds(POLICY, error, attempt, Random(seed)) >= asked


@given(attempts, seeds, st.floats(0, 100_000))
def test_a_remote_that_is_left_alone_is_tried_soon_after_its_probe(
    attempt: int, seed: int, seconds: float
) -> None:
    error = CircuitOpen(System.VTIGER, "left alone", until=utc_now(), seconds=seconds)
    delay = delay_seconds(POLICY, error, attempt, Random(seed))
    assert seconds <= delay <= seconds + POLICY.base_seconds


def test_only_a_try_burns_an_attempt() -> None:
    held = CircuitOpen(System.VTIGER, "left alone", until=utc_now(), seconds=1)
    waits = [held, LeaseLost("busy"), DependencyNotReady("for its product")]
    tries = [DOWN, Rejected(System.VTIGER, "no"), AuthRejected(System.VTIGER, "who")]
    assert [counts_as_attempt(error) for error in (*waits, *tries)] == [False] * 3 + [True] * 3


@given(attempts, seeds)
def test_a_pair_in_other_hands_is_looked_at_soon(attempt: int, seed: int) -> None:
    delay = delay_seconds(POLICY, LeaseLost("busy"), attempt, Random(seed))
    assert 0 < delay <= 2 * POLICY.lease_seconds


@given(st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_failing_remote_is_tried_as_long_as_the_budget_lasts(age: timedelta) -> None:
    for error in (DOWN, RemoteTimeout(System.VTIGER, "slow"), AuthRejected(System.VTIGER, "who")):
        assert should_retry(POLICY, error, age) == (age < POLICY.budget)


@given(st.timedeltas(timedelta(0), timedelta(days=30)))
def test_waiting_for_a_pair_uses_up_no_budget(age: timedelta) -> None:
    assert should_retry(POLICY, LeaseLost("busy"), age)


@pytest.mark.parametrize(
    "error",
    [
        Rejected(System.VTIGER, "no"),
        NotFound(System.VTIGER, "gone"),
        Duplicate(System.VTIGER, "taken"),
        WooVtigerError("bug"),
    ],
)
def test_what_would_fail_again_is_not_tried_again(error: WooVtigerError) -> None:
    assert not should_retry(POLICY, error, timedelta(0))

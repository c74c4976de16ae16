"""The breaker: opens after failures in a row, lets one probe pass at a time, closes by itself."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.client import Verdict
from app.remotes.gate import (
    PROBE_LEASE,
    SLOW_AFTER,
    CallResult,
    RemoteLimits,
    RemoteState,
    claim_probe,
    detect_slow,
    record_result,
)

NOW = datetime(2026, 11, 25, 9, tzinfo=UTC)
LIMITS = RemoteLimits()
DOWN = CallResult(Verdict.DOWN, message="no answer")
PROBE_DOWN = replace(DOWN, probe=True)
ANSWERED = CallResult(Verdict.ANSWERED)
PROBE_ANSWERED = replace(ANSWERED, probe=True)

verdicts = st.sampled_from(list(Verdict))
jitters = st.floats(0, 1)


def after(state: RemoteState, *lessons: CallResult, now: datetime = NOW) -> RemoteState:
    for call_result in lessons:
        state = record_result(state, LIMITS, call_result=call_result, now=now)
    return state


OPEN = after(RemoteState(), *[DOWN] * LIMITS.failures)


def test_failures_in_a_row_open_it() -> None:
    assert not after(RemoteState(), *[DOWN] * (LIMITS.failures - 1)).is_open
    assert OPEN.is_open
    assert OPEN.opened_at == NOW
    assert OPEN.last_error == "no answer"


@pytest.mark.parametrize("verdict", [Verdict.ANSWERED, Verdict.REJECTED, Verdict.THROTTLED])
def test_any_answer_starts_the_count_anew(verdict: Verdict) -> None:
    lessons = [DOWN] * (LIMITS.failures - 1)
    assert not after(RemoteState(), *lessons, CallResult(verdict), *lessons).is_open


def suspects(causes: Sequence[str]) -> list[CallResult]:
    return [CallResult(Verdict.SUSPECT, cause=cause) for cause in causes]


def test_one_record_that_always_fails_does_not_open_it() -> None:
    assert not after(RemoteState(), *suspects(["main:contacts:vtiger:12x1"] * 100)).is_open


def test_many_records_that_fail_do() -> None:
    assert after(RemoteState(), *suspects([str(n) for n in range(LIMITS.failures)])).is_open


def test_what_was_under_way_when_it_opened_changes_nothing() -> None:
    assert after(OPEN, DOWN, now=NOW + timedelta(seconds=1)) == OPEN
    assert after(OPEN, ANSWERED).is_open


def test_a_probe_that_is_answered_closes_it() -> None:
    later = NOW + timedelta(minutes=1)
    closed = after(OPEN, PROBE_ANSWERED, now=later)
    assert (closed.is_open, closed.failures, closed.closed_at) == (False, 0, later)


def test_a_probe_that_is_refused_for_its_key_closes_it_too() -> None:
    rejected = after(OPEN, CallResult(Verdict.REJECTED, probe=True, message="who?"))
    assert (rejected.is_open, rejected.rejected_at) == (False, NOW)


def test_it_is_told_once_that_the_credentials_are_refused() -> None:
    first = after(RemoteState(), CallResult(Verdict.REJECTED))
    again = after(first, CallResult(Verdict.REJECTED), now=NOW + timedelta(hours=1))
    assert again.rejected_at == NOW
    assert after(again, ANSWERED).rejected_at is None


@given(st.integers(0, 40), jitters)
def test_probes_come_later_and_later_but_never_too_late(tries: int, jitter: float) -> None:
    state = after(OPEN, *[replace(PROBE_DOWN, jitter=jitter)] * tries)
    assert state.probe_at is not None
    wait = (state.probe_at - NOW).total_seconds()
    ceiling = min(LIMITS.probe_max_seconds, LIMITS.probe_seconds * 2.0**tries)
    assert ceiling / 2 - 0.001 <= wait <= ceiling + 0.001


def test_a_probe_is_given_to_one_worker_until_it_is_late() -> None:
    assert OPEN.probe_at is not None
    assert claim_probe(OPEN, OPEN.probe_at - timedelta(seconds=1)) == OPEN
    claimed = claim_probe(OPEN, OPEN.probe_at)
    assert claimed.probe_at == OPEN.probe_at + PROBE_LEASE
    assert claim_probe(claimed, OPEN.probe_at) == claimed
    assert claim_probe(claimed, OPEN.probe_at + PROBE_LEASE) != claimed


def test_nobody_probes_what_is_well() -> None:
    closed = after(OPEN, PROBE_ANSWERED)
    assert claim_probe(closed, NOW + timedelta(days=1)) == closed


def test_one_that_opens_again_soon_goes_on_waiting_as_long() -> None:
    closed = after(OPEN, *[PROBE_DOWN] * 3, PROBE_ANSWERED)
    soon = after(closed, *[DOWN] * LIMITS.failures, now=NOW + timedelta(seconds=20))
    late = after(closed, *[DOWN] * LIMITS.failures, now=NOW + timedelta(hours=1))
    assert (soon.probes, late.probes) == (3, 0)


@given(st.lists(st.builds(CallResult, verdict=verdicts, probe=st.booleans(), jitter=jitters)))
def test_whatever_happens_one_answered_probe_makes_it_well(lessons: list[CallResult]) -> None:
    state = after(RemoteState(), *lessons)
    assert state.is_open == (state.opened_at is not None and state.probe_at is not None)
    assert not after(state, PROBE_ANSWERED).is_open


def test_calls_without_an_answer_for_half_a_minute_are_slowness() -> None:
    """The first timed out after 20 s, and so may the next: no answer came in between."""
    missed = after(RemoteState(), replace(DOWN, seconds=20))
    assert missed.silent_since == NOW - timedelta(seconds=20)
    assert detect_slow(missed, NOW, oldest_at=None).slow_at is None
    later = NOW + SLOW_AFTER - timedelta(seconds=20)
    slow = detect_slow(after(missed, DOWN, now=later), later, oldest_at=None)
    assert slow.slow_at == missed.silent_since
    answered = record_result(slow, LIMITS, call_result=ANSWERED, now=later)
    assert (answered.silent_since, answered.answered_at) == (None, later)
    assert detect_slow(answered, later, oldest_at=None).slow_at is None


def test_one_call_that_lasts_is_slowness_whatever_else_is_answered() -> None:
    began = NOW - SLOW_AFTER
    assert detect_slow(RemoteState(), NOW, oldest_at=NOW - SLOW_AFTER / 2).slow_at is None
    slow = detect_slow(RemoteState(), NOW, oldest_at=began)
    assert slow.slow_at == began
    assert detect_slow(
        record_result(slow, LIMITS, call_result=ANSWERED, now=NOW), NOW, oldest_at=began
    ) == replace(slow, answered_at=NOW)


def test_what_is_down_is_not_slow_too() -> None:
    late = NOW + 2 * SLOW_AFTER
    slow = detect_slow(after(RemoteState(), DOWN), late, oldest_at=None)
    assert slow.slow_at is not None
    opened = after(slow, *[DOWN] * LIMITS.failures, now=late)
    assert opened.is_open
    assert detect_slow(opened, late, oldest_at=NOW).slow_at is None


def test_a_key_that_may_only_read_stays_refused_until_a_write_is_answered() -> None:
    refused = after(RemoteState(), CallResult(Verdict.REJECTED, write=True, message="read only"))
    assert after(refused, ANSWERED).rejected_at == NOW
    assert after(refused, ANSWERED, replace(ANSWERED, write=True)).rejected_at is None
    wrong = after(refused, CallResult(Verdict.REJECTED))
    assert after(wrong, ANSWERED).rejected_at is None

"""The brake on guessing tokens."""

from app.web.attempts import MOST_CALLERS, MOST_FAILURES, WINDOW, Attempts
from tests.setting import Clock


def _stopped() -> Clock:
    clock = Clock()
    clock.stop()
    return clock


def test_who_fails_too_often_waits_and_others_do_not() -> None:
    attempts = Attempts(_stopped())
    for _ in range(MOST_FAILURES):
        assert attempts.wait_s("10.0.0.1") == 0
        attempts.failed("10.0.0.1")
    assert attempts.wait_s("10.0.0.1") == WINDOW.total_seconds()
    assert attempts.wait_s("10.0.0.2") == 0


def test_failures_are_forgotten_in_time() -> None:
    clock = _stopped()
    attempts = Attempts(clock)
    for _ in range(MOST_FAILURES):
        attempts.failed("10.0.0.1")
    clock.ahead += WINDOW
    assert attempts.wait_s("10.0.0.1") == 0


def test_many_addresses_do_not_fill_the_memory() -> None:
    attempts = Attempts(_stopped())
    for number in range(MOST_CALLERS + 10):
        for _ in range(MOST_FAILURES if number == 0 else 1):
            attempts.failed(str(number))
    assert attempts.wait_s("0") == 0
    assert len(attempts._failures) == MOST_CALLERS

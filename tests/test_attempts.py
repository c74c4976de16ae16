"""The brake on guessing credentials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.attempts import MOST_CALLERS, MOST_FAILURES, WINDOW, Attempts, Door, network_of
from tests.setting import Clock


def _stopped() -> Clock:
    clock = Clock()
    clock.stop()
    return clock


def _fail_often(attempts: Attempts, address: str, door: Door = Door.API) -> None:
    for _ in range(MOST_FAILURES):
        assert attempts.failed(door, address) == 0


def test_who_fails_too_often_waits_and_others_do_not() -> None:
    attempts = Attempts(_stopped())
    _fail_often(attempts, "192.0.2.1")
    assert attempts.failed(Door.API, "192.0.2.1") == WINDOW.total_seconds()
    assert attempts.failed(Door.API, "192.0.2.2") == 0


def test_each_door_counts_for_itself() -> None:
    attempts = Attempts(_stopped())
    _fail_often(attempts, "192.0.2.1", Door.WEBHOOK)
    assert attempts.failed(Door.CALLBACK, "192.0.2.1") == 0


def test_failures_are_forgotten_in_time_although_more_come_meanwhile() -> None:
    clock = _stopped()
    attempts = Attempts(clock)
    _fail_often(attempts, "192.0.2.1")
    clock.ahead += WINDOW / 2
    assert attempts.failed(Door.API, "192.0.2.1") > 0
    clock.ahead += WINDOW / 2
    assert attempts.failed(Door.API, "192.0.2.1") == 0


def test_all_addresses_of_one_ipv6_network_are_one_caller() -> None:
    attempts = Attempts(_stopped())
    for number in range(MOST_FAILURES):
        attempts.failed(Door.API, f"2001:db8:1:2::{number}")
    assert attempts.failed(Door.API, "2001:db8:1:2:ffff:ffff:ffff:ffff") > 0
    assert attempts.failed(Door.API, "2001:db8:1:3::") == 0


def test_many_addresses_do_not_fill_the_memory() -> None:
    attempts = Attempts(_stopped())
    _fail_often(attempts, "0")
    for number in range(MOST_CALLERS + 10):
        attempts.failed(Door.API, f"10.0.{number // 256}.{number % 256}")
    assert len(attempts._failures) == MOST_CALLERS
    assert attempts.failed(Door.API, "10.0.0.0") == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("nobody", ""),
        ("", ""),
    ],
)
def test_whoever_shares_a_network_is_one(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.text() | st.ip_addresses().map(str))
def test_a_key_is_short_whatever_the_address(address: str) -> None:
    assert len(network_of(address)) <= len("ffff:ffff:ffff:ffff::/64")

"""When a webhook's body may stand in for reading the record."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Event, Origin
from app.inbox.models import Delivery
from app.links.models import Link
from app.sync.reconcile import MAX_CLOCK_SKEW, find_sole_body, is_fresh, is_outdated

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WITHIN = timedelta(minutes=5)
LINK = Link(store="main", module="contacts", woo_id="5", vtiger_id="12x7", base={})

moments = st.timedeltas(timedelta(0), timedelta(hours=1)).map(lambda since: NOW + since)


def _delivery(**changes: object) -> Delivery:
    fields = {
        "origin": Origin.WEBHOOK,
        "event": Event.UPDATED,
        "body": b"{}",
        "duplicates": 0,
        "attempts": 1,
    }
    return Delivery(**fields | changes)


def test_the_body_of_a_pairs_only_hint_is_taken() -> None:
    assert find_sole_body([_delivery()], LINK) == b"{}"


@pytest.mark.parametrize(
    "change",
    [
        {"duplicates": 1},
        {"attempts": 2},
        {"origin": Origin.POLL},
        {"origin": Origin.REPLAY},
        {"event": Event.DELETED},
        {"body": None},
    ],
)
def test_a_body_with_a_doubt_is_not_taken(change: dict[str, object]) -> None:
    assert find_sole_body([_delivery(**change)], LINK) is None


def test_of_several_bodies_none_is_taken() -> None:
    """Nobody can tell which is the later one."""
    assert find_sole_body([_delivery(), _delivery(body=b"[]")], LINK) is None
    assert find_sole_body([_delivery(), _delivery(event=Event.DELETED)], LINK) is None


def test_one_body_that_several_hints_carry_is_taken() -> None:
    created = _delivery(event=Event.CREATED)
    assert find_sole_body([created, _delivery()], None) == b"{}"


def test_no_body_brings_a_pair_back() -> None:
    gone = Link(store="main", module="contacts", woo_id="5", vtiger_id="12x7", woo_deleted_at=NOW)
    assert find_sole_body([_delivery()], gone) is None


@given(moments, moments)
def test_what_is_outdated_is_no_news(modified_at: datetime, known_at: datetime) -> None:
    fresh = is_fresh(modified_at, known_at=known_at, now=modified_at, within=WITHIN)
    assert fresh != is_outdated(modified_at, known_at=known_at)


@given(moments, moments, moments)
def test_news_is_later_than_what_is_known_and_young(
    modified_at: datetime, known_at: datetime, now: datetime
) -> None:
    fresh = is_fresh(modified_at, known_at=known_at, now=now, within=WITHIN)
    assert fresh == (known_at < modified_at and now - WITHIN <= modified_at <= now + MAX_CLOCK_SKEW)


@given(moments)
def test_a_change_in_the_second_that_is_known_is_no_news(moment: datetime) -> None:
    """Stamps have a second's resolution: the record may have changed again within it."""
    assert not is_fresh(moment, known_at=moment, now=moment, within=WITHIN)


def test_without_stamps_nothing_is_news() -> None:
    assert not is_fresh(None, known_at=NOW, now=NOW, within=WITHIN)
    assert not is_fresh(NOW, known_at=None, now=NOW, within=WITHIN)

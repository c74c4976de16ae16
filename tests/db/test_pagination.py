"""A cursor is its own way back, and nothing else is taken for one."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.pagination import Cursor
from app.domain import InvalidInput

MOMENTS = st.datetimes(timezones=st.just(UTC), min_value=datetime(1, 1, 1))  # noqa: DTZ001
IDS = st.integers(-(2**63), 2**63 - 1)
URL_SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(MOMENTS, IDS)
def test_a_cursor_comes_back_as_it_went_and_needs_no_escaping(at: datetime, row: int) -> None:
    text = Cursor(at, row).encode()
    assert Cursor.decode(text) == Cursor(at, row)
    assert set(text) <= URL_SAFE


@given(st.text(max_size=40))
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Cursor.decode(text)


@given(st.binary(max_size=30))
def test_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        Cursor.decode(base64.urlsafe_b64encode(raw).decode())


@given(MOMENTS, IDS, st.integers(0, 27), st.sampled_from(sorted(URL_SAFE)))
def test_a_changed_letter_is_noticed(at: datetime, row: int, place: int, letter: str) -> None:
    text = Cursor(at, row).encode()
    changed = text[:place] + letter + text[place + 1 :]
    if changed == text:
        assert Cursor.decode(changed) == Cursor(at, row)
        return
    with pytest.raises(InvalidInput):
        Cursor.decode(changed)

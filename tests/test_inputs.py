"""The one type of ids, texts and moments: what passes is what a database and a calendar hold."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.parsing import EARLIEST, LARGEST, LATEST, MOMENT, NUMBER, TEXT, VERSION, Kind


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        (NUMBER, "0", "whole number"),
        (NUMBER, str(LARGEST + 1), "whole number"),
        (NUMBER, "9" * 5000, "whole number"),
        (NUMBER, "\u0661", "whole number"),
        (VERSION, "-1", "version"),
        (TEXT, "x" * 201, "200 characters"),
        (TEXT, "a\x00b", "NUL"),
        (MOMENT, "yesterday", "2026-11-24T08:00"),
        (MOMENT, "2026-02-30", "2026-11-24T08:00"),
        (MOMENT, "0001-01-01T00:00:00+14:00", "between 1970 and 2200"),
        (MOMENT, "9999-12-31T23:59:59-14:00", "between 1970 and 2200"),
        (MOMENT, "nan", "2026-11-24T08:00"),
    ],
)
def test_what_cannot_be_kept_is_told_in_a_sentence(
    kind: Kind[object], text: str, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        kind.read(text)


def test_a_moment_is_utc_unless_it_says() -> None:
    eight = datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert MOMENT.read("2026-11-24T08:00") == MOMENT.read("2026-11-24T09:00+01:00") == eight
    assert MOMENT.read("2026-11-24T09:00+01:00").tzinfo == UTC
    assert (NUMBER.read(str(LARGEST)), VERSION.read("0")) == (LARGEST, 0)


@given(st.datetimes(timezones=st.timezones()) | st.datetimes())
def test_every_moment_is_within_the_bounds_or_refused(moment: datetime) -> None:
    try:
        read = MOMENT.read(moment.isoformat())
    except ValueError:
        return
    assert EARLIEST.year - 1 <= read.year <= LATEST.year


@given(st.text(st.characters()))
def test_every_text_that_passes_can_be_written_down(text: str) -> None:
    try:
        read = TEXT.read(text)
    except ValueError:
        return
    assert read.encode().decode() == text

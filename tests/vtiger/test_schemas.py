"""Records and descriptions as read, and what is none."""

from datetime import UTC, datetime

import pytest

from app.errors import ResponseUnreadable
from app.vtiger.schemas import VtigerField, VtigerModule, VtigerRecord, parse_time


def test_a_field_is_text_or_empty() -> None:
    data = {"id": "6x5", "hdnGrandTotal": 50.41971999999999, "none": None, "LineItems": [{}]}
    record = VtigerRecord.parse(data, "SalesOrder")
    assert record.get("hdnGrandTotal") == "50.41971999999999"
    assert [record.get(name) for name in ("none", "LineItems", "absent")] == ["", "", ""]
    assert (record.modified_at, record.modified_by) == (None, "")


def test_times_are_utc() -> None:
    assert parse_time("2026-11-23 21:14:12") == datetime(2026, 11, 23, 21, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "0000-00-00 00:00:00", "23-11-2026 4:34 PM", "2026-11-23"])
def test_a_time_that_is_none(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize("data", [None, [], {}, {"name": "x", "idPrefix": "1"}])
@pytest.mark.parametrize("fields", [None, "text", [5], [{"label": "no name"}]])
def test_a_description_that_is_none(data: object, fields: object) -> None:
    broken = {**data, "fields": fields} if isinstance(data, dict) else data
    with pytest.raises(ResponseUnreadable):
        VtigerModule.parse(broken)


def test_a_field_of_an_unknown_kind_is_still_a_field() -> None:
    field = VtigerField.parse({"name": "cf_1", "label": "Caf&eacute; &amp; co", "type": "odd"})
    assert (field.label, field.type, field.mandatory, field.editable) == (
        "Café & co",
        "",
        False,
        True,
    )

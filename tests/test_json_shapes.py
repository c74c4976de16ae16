"""JSON as the two systems really send it: marks before it, gaps in lists, rows that are none."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.parsing import (
    LARGEST_LENIENT,
    MOST_LINES,
    MOST_ROWS,
    NotJson,
    Shape,
    find_list,
    in_utc,
    leading_members,
    parse_bounded_json,
    parse_json,
    rows_of,
    shaped,
)

MARK = b"\xef\xbb\xbf"
ROW = Shape(amounts=frozenset({"total"}), rows={"parts": Shape()}, lists=frozenset({"words"}))
WHOLE = Shape(
    texts=frozenset({"name"}),
    words=frozenset({"kind"}),
    numbers=frozenset({"tax"}),
    amounts=frozenset({"total"}),
    ids=frozenset({"owner"}),
    objects={"place": Shape(texts=frozenset({"city"}))},
    rows={"rows": ROW, "meta": Shape()},
    needed=frozenset({"rows"}),
    found_by_key=frozenset({"meta"}),
)
GOOD: dict[str, Any] = {"name": "x", "kind": "y", "total": "1.00", "rows": [{"total": 1}]}


@pytest.mark.parametrize("before", [b"", MARK, MARK + MARK, b"\r\n" + MARK + b" \n" + MARK, b"  "])
def test_marks_and_blanks_before_json_are_none_of_it(before: bytes) -> None:
    assert parse_json(before + b'{"id": 7}') == {"id": 7}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body is empty"),
        (MARK, "the body is empty"),
        (b"<br />\n<b>Notice</b>: x {}", "line 1, column 1, near '<br /> <b>Notice</b>"),
        (b'{"id":\n1}<!-- cached -->', "line 2, column 3, near '<!-- cached -->'"),
        (b'{"id": ', "it ends at line 1, column 8"),
        (b"[" * 100_000, "it is invalid at"),
        (b'{"id": "\xff"}', "it is invalid at"),
    ],
)
def test_what_is_no_json_is_shown_with_its_place(body: bytes, told: str) -> None:
    with pytest.raises(NotJson) as caught:
        parse_json(body)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 250


def test_one_odd_value_does_not_spoil_a_whole_body() -> None:
    rows = parse_json(b'[{"id": 1, "total": 1e999}, {"id": 2, "total": NaN}, {"id": 3}]')
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert parse_json(b'{"name": "\\ud83d"}') == {"name": "\ud83d"}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ([1], [1]),
        ([], []),
        ({"2": "b", "10": "c", "1": "a"}, ["a", "b", "c"]),
        ({"0": {}}, [{}]),
        ({}, None),
        ({"1": 1, "a": 2}, None),
        ({"-1": 1}, None),
        ("text", None),
        (None, None),
    ],
)
def test_a_list_with_gaps_is_a_list(value: object, wanted: list[object] | None) -> None:
    assert find_list(value) == wanted
    assert rows_of(value) == [row for row in wanted or [] if isinstance(row, dict)]


@pytest.mark.parametrize(
    "data",
    [
        GOOD,
        {**GOOD, "place": None},
        {**GOOD, "place": []},
        {**GOOD, "place": ""},
        {**GOOD, "place": {"city": None}},
        {**GOOD, "tax": None, "owner": 0, "name": None},
        {**GOOD, "tax": "", "owner": "", "name": 7, "meta": None},
        {**GOOD, "owner": "12", "rows": {"3": {"total": "1", "words": {"1": "a"}}}},
        {**GOOD, "rows": []},
        {**GOOD, "rows": {}},
    ],
)
def test_what_can_be_read_without_doubt_has_no_fault(data: dict[str, Any]) -> None:
    found = shaped(data, WHOLE)
    assert (found.faults, found.dropped) == ((), ())
    assert isinstance(found.data["rows"], list)
    assert isinstance(found.data.get("place", {}), dict)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": ["x"]}, "name is a list, not text"),
        ({"name": False}, "name is true or false, not text"),
        ({"kind": None}, "kind is missing"),
        ({"kind": []}, "kind is a list, not text"),
        ({"total": "24,00"}, "total is '24,00', which is no plain number"),
        ({"total": None}, "total has no number"),
        ({"total": ""}, "total has no number"),
        ({"tax": "NaN"}, "tax is 'NaN', which is no plain number"),
        ({"tax": []}, "tax is a list, which is no plain number"),
        ({"owner": "abc"}, "owner is 'abc', which is no id"),
        ({"owner": -1}, "owner is -1, which is no id"),
        ({"owner": True}, "owner is True, which is no id"),
        ({"place": "Lyon"}, "place is text, not an object"),
        ({"place": [1]}, "place is a list, not an object"),
        ({"place": {"city": {}}}, "place.city is an object, not text"),
        ({"rows": None}, "rows is missing"),
        ({"rows": ""}, "rows is missing"),
        ({"rows": "x"}, "rows is text, not a list"),
        ({"rows": {"a": {}}}, "rows is an object, not a list"),
        ({"rows": [{"total": "1"}, {"total": "x"}]}, "rows[1].total is 'x', which is no plain"),
        ({"rows": [{"total": "1", "parts": 5}]}, "rows[0].parts is a number, not a list"),
        ({"meta": True}, "meta is true or false, not a list"),
    ],
)
def test_what_cannot_be_read_is_named(change: dict[str, Any], told: str) -> None:
    [fault] = shaped({**GOOD, **change}, WHOLE).faults
    assert str(fault).startswith(told)


def test_a_list_that_must_be_there_is_missed() -> None:
    [fault] = shaped({"kind": "y", "total": 1}, WHOLE).faults
    assert str(fault) == "rows is missing"


def test_rows_that_are_no_objects_are_dropped_and_told() -> None:
    rows: list[Any] = [
        None,
        [],
        {},
        5,
        {"total": 1, "parts": [None, {"a": 1}], "words": ["a", None, []]},
    ]
    found = shaped({**GOOD, "rows": rows, "meta": [[], {"key": "a"}]}, WHOLE)
    assert found.data["rows"] == [{"total": 1, "parts": [{"a": 1}], "words": ["a"]}]
    assert found.dropped == (
        *(f"rows[{index}]" for index in range(4)),
        "rows[4].parts[0]",
        "rows[4].words[1]",
        "rows[4].words[2]",
        "meta[0]",
    )
    assert found.data["meta"] == [[], {"key": "a"}]
    assert found.faults == ()


@pytest.mark.parametrize("year", [1, 1899, 9001, 9999])
def test_moments_at_the_ends_of_time_are_none(year: int) -> None:
    for hours in (-14, 0, 14):
        zone = timezone(timedelta(hours=hours))
        assert in_utc(datetime(year, 1, 1, tzinfo=zone)) is None
        assert in_utc(datetime(year, 12, 31, 23, 59, tzinfo=zone)) is None
    assert in_utc(datetime(2026, 1, 1)) == datetime(2026, 1, 1, tzinfo=UTC)  # noqa: DTZ001


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["0", "1", "3", *WHOLE.rows, *WHOLE.objects]), inner)
    ),
    max_leaves=8,
)
_KEYS = st.sampled_from(["name", "total", "tax", "owner", "place", "rows", "meta", "other"])


@given(st.dictionaries(_KEYS, _JSON))
def test_any_object_is_read_to_known_types_or_faults(data: dict[str, Any]) -> None:
    found = shaped(data, WHOLE)
    if not found.faults:
        assert all(isinstance(row, dict) and row for row in found.data["rows"])
        assert isinstance(found.data.get("place", {}), dict)
    assert found.data.keys() >= data.keys()


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_json_or_not_and_never_break_the_reader(raw: bytes, cut: int) -> None:
    with suppress(NotJson):
        parse_json(raw)
    assert isinstance(leading_members(raw[:cut]), dict)


@given(st.dictionaries(st.text(max_size=4), _JSON.filter(lambda value: value == value), max_size=4))
def test_members_of_a_cut_object_are_those_of_the_whole_one(data: dict[str, Any]) -> None:
    whole = json.dumps(data)
    for cut in range(len(whole)):
        found = leading_members(whole[:cut].encode())
        assert {name: repr(data[name]) for name in found} == {
            name: repr(value) for name, value in found.items()
        }


class Unread(dict[str, Any]):
    """A row that must not be looked at."""

    def get(self, *_: Any) -> Any:
        raise AssertionError("it was read")


COUNTED = Shape(rows={"rows": ROW}, counted=frozenset({"rows"}))


def test_of_too_many_lines_none_is_read() -> None:
    assert shaped({"rows": [{"total": 1}] * MOST_LINES}, COUNTED).faults == ()
    found = shaped({"rows": [Unread(total=1)] * (MOST_LINES + 1)}, COUNTED)
    assert [str(fault) for fault in found.faults] == [
        "rows has 2001 rows, and 2000 are the most that can be synced"
    ]


def test_rows_of_all_lists_together_have_an_end() -> None:
    parts = [{"a": 1}] * (MOST_ROWS // 2)
    rows = [{"total": 1, "parts": parts}, {"total": 2, "parts": parts}]
    [fault] = shaped({"rows": rows}, COUNTED).faults
    assert fault.place == "rows[1].parts"


TIMES = Shape(times=frozenset({"at"}))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "2026-11-23T21:15:58",
        "2026-11-23 21:15:58",
        "2026-11-23T21:15:58+01:00",
        "0000-00-00T00:00:00",
        "-0001-11-30T00:00:00",
        "1999-12-31",
    ],
)
def test_times_that_are_usable_or_were_never_set(value: object) -> None:
    assert shaped({"at": value}, TIMES).faults == ()


@pytest.mark.parametrize(
    "value",
    [
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "10000-01-01T00:00:00",
        "NaN",
        "yesterday",
        "2026-02-30T00:00:00",
        0,
        1e309,
        True,
        [],
        {},
    ],
)
def test_times_at_the_ends_of_time_and_what_is_none_are_named(value: object) -> None:
    [fault] = shaped({"at": value}, TIMES).faults
    assert (fault.place, "no usable time" in fault.problem) == ("at", True)


@pytest.mark.parametrize("body", [b"[1,2]", b'{"a":1}', b'[",,"]', b"[]"])
def test_values_are_counted_before_they_are_read(body: bytes) -> None:
    count = sum(map(body.count, (b",", b"[", b"{")))
    assert parse_bounded_json(body, most=count) == parse_json(body)
    with pytest.raises(NotJson, match="more than"):
        parse_bounded_json(body, most=count - 1)


def test_what_strict_readers_refuse_is_read_of_small_bodies_only() -> None:
    assert parse_bounded_json(b'{"a": 1e999}', most=10) == {"a": float("inf")}
    with pytest.raises(NotJson, match="it is invalid at"):
        parse_bounded_json(b'{"a": 1e999, "b": "' + b"x" * LARGEST_LENIENT + b'"}', most=10)


def test_numbers_of_any_length_are_read_as_near_as_can_be() -> None:
    found = parse_json(b"[NaN, " + b"9" * 80 + b", " + b"9" * 5000 + b"]")
    assert found[1:] == [1e80, float("inf")]
    assert leading_members(b'{"id": 7, "n": ' + b"9" * 5000 + b", ") == {"id": 7, "n": float("inf")}


def test_marks_without_end_are_no_json() -> None:
    with pytest.raises(NotJson):
        parse_json(MARK * 1_000_000 + b"{}")

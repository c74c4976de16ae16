"""Queries: what they look like, and that no value can leave its quotes."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import InvalidInput
from app.vtiger.query import Condition, Query, after, equals, one_of, quote, since
from app.vtiger.schemas import fold
from tests.recorded import exchanges

TOKEN = re.compile(r"'((?:[^'\\]|''|\\\\)*)'", re.DOTALL)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def unquote(text: str) -> str | None:
    """What Vtiger's lexer reads: quotes doubled, backslashes doubled, nothing else special."""
    found = TOKEN.fullmatch(text)
    return found and re.sub(r"''|\\\\", lambda pair: pair[0][0], found[1])


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("53-query-id-gt", Query("Contacts", ("id",), (after("12x20"),), order_by="id", limit=3)),
        ("53-query-quote-and-backslash-escaped", None),
        ("53-query-count", Query("Contacts", ("count(*)",))),
    ],
)
def test_a_recorded_query_is_written_the_same(name: str, query: Query | None) -> None:
    recorded = exchanges("vtiger")[name].url.params["query"]
    if query is None:
        value = 'O\'Neil \\ back % _ "dq"'
        query = Query("Contacts", ("lastname",), (equals("lastname", value),))
        recorded = recorded.replace(";", " LIMIT 100;")
    assert str(query) == recorded


def test_conditions_are_joined_without_parentheses() -> None:
    query = Query(
        "Contacts",
        ("id", "email"),
        (one_of("email", ["a@b.c", "d'e@f.g"]), Condition("lastname", "LIKE", "O'N%")),
        order_by="id",
        limit=5,
    )
    assert str(query) == (
        "SELECT id,email FROM Contacts WHERE email IN ('a@b.c','d''e@f.g')"
        " AND lastname LIKE 'O''N%' ORDER BY id LIMIT 5;"
    )


def test_times_are_compared_in_utc() -> None:
    paris = datetime(2026, 11, 23, 22, 30, tzinfo=timezone(timedelta(hours=1)))
    assert since(paris).render() == "modifiedtime>='2026-11-23 21:30:00'"
    assert since(datetime(2026, 1, 2, tzinfo=UTC), "createdtime").value == "2026-01-02 00:00:00"
    with pytest.raises(InvalidInput, match="zone"):
        since(datetime(2026, 1, 2))  # noqa: DTZ001


@pytest.mark.parametrize(
    "query",
    [
        Query("Contacts", where=(equals("modifiedtime", ""),)),
        Query("Contacts", where=(equals("birthday", ""),)),
        Query("Contacts", where=(Condition("lastname", ">", ""),)),
        Query("Contacts", where=(one_of("email", []),)),
        Query("Contacts", where=(equals("lastname", "a\0b"),)),
        Query("Contacts", where=(equals("last name", "x"),)),
        Query("Contacts", where=(equals("a='1' OR b", "x"),)),
        Query("Contacts; DROP", ("id",)),
        Query("Contacts", ("id", "x,y")),
        Query("Contacts", (), ()),
        Query("Contacts", order_by="id DESC"),
        Query("Contacts", limit=0),
        Query("Contacts", limit=101),
    ],
)
def test_what_vtiger_cannot_read_is_refused(query: Query) -> None:
    with pytest.raises(InvalidInput):
        str(query)


def test_an_empty_text_can_be_looked_for() -> None:
    assert equals("email", "").render() == "email=''"


@given(value=VALUES)
def test_a_quoted_value_reads_back_and_never_ends_early(value: str) -> None:
    assert unquote(quote(value)) == value


@given(values=st.lists(VALUES, min_size=1, max_size=5))
def test_every_value_of_a_query_reads_back(values: list[str]) -> None:
    text = str(Query("Contacts", ("id",), (one_of("email", values),)))
    shape = TOKEN.sub("?", text).removeprefix("SELECT id FROM Contacts WHERE email ")
    assert shape == f"IN ({','.join('?' * len(values))}) LIMIT 100;"
    assert [unquote(found[0]) for found in TOKEN.finditer(text)] == values


@pytest.mark.parametrize("text", ["Ünïcode Gmbh", "unicode gmbh  ", "U\u0308NICODE GMBH"])
def test_what_vtiger_finds_equal_folds_to_the_same(text: str) -> None:
    assert fold(text) == "unicode gmbh"


@pytest.mark.parametrize("text", [" unicode gmbh", "unicode  gmbh", "unicode-gmbh"])
def test_what_vtiger_tells_apart_does_not(text: str) -> None:
    assert fold(text) != "unicode gmbh"


@given(VALUES)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)

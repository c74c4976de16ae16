"""Filters read from an address, told back to the form, and put into addresses again."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from app.web.forms import Filter, choose

FILTERS = (
    Filter("q", "Search"),
    Filter("outcome", "Outcome", "choice", {"created": "Created", "failed": "Failed"}),
    Filter("run_id", "Run", "number", apart=True),
    Filter("since", "From", "time"),
)


def test_values_are_read_by_their_kind_and_empty_ones_ask_for_nothing() -> None:
    params = QueryParams("q=+Zo%C3%AB+&q=&outcome=created&outcome=failed&since=2026-11-24T08:00")
    chosen = choose("/ui/records", FILTERS, params)

    assert chosen.many("q") == ["Zoë"]
    assert chosen.many("outcome") == ["created", "failed"]
    since = chosen.earliest("since")
    assert since is not None
    assert since.isoformat() == "2026-11-24T08:00:00+00:00"
    assert chosen.latest("until") is None
    assert not chosen.some_apart


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("outcome=exploded", "outcome"),
        ("run_id=0", "run_id"),
        ("run_id=-1", "run_id"),
        ("run_id=99999999999999999999", "run_id"),
        ("run_id=" + "9" * 5000, "run_id"),
        ("run_id=%C2%B2", "run_id"),
        ("since=yesterday", "since"),
        ("since=0001-01-01", "since"),
        ("since=9999-12-31T23:59:59-12:00", "since"),
        ("q=" + "x" * 201, "q"),
        ("q=%00", "q"),
    ],
)
def test_a_value_that_cannot_be_is_told_and_asks_for_nothing(query: str, name: str) -> None:
    chosen = choose("/ui/records", FILTERS, QueryParams(query))
    assert name in chosen.errors
    assert not chosen.many(name)
    assert chosen.first(name)


def test_a_chip_leads_to_the_list_without_its_filter() -> None:
    chosen = choose("/ui/records", FILTERS, QueryParams("outcome=failed&q=a%26b&run_id=7"))
    chips = {chip.label: (chip.value, chip.without) for chip in chosen.chips}

    assert chips["Outcome"] == ("Failed", "/ui/records?q=a%26b&run_id=7")
    assert chips["Search"] == ("a&b", "/ui/records?outcome=failed&run_id=7")
    assert chosen.some_apart


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=50))
def test_an_address_holds_what_was_asked_for(text: str) -> None:
    chosen = choose("/ui/records", FILTERS, QueryParams([("q", text)]))
    pairs = parse_qsl(urlsplit(chosen.address(cursor="abc")).query)
    wanted = [("q", text.strip())] if text.strip() else []
    assert pairs == [*wanted, ("cursor", "abc")]

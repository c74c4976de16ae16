"""REST objects as read: ids, times and meta, whatever else is in them."""

from datetime import UTC, datetime

import pytest

from app.errors import ResponseUnreadable
from app.woocommerce.schemas import WooCustomer, WooRecord, parse_gmt
from tests.woocommerce.shop import recorded_json


def test_a_customer_as_recorded() -> None:
    found = WooCustomer.parse(recorded_json("customer_create"))
    assert (found.id, found.email, found.role) == ("2", "zoe.muller@lab.example", "customer")
    assert found.created_at == datetime(2026, 11, 23, 21, 15, 58, tzinfo=UTC)
    assert found.text("billing", "city") == "Besançon"


def test_a_user_that_was_never_changed_has_no_time() -> None:
    assert WooRecord.parse({"id": 6, "date_modified_gmt": None}).modified_at is None


@pytest.mark.parametrize("text", [None, "", "yesterday", 5, "2026-13-01T00:00:00"])
def test_a_time_that_is_none(text: object) -> None:
    assert parse_gmt(text) is None


def test_a_time_with_a_zone_is_read_as_such() -> None:
    assert parse_gmt("2026-11-23T22:00:00+01:00") == datetime(2026, 11, 23, 21, tzinfo=UTC)


def test_meta_gives_the_first_row_of_a_key_if_it_is_plain() -> None:
    rows = [
        {"id": 1, "key": "vtiger_id", "value": "12x5"},
        {"id": 2, "key": "vtiger_id", "value": "12x6"},
        {"id": 3, "key": "n", "value": 7},
        {"id": 4, "key": "struct", "value": {"a": 1}},
        "odd",
    ]
    record = WooRecord.parse({"id": 1, "meta_data": rows})
    assert record.meta("vtiger_id") == "12x5"
    assert record.meta("n") == "7"
    assert record.meta("struct") is None
    assert record.meta("other") is None
    assert WooRecord.parse({"id": 1, "meta_data": None}).meta("x") is None


@pytest.mark.parametrize("path", [("billing",), ("billing", "city", "x"), ("none",)])
def test_text_of_what_is_not_text_is_empty(path: tuple[str, ...]) -> None:
    assert WooRecord.parse({"id": "4", "billing": {"city": "Paris"}}).text(*path) == ""


def test_an_object_without_an_id_is_refused() -> None:
    with pytest.raises(ResponseUnreadable, match="id"):
        WooRecord.parse({"email": "a@b.c"})

"""REST objects as read: ids, times and meta, whatever else is in them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis.strategies import datetimes, timezones

from app.domain import InvalidInput, ResponseUnreadable
from app.woocommerce.schemas import (
    WooCustomer,
    WooOrder,
    WooProduct,
    WooRecord,
    WooTaxRate,
    modified_after,
    parse_gmt,
)
from tests.recorded import exchanges
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


def test_only_a_variation_has_a_parent() -> None:
    variation = WooProduct.parse(recorded_json("product_get_variation_by_id"))
    assert (variation.type, variation.parent_id) == ("variation", "17")
    assert WooProduct.parse({"id": 1, "type": "simple", "parent_id": 5}).parent_id is None
    assert WooProduct.parse({"id": 1, "type": "variation", "parent_id": 0}).parent_id is None


def test_an_order_of_a_customer_and_of_a_guest() -> None:
    order = WooOrder.parse(recorded_json("order_create_full_excl_tax"))
    assert (order.id, order.status, order.customer_id) == ("27", "pending", "2")
    assert WooOrder.parse(recorded_json("order_create_guest_usd")).customer_id is None


def test_a_tax_rate_as_recorded() -> None:
    rate = WooTaxRate.parse(recorded_json("tax_get"))
    assert (rate.id, rate.rate, rate.text("class")) == ("1", "20.0000", "standard")


def test_no_moment_filters_nothing() -> None:
    assert modified_after(None) == {}


@given(datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=timezones()))  # noqa: DTZ001
def test_a_moment_is_sent_as_the_second_it_lies_in_in_bare_utc(moment: datetime) -> None:
    query = modified_after(moment)
    assert query.keys() == {"modified_after", "dates_are_gmt"}
    assert query["dates_are_gmt"] == "true"
    sent = datetime.fromisoformat(query["modified_after"])
    assert sent.tzinfo is None
    assert timedelta(0) <= moment - sent.replace(tzinfo=UTC) < timedelta(seconds=1)


def test_the_trap_of_the_recording_is_not_ours() -> None:
    """A zone beside the flag loses rows."""
    trap = exchanges("woocommerce")["products_modified_after_Z_plus_gmt_flag"].url.params
    assert trap["modified_after"].endswith("Z")
    assert trap["dates_are_gmt"] == "true"
    sent = modified_after(datetime.fromisoformat(trap["modified_after"]))
    assert sent["modified_after"] == trap["modified_after"].removesuffix("Z")


def test_a_moment_without_a_zone_could_be_any() -> None:
    with pytest.raises(InvalidInput):
        modified_after(datetime(2026, 11, 23))  # noqa: DTZ001

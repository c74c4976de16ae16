"""Records and descriptions as read, and what is none."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.errors import ResponseUnreadable
from app.vtiger.schemas import (
    VtigerCurrency,
    VtigerField,
    VtigerModule,
    VtigerOrder,
    VtigerRecord,
    VtigerTax,
    parse_time,
)


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


@pytest.mark.parametrize("data", [{}, {"LineItems": []}, {"LineItems": None}])
def test_an_order_that_lost_its_lines_has_none(data: dict[str, object]) -> None:
    assert VtigerOrder.parse({"id": "6x5", **data}, "SalesOrder").lines == ()


@pytest.mark.parametrize("rows", ["text", [5], [{}, None], {"1": {}}])
def test_lines_of_another_shape_are_not_taken_for_none(rows: object) -> None:
    order = VtigerOrder.parse({"id": "6x5", "LineItems": rows}, "SalesOrder")
    with pytest.raises(ResponseUnreadable, match="6x5"):
        _ = order.lines


def test_a_tax() -> None:
    row = {"id": "34x4", "taxname": "tax4", "taxlabel": "TVA 5.5%", "percentage": "5.500"}
    wanted = VtigerTax("34x4", "tax4", "TVA 5.5%", Decimal("5.5"), deleted=False)
    assert VtigerTax.parse({**row, "deleted": "0"}) == VtigerTax.parse(row) == wanted
    assert VtigerTax.parse({**row, "deleted": "1"}).deleted


def test_a_currency_is_active_unless_switched_off_or_deleted() -> None:
    row = {"id": "21x2", "currency_code": "USD", "conversion_rate": "1.10000", "deleted": "0"}
    active = VtigerCurrency.parse({**row, "currency_status": "Active"})
    assert active == VtigerCurrency("21x2", "USD", Decimal("1.1"), active=True)
    assert not VtigerCurrency.parse({**row, "currency_status": "Inactive"}).active
    assert not VtigerCurrency.parse({**row, "currency_status": "Active", "deleted": "1"}).active


@pytest.mark.parametrize("number", [None, "", "abc", "NaN", "Infinity", "12,5"])
def test_a_rate_that_is_no_number_is_unreadable(number: object) -> None:
    with pytest.raises(ResponseUnreadable, match="34x1"):
        VtigerTax.parse({"id": "34x1", "taxname": "tax1", "percentage": number})
    with pytest.raises(ResponseUnreadable, match="21x1"):
        VtigerCurrency.parse({"id": "21x1", "conversion_rate": number})

"""Records and descriptions as read, and what is none."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.domain import RecordUnreadable, ResponseUnreadable
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
    data = {"id": "6x5", "hdnGrandTotal": 50.41971999999999, "none": None, "odd": {"a": 1}}
    record = VtigerRecord.parse(data, "SalesOrder")
    assert record.get("hdnGrandTotal") == "50.41971999999999"
    assert [record.get(name) for name in ("none", "absent")] == ["", ""]
    with pytest.raises(RecordUnreadable, match=r"SalesOrder 6x5 .* odd is no text"):
        record.get("odd")
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


ITEM = {"productid": "14x5", "quantity": "2.000", "listprice": "10.00000000"}
TOTALS = {"hdnGrandTotal": "20.00000000", "pre_tax_total": "20.00000000"}


def test_an_order_that_lost_its_lines_has_none() -> None:
    assert VtigerOrder.parse({"id": "6x5", "LineItems": []}, "SalesOrder").checked().lines == ()


@pytest.mark.parametrize("rows", [None, "", "text", 5, {"a": {}}, True])
def test_lines_that_cannot_be_read_are_not_taken_for_none(rows: object) -> None:
    order = VtigerOrder.parse({"id": "6x5", "LineItems": rows, **TOTALS}, "SalesOrder")
    with pytest.raises(RecordUnreadable, match=r"SalesOrder 6x5 .* LineItems"):
        order.checked()


def test_an_order_without_its_lines_is_not_one_that_has_none() -> None:
    with pytest.raises(RecordUnreadable, match="LineItems is missing"):
        VtigerOrder.parse({"id": "6x5", **TOTALS}, "SalesOrder").checked()
    shown_by_a_query = VtigerRecord.parse({"id": "6x5", **TOTALS}, "SalesOrder")
    assert shown_by_a_query.checked() is shown_by_a_query


def test_lines_with_a_gap_come_in_the_order_of_their_keys() -> None:
    rows = {"10": ITEM | {"comment": "second"}, "2": ITEM | {"comment": "first"}}
    order = VtigerOrder.parse({"id": "6x5", "LineItems": rows, **TOTALS}, "SalesOrder").checked()
    assert [line["comment"] for line in order.lines] == ["first", "second"]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"hdnGrandTotal": "24,00"}, "hdnGrandTotal"),
        ({"hdnGrandTotal": None}, "hdnGrandTotal"),
        ({"pre_tax_total": ""}, "pre_tax_total"),
        ({"hdnS_H_Amount": "1e999"}, "hdnS_H_Amount"),
        ({"account_id": ["11x2"]}, "account_id"),
        ({"LineItems": [ITEM, ITEM | {"quantity": None}]}, "LineItems[1].quantity"),
        ({"LineItems": [ITEM | {"listprice": "1,5"}]}, "LineItems[0].listprice"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(fields: dict[str, object], place: str) -> None:
    data = {"id": "6x5", "LineItems": [ITEM], **TOTALS, **fields}
    with pytest.raises(RecordUnreadable) as caught:
        VtigerOrder.parse(data, "SalesOrder").checked()
    assert (caught.value.record_id, caught.value.place) == ("6x5", place)
    assert place in str(caught.value)


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
    tax = {"id": "34x1", "taxname": "tax1", "percentage": number}
    assert VtigerTax.parse(tax).percentage is None
    with pytest.raises(RecordUnreadable, match="34x1"):
        VtigerRecord.parse(tax, "Tax").checked()
    with pytest.raises(RecordUnreadable, match="21x1"):
        VtigerCurrency.parse({"id": "21x1", "conversion_rate": number})

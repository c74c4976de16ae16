"""Values, messages and times as people read them."""

from datetime import UTC, datetime, timedelta

from app.modules.orders.lines import Sold, SoldLine
from app.web.words import clock_time, duration, field_name, prose, shown, split_label


def test_what_was_sold_is_told_line_by_line() -> None:
    lines = (
        SoldLine("14x1", "Coffee", "2", "24", "20"),
        SoldLine("", "WooCommerce fee: Gift wrap", "", "3.5", "3.5"),
    )
    assert shown(Sold(lines, shipping="5", total="28.5").to_text()) == [
        "WooCommerce fee: Gift wrap: 3.5",
        "2 × Coffee: 20 (before discount 24)",
        "Shipping 5",
        "Total 28.5",
    ]


def test_other_values_are_told_as_they_are() -> None:
    assert shown(None) == shown("") == []
    assert shown("a\nb") == ["a", "b"]
    assert shown('{"lines": 1}') == ['{"lines": 1}']
    assert shown("{no json") == ["{no json"]
    assert shown({"a": "é"}) == ["{", ' "a": "é"', "}"]


def test_code_in_a_sentence_is_marked_and_the_rest_escaped() -> None:
    assert prose("Set `ROLES` to <all>.") == "Set <code>ROLES</code> to &lt;all&gt;."
    assert prose("`<b>`") == "<code>&lt;b&gt;</code>"
    assert prose("one ` alone") == "one ` alone"


def test_times_and_spans_are_short() -> None:
    now = datetime.now(UTC)
    assert clock_time(datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)) == "4 Mar 2021, 05:06:07"
    assert str(now.year) not in clock_time(now.replace(month=1, day=2, hour=1))
    spans = (timedelta(seconds=5), timedelta(minutes=3), timedelta(hours=30), timedelta(days=9))
    told = [duration(span.total_seconds()) for span in spans]
    assert told == ["5 s", "3 min", "30 h", "9 days"]


def test_names_are_readable() -> None:
    assert field_name("billing_street") == "Billing street"
    assert split_label("Zoë Müller <zoe@shop.example>") == ("Zoë Müller", "zoe@shop.example")
    assert split_label("#62") == ("#62", "")

"""A base by what its rows meant: a row that maps something else begins without one."""

from dataclasses import replace

from app.domain import Direction, System
from app.mapping.rules import FieldRule, holds, read_base, write_base
from app.mapping.values import Agreed

PHONE = FieldRule("phone", ("billing.phone",), "phone")
VAT = FieldRule("vat", ("meta:vat",), "cf_853", custom=True, mark="a1")
BASE = {"phone": Agreed("1", "1"), "vat": Agreed("FR", "FR")}


def test_what_is_written_is_what_is_read() -> None:
    assert read_base(write_base(BASE, [PHONE, VAT]), [PHONE, VAT]) == BASE


def test_a_row_that_means_something_else_has_no_base_and_leaves_none_behind() -> None:
    kept = write_base(BASE, [PHONE, VAT])
    other = replace(VAT, vtiger="cf_900", mark="b2")
    base = read_base(kept, [PHONE, other])
    assert base == {"phone": Agreed("1", "1")}
    assert read_base(write_base(base, [PHONE, other]), [PHONE, VAT]) == base


def test_a_default_row_that_is_read_in_another_way_has_no_base() -> None:
    assert "phone" not in read_base(
        write_base(BASE, [PHONE, VAT]), [replace(PHONE, mark="c3"), VAT]
    )


def test_a_row_that_comes_back_finds_what_was_agreed() -> None:
    without = read_base(write_base(BASE, [PHONE, VAT]), [PHONE])
    assert read_base(write_base(without, [PHONE]), [PHONE, VAT]) == BASE


def test_rows_that_are_off_and_fields_that_are_not_shown_say_nothing() -> None:
    assert holds(replace(PHONE, direction=Direction.OFF), BASE, "2", system=System.VTIGER)
    assert holds(VAT, BASE, None, system=System.VTIGER)
    assert not holds(VAT, BASE, "DE", system=System.VTIGER)
    assert not holds(VAT, {}, "FR", system=System.VTIGER)

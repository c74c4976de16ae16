"""CSV that no spreadsheet runs, whichever separator it goes by."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.escaping import csv_line, harmless

SIGNS = "=+-@\uff0b\uff0d\uff1d\uff20"
PARTS = st.text(st.sampled_from(f"{SIGNS};\t\r\n,\"' ab"), max_size=30)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ('a;=cmd|"/C calc"!A1', 'a;\'=cmd|"/C calc"!A1'),
        ("Ada\n@SUM(A1)", "Ada\n'@SUM(A1)"),
        ("a\t+1", "a\t'+1"),
        ("\t=1", "'\t'=1"),
        ("\uff1d1", "'\uff1d1"),
        ("-5.00", "'-5.00"),
        ("Rue de Rivoli; 3", "Rue de Rivoli; 3"),
        ("a=b, c-d", "a=b, c-d"),
        (None, ""),
    ],
)
def test_a_sign_that_would_begin_a_formula_has_an_apostrophe_before_it(
    text: str | None, shown: str
) -> None:
    assert harmless(text) == shown


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_no_cell_begins_a_formula_at_any_separator(values: list[str]) -> None:
    line = csv_line(values)
    for separator in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            assert not [cell for cell in row if cell.startswith(tuple(SIGNS))], separator
    for cell in re.split(r"[;\t\r\n]", "\n".join(map(harmless, values))):
        assert not cell.startswith(tuple(SIGNS))


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_a_reader_gets_every_field_back_but_for_apostrophes(values: list[str]) -> None:
    line = csv_line(values)
    assert line.startswith('"')
    [row] = csv.reader(io.StringIO(line, newline=""))
    assert [each.replace("'", "") for each in row] == [each.replace("'", "") for each in values]

"""CSV that a spreadsheet opens without harm, for people; programs read NDJSON or the API, where
every value is as it is."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

_FORMULA = re.compile(r"((?:^|[;\t\r\n])[ \"]*)(?=[=+\-@\uff0b\uff0d\uff1d\uff20])")
"""Where a cell may begin that is taken for a formula: the cell itself, and what a spreadsheet makes
cells of that cuts lines at semicolons or tabs, or ends a row at any line break; quotes there may
enclose nothing. Excel reads the signs of full width too."""


def harmless(value: Any) -> str:
    """Text that spreadsheets show instead of running it: an apostrophe stands before each sign that
    would begin a formula."""
    text = "" if value is None else str(value)
    guarded = _FORMULA.sub(r"\1'", text)
    return f"'{guarded}" if guarded.startswith(("\t", "\r", "\n")) else guarded


def csv_line(values: Iterable[Any]) -> str:
    """A line with every field in quotes, so that none is cut where its text has a separator."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow([harmless(value) for value in values])
    return line.getvalue()

"""Text of others made safe for a terminal, a log line, or a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

# CSV that a spreadsheet opens without harm, for people; programs read NDJSON or the API, where
# every value is as it is.

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


_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, line separators, marks of writing direction, halves of surrogate pairs."""


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with `\n`, `\x1b`, `\u202e` … written out, but for the characters of `keep`."""
    return _HIDDEN.sub(lambda found: found[0] if found[0] in keep else _written(found[0]), text)


def _written(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def json_printable(line: str) -> str:
    r"""JSON with `\u202e` … for what of these JSON itself would leave as it is."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line)

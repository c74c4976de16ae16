"""Escapes foreign text for a terminal, a log line, or a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

# CSV for people, safe to open in a spreadsheet. Programs read NDJSON or the API, whose values are
# unchanged.

_FORMULA = re.compile(r"((?:^|[;\t\r\n])[ \"]*)(?=[=+\-@\uff0b\uff0d\uff1d\uff20])")
"""Where a spreadsheet may read a formula: at the start of the value, and after a semicolon, a tab
or a line break, at which a spreadsheet may split the value. Quotes there may be ignored. Excel also
reads the full-width signs."""


def harmless(value: Any) -> str:
    """Text that spreadsheets show and do not evaluate: each sign that would begin a formula is
    preceded by an apostrophe."""
    text = "" if value is None else str(value)
    guarded = _FORMULA.sub(r"\1'", text)
    return f"'{guarded}" if guarded.startswith(("\t", "\r", "\n")) else guarded


def csv_line(values: Iterable[Any]) -> str:
    """A CSV line with every field quoted, so that separators in a text do not split it."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow([harmless(value) for value in values])
    return line.getvalue()


_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, line separators, writing direction marks, lone surrogates."""


def printable(text: str, *, keep: str = "") -> str:
    r"""The text with `\n`, `\x1b`, `\u202e` … as escape sequences, except characters of `keep`."""
    return _HIDDEN.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def json_printable(line: str) -> str:
    r"""JSON with escape sequences such as `\u202e` for hidden characters that JSON permits."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line)

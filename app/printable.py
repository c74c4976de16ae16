"""Text of others as a terminal or a log may show it: nothing in it moves the cursor, begins a line
of its own, or turns the order of letters around."""

import re

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

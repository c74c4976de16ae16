"""Which record a Vtiger callback means, out of all the forms that callbacks come in.

Contract page Vtiger §5: a custom function's JSON, third-party tasks' forms with values in the
user's display format, Cloud's webhooks with dotted or bracketed names and stray spaces in
them. Only the record's name is taken; all else is ignored and the record is read back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from app.errors import InvalidInput
from app.form_fields import decoded, read_fields
from app.json_shapes import NotJson, parse_bounded_json, without_marks

ID_NAMES = ("id", "record", "record_id", "recordid", "crmid")
MEND = (
    "No record was named: send its id (12x34, 34, or its number such as CON217) as one of "
    f"{', '.join(ID_NAMES)}, in a form, in JSON or in the address."
)
ID_SHAPE = re.compile(r"(?=.{0,99}\d)[^\s$<>&]{1,100}", re.ASCII)
LONGEST_NAME = 100
"""Characters of a name, blanks included, beyond which it is none of ID_NAMES."""
LONGEST_VALUE = 600
"""Bytes of an id in a form: 100 characters, most of them percent-encoded."""
LARGEST_ID = 10**20
MAX_HINTS = 1000
MAX_FIELDS = 1000
MAX_NAMED = 100
"""Fields of a form that could be the id; those after them are passed over."""
MAX_VALUES = 20_000
"""Values of a JSON body, at all levels together."""
MAX_LOOKS = 2 * MAX_HINTS
"""Objects and items of lists that are looked at, in the event loop, for what they name."""
MAX_DEPTH = 4


def parse_callback(content_type: str, body: bytes, query: Mapping[str, str]) -> list[str]:
    """The id of every record that the callback names, each once, in order: `12x34`, `34` or
    `CON217`, as sent but for spaces and leading zeros.

    Recordings 81-webhook-custom-function-*, 82-webhook-3rdparty-form-contact. The content
    type is a hint only: a body that reads as JSON is JSON. Raises InvalidInput, with how to
    mend it, if no record is named, or if there is too much to look through.
    """
    found = _Search().find(_parse_body(content_type, body)) or _Search().find(query)
    if not found:
        raise InvalidInput(MEND, "id")
    return list(dict.fromkeys(found))


def _parse_body(content_type: str, body: bytes) -> Any:
    text = without_marks(body).rstrip()
    if text[:1] in {b"{", b"["} or (text and "json" in content_type.lower()):
        return _read_json(text)
    return _read_form(text)


def _read_json(text: bytes) -> Any:
    try:
        return parse_bounded_json(text, most=MAX_VALUES)
    except NotJson as error:
        raise InvalidInput(f"The body is not the JSON it looks like: {error}", "body") from error


def _read_form(text: bytes) -> dict[str, Any]:
    """A form's fields that name something, `a[b]` and `a.b` as nested; the first of equal names
    counts."""
    named = (
        (path, value)
        for name, value in read_fields(text, most=MAX_FIELDS, longest=LONGEST_VALUE)
        if _plain((path := name.replace("]", "").replace("[", ".").split("."))[-1]) in ID_NAMES
    )
    fields: dict[str, Any] = {}
    for path, value in islice(named, MAX_NAMED):
        _nest(fields, path, decoded(value))
    return fields


def _nest(fields: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = (part.strip() for part in path)
    for part in parents[:MAX_DEPTH]:
        inner = fields.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        fields = inner
    fields.setdefault(last, value)


@dataclass(slots=True)
class _Search:
    """One way through what a callback sent. Raises InvalidInput where that is too long a way, or
    names too many records, as soon as it is known."""

    found: list[str] = field(default_factory=list)
    looks: int = 0

    def find(self, data: object) -> list[str]:
        self._look(data, 0)
        return self.found

    def _look(self, data: object, depth: int) -> None:
        """The record that a level names, else the first of its parts that does; all of a list."""
        if depth > MAX_DEPTH:
            return
        if isinstance(data, list):
            for item in data:
                self._count()
                if isinstance(item, dict | list):
                    self._look(item, depth + 1)
                elif record_id := _find_id(item):
                    self._keep(record_id)
        elif isinstance(data, Mapping):
            self._look_into(data, depth)

    def _look_into(self, data: Mapping[str, Any], depth: int) -> None:
        self._count()
        if record_id := _read_id(_level(data)):
            self._keep(record_id)
            return
        before = len(self.found)
        for part in data.values():
            if isinstance(part, dict | list):
                self._look(part, depth + 1)
                if len(self.found) > before:
                    return

    def _count(self) -> None:
        self.looks += 1
        if self.looks > MAX_LOOKS:
            message = f"A callback may hold {MAX_LOOKS} objects and items of lists at most."
            raise InvalidInput(message, "body")

    def _keep(self, record_id: str) -> None:
        self.found.append(record_id)
        if len(self.found) > MAX_HINTS:
            raise InvalidInput(f"A callback may name {MAX_HINTS} records at most.", "id")


def _level(data: Mapping[str, Any]) -> dict[str, Any]:
    """One level's values under names for ids, by trimmed, lower-case name: keys are typed by hand
    in Vtiger."""
    named = ((_plain(name), value) for name, value in data.items())
    return {name: value for name, value in named if name in ID_NAMES}


def _plain(name: str) -> str:
    return name.strip().casefold() if len(name) <= LONGEST_NAME else ""


def _read_id(level: Mapping[str, Any]) -> str | None:
    """The first value under a name for ids that looks like one, so no unfilled `$template`."""
    if not level:
        return None
    found = (_find_id(level.get(name)) for name in ID_NAMES)
    return next(filter(None, found), None)


def _find_id(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, int) and abs(value) >= LARGEST_ID:
        return None
    text = str(value).strip()
    return canonical_id(text) if ID_SHAPE.fullmatch(text) else None


def canonical_id(text: str) -> str:
    """The id in the one form that Vtiger writes it in: numbers have no leading zeros. A record's
    number (CON0217) is a text and stays as it is."""
    parts = text.split("x")
    is_number = len(parts) <= 2 and all(part.isascii() and part.isdigit() for part in parts)
    return "x".join(str(int(part)) for part in parts) if is_number else text

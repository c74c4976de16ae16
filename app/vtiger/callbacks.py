"""Which record a Vtiger callback means, out of all the forms that callbacks come in.

Contract page Vtiger §5: a custom function's JSON, third-party tasks' forms with values in the
user's display format, Cloud's webhooks with dotted or bracketed names and stray spaces in
them. Only the record's name is taken; all else is ignored and the record is read back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any

from app.errors import InvalidInput
from app.form_fields import decoded, read_fields
from app.json_shapes import NotJson, parse_bounded_json, without_marks

ID_NAMES = ("id", "record", "record_id", "recordid", "crmid")
MODULE_NAMES = ("module", "module_name", "modulename", "elementtype")
MEND = (
    "No record was named: send its id (12x34, 34, or its number such as CON217) as one of "
    f"{', '.join(ID_NAMES)}, in a form, in JSON or in the address."
)
ID_SHAPE = re.compile(r"(?=.{0,99}\d)[^\s$<>&]{1,100}", re.ASCII)
NAMES = frozenset({*ID_NAMES, *MODULE_NAMES})
LONGEST_NAME = 100
"""Characters of a name, blanks included, beyond which it is none of NAMES."""
LONGEST_VALUE = 600
"""Bytes of an id or a module in a form: 100 characters, most of them percent-encoded."""
LARGEST_ID = 10**20
MAX_HINTS = 1000
MAX_FIELDS = 1000
MAX_NAMED = 100
"""Fields of a form that could be the id or the module; those after them are passed over."""
MAX_VALUES = 20_000
"""Values of a JSON body, at all levels together."""
MAX_LOOKS = 2 * MAX_HINTS
"""Objects and items of lists that are looked at, in the event loop, for what they name."""
MAX_DEPTH = 4


class CallbackKind(StrEnum):
    """The form a hint was found in; for logs and support."""

    FORM = "form"
    JSON_OBJECT = "json_object"
    JSON_ARRAY = "json_array"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class CallbackHint:
    """One record named by a callback: `12x34`, `34` or `CON217`, as sent but for spaces.

    `module` is what the payload calls it (`Contacts`), None if it does not say.
    """

    record_id: str
    module: str | None
    raw_kind: CallbackKind


def parse_callback(content_type: str, body: bytes, query: Mapping[str, str]) -> list[CallbackHint]:
    """Every record that the callback names, each once, in order.

    Recordings 81-webhook-custom-function-*, 82-webhook-3rdparty-form-contact. The content
    type is a hint only: a body that reads as JSON is JSON. Raises InvalidInput, with how to
    mend it, if no record is named, or if there is too much to look through.
    """
    module = _read_module(_level(query))
    data, kind = _parse_body(content_type, body)
    hints = _Search(kind).find(data, module)
    hints = hints or _Search(CallbackKind.QUERY).find(query, module)
    if not hints:
        raise InvalidInput(MEND, "id")
    return list(dict.fromkeys(hints))


def _parse_body(content_type: str, body: bytes) -> tuple[Any, CallbackKind]:
    text = without_marks(body).rstrip()
    if text[:1] in {b"{", b"["} or (text and "json" in content_type.lower()):
        data = _read_json(text)
        is_list = isinstance(data, list)
        return data, CallbackKind.JSON_ARRAY if is_list else CallbackKind.JSON_OBJECT
    return _read_form(text), CallbackKind.FORM


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
        if _plain((path := name.replace("]", "").replace("[", ".").split("."))[-1]) in NAMES
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

    kind: CallbackKind
    hints: list[CallbackHint] = field(default_factory=list)
    looks: int = 0

    def find(self, data: object, module: str | None) -> list[CallbackHint]:
        self._look(data, module, 0)
        return self.hints

    def _look(self, data: object, module: str | None, depth: int) -> None:
        """The record that a level names, else the first of its parts that does; all of a list."""
        if depth > MAX_DEPTH:
            return
        if isinstance(data, list):
            for item in data:
                self._count()
                if isinstance(item, dict | list):
                    self._look(item, module, depth + 1)
                elif record_id := _find_id(item):
                    self._keep(record_id, module)
        elif isinstance(data, Mapping):
            self._look_into(data, module, depth)

    def _look_into(self, data: Mapping[str, Any], module: str | None, depth: int) -> None:
        self._count()
        level = _level(data)
        module = _read_module(level) or module
        if record_id := _read_id(level):
            self._keep(record_id, module)
            return
        before = len(self.hints)
        for part in data.values():
            if isinstance(part, dict | list):
                self._look(part, module, depth + 1)
                if len(self.hints) > before:
                    return

    def _count(self) -> None:
        self.looks += 1
        if self.looks > MAX_LOOKS:
            message = f"A callback may hold {MAX_LOOKS} objects and items of lists at most."
            raise InvalidInput(message, "body")

    def _keep(self, record_id: str, module: str | None) -> None:
        self.hints.append(CallbackHint(record_id, module, self.kind))
        if len(self.hints) > MAX_HINTS:
            raise InvalidInput(f"A callback may name {MAX_HINTS} records at most.", "id")


def _level(data: Mapping[str, Any]) -> dict[str, Any]:
    """One level's values under names that say something, by trimmed, lower-case name: keys are
    typed by hand in Vtiger."""
    named = ((_plain(name), value) for name, value in data.items())
    return {name: value for name, value in named if name in NAMES}


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


def _read_module(level: Mapping[str, Any]) -> str | None:
    names = (level.get(name) for name in MODULE_NAMES) if level else ()
    return next((name.strip() for name in names if isinstance(name, str) and name.strip()), None)

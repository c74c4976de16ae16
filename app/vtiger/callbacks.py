"""Which record a Vtiger callback means, out of all the forms that callbacks come in.

Contract page Vtiger §5: a custom function's JSON, third-party tasks' forms with values in the
user's display format, Cloud's webhooks with dotted or bracketed names and stray spaces in
them. Only the record's name is taken; all else is ignored and the record is read back.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

from app.errors import InvalidInput
from app.json_shapes import NotJson, parse_json, without_marks

ID_NAMES = ("id", "record", "record_id", "recordid", "crmid")
MODULE_NAMES = ("module", "module_name", "modulename", "elementtype")
MEND = (
    "No record was named: send its id (12x34, 34, or its number such as CON217) as one of "
    f"{', '.join(ID_NAMES)}, in a form, in JSON or in the address."
)
ID_SHAPE = re.compile(r"(?=.{0,99}\d)[^\s$<>&]{1,100}", re.ASCII)
MAX_HINTS = 1000
MAX_FIELDS = 10_000
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
    mend it, if no record is named.
    """
    module = _read_module(_level(query))
    hints = [*_parse_body(content_type, body, module)]
    hints = hints or [*_find_hints(query, CallbackKind.QUERY, module)]
    if not hints:
        raise InvalidInput(MEND, "id")
    if len(hints) > MAX_HINTS:
        raise InvalidInput(f"A callback may name {MAX_HINTS} records at most.", "id")
    return list(dict.fromkeys(hints))


def _parse_body(content_type: str, body: bytes, module: str | None) -> Iterator[CallbackHint]:
    text = without_marks(body).rstrip()
    if text[:1] in {b"{", b"["} or (text and "json" in content_type.lower()):
        data = _read_json(text)
        kind = CallbackKind.JSON_ARRAY if isinstance(data, list) else CallbackKind.JSON_OBJECT
        yield from _find_hints(data, kind, module)
    else:
        yield from _find_hints(_read_form(text), CallbackKind.FORM, module)


def _read_json(text: bytes) -> Any:
    try:
        return parse_json(text)
    except NotJson as error:
        raise InvalidInput(f"The body is not the JSON it looks like: {error}", "body") from error


def _read_form(text: bytes) -> dict[str, Any]:
    """A form's fields, `a[b]` and `a.b` as nested; the first of equal names counts."""
    try:
        pairs = parse_qsl(text.decode("utf-8", "replace"), max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise InvalidInput(f"A form may have {MAX_FIELDS} fields at most.", "body") from error
    fields: dict[str, Any] = {}
    for name, value in pairs:
        _nest(fields, name.replace("]", "").replace("[", ".").split("."), value)
    return fields


def _nest(fields: dict[str, Any], path: list[str], value: str) -> None:
    *parents, last = (part.strip() for part in path)
    for part in parents[:MAX_DEPTH]:
        inner = fields.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        fields = inner
    fields.setdefault(last, value)


def _find_hints(
    data: object, kind: CallbackKind, module: str | None, depth: int = 0
) -> Iterator[CallbackHint]:
    """The record that a level names, else the first of its parts that does; all of a list."""
    if depth > MAX_DEPTH:
        return
    if isinstance(data, list):
        for item in data:
            found = item if isinstance(item, dict | list) else {"id": item}
            yield from _find_hints(found, kind, module, depth + 1)
    elif isinstance(data, Mapping):
        level = _level(data)
        module = _read_module(level) or module
        if record_id := _read_id(level):
            yield CallbackHint(record_id, module, kind)
            return
        nested = (part for part in level.values() if isinstance(part, dict | list))
        found_inside = ([*_find_hints(part, kind, module, depth + 1)] for part in nested)
        yield from next(filter(None, found_inside), [])


def _level(data: Mapping[str, Any]) -> dict[str, Any]:
    """One level's values by trimmed, lower-case name: keys are typed by hand in Vtiger."""
    return {str(name).strip().casefold(): value for name, value in data.items()}


def _read_id(level: Mapping[str, Any]) -> str | None:
    """The first value under a name for ids that looks like one, so no unfilled `$template`."""
    for name in ID_NAMES:
        value = level.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            text = str(value).strip()
            if ID_SHAPE.fullmatch(text):
                return canonical_id(text)
    return None


def canonical_id(text: str) -> str:
    """The id in the one form that Vtiger writes it in: numbers have no leading zeros. A record's
    number (CON0217) is a text and stays as it is."""
    parts = text.split("x")
    is_number = len(parts) <= 2 and all(part.isascii() and part.isdigit() for part in parts)
    return "x".join(str(int(part)) for part in parts) if is_number else text


def _read_module(level: Mapping[str, Any]) -> str | None:
    names = (level.get(name) for name in MODULE_NAMES)
    return next((name.strip() for name in names if isinstance(name, str) and name.strip()), None)

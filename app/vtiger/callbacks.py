"""Parses Vtiger's callbacks in all their formats, and the signed messages of the add-on.

Contract page Vtiger §5: a custom function's JSON, third-party tasks' forms with values in the
user's display format, Cloud's webhooks with dotted or bracketed names and stray spaces in
them. Only the record's id is used; everything else is ignored, and the record is read again."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Any

from app.domain import Event, InvalidInput
from app.parsing import NotJson, decoded, find_list, parse_bounded_json, read_fields, without_marks
from app.vtiger.schemas import ID_PATTERN

# Requests of the add-on for its pages in Vtiger: the state of records, and the Sync Log's summary.
#
# Signed as its batches of changes are. The body contains the kind of request, so that a signed
# request for one address is not accepted at another.

MOST_RECORDS = 20
MOST_BYTES = 16 * 1024
MOST_QUESTION_VALUES = 10 * MOST_RECORDS
LONGEST_NAME = 100
NO_RECORD = "A record has an `id` such as 12x34 and a `module`."


class Question(StrEnum):
    """The kind of request, the value of `asks`."""

    STATUS = "status"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class AskedRecord:
    """A requested record: `id` as 12x34, `module` by Vtiger's name."""

    id: str
    module: str


def parse_status_question(body: bytes) -> list[AskedRecord]:
    """The records of a status request. Raises InvalidInput for anything else."""
    rows = find_list(_parse(body, Question.STATUS).get("records"))
    if rows is None or not 0 < len(rows) <= MOST_RECORDS:
        raise InvalidInput(f"`records` must be a list of 1 to {MOST_RECORDS} records.", "records")
    return [_read_record(row) for row in rows]


def parse_summary_question(body: bytes) -> None:
    """Raise InvalidInput unless the body is a summary request."""
    _parse(body, Question.SUMMARY)


def _parse(body: bytes, question: Question) -> dict[str, Any]:
    try:
        data = parse_bounded_json(body, most=MOST_QUESTION_VALUES)
    except NotJson as error:
        raise InvalidInput(f"The body is not JSON: {error}", "body") from error
    if not isinstance(data, dict) or data.get("asks") != question:
        raise InvalidInput(f'The body must be an object with "asks": "{question}".', "asks")
    return data


def _read_record(row: Any) -> AskedRecord:
    fields = row if isinstance(row, dict) else {}
    record_id, module = fields.get("id"), fields.get("module")
    if not isinstance(record_id, str) or not isinstance(module, str):
        raise InvalidInput(NO_RECORD, "records")
    if len(record_id) > LONGEST_NAME or not ID_PATTERN.fullmatch(record_id):
        raise InvalidInput(NO_RECORD, "records")
    return AskedRecord(record_id, module)


# Signed batches of changes from the add-on; each change is a hint.
#
# The format is the add-on's own (vtiger-addon/modules/WooSync/WooSyncBatch.php), the signature that
# of contract page Vtiger extension §5; both implementations are tested with the same vectors.

WINDOW_SECONDS = 300
MOST_CHANGES = 1000
MOST_BATCH_VALUES = 20 * MOST_CHANGES
"""A change has four values; later versions of the add-on may send more."""
BIGGEST_SEQUENCE = 2**63 - 1


class SignatureFault(StrEnum):
    """Why a signature is refused."""

    MISSING = "missing"
    WRONG = "wrong"
    STALE = "stale"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """`sha256=` and the HMAC-SHA256 of `timestamp.body`, as in `X-WooSync-Signature`."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def find_fault(
    secret: str, body: bytes, *, timestamp: str, signature: str, now: float
) -> SignatureFault | None:
    """Why a request is refused; None if the secret signed it within five minutes of `now` (Unix
    seconds).

    Compared in constant time; an empty secret verifies nothing. The time is checked last, so that
    only senders with the secret learn about our clock.
    """
    if not secret or not timestamp or not signature:
        return SignatureFault.MISSING
    wanted = sign(secret, timestamp, body).encode()
    if not hmac.compare_digest(wanted, signature.strip().encode("utf-8", "replace")):
        return SignatureFault.WRONG
    fits = timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 13
    if not fits or abs(int(timestamp) - now) > WINDOW_SECONDS:
        return SignatureFault.STALE
    return None


@dataclass(frozen=True, slots=True)
class AddonChange:
    """One row of the add-on's outbox: `record_id` as 12x34, `module` by Vtiger's name."""

    sequence: int
    record_id: str
    module: str
    event: Event


@dataclass(frozen=True, slots=True)
class AddonBatch:
    """A batch of changes. `installation` identifies the outbox; `unreadable` counts rows that name
    no record."""

    installation: str
    changes: tuple[AddonChange, ...]
    unreadable: int


def parse_batch(body: bytes) -> AddonBatch:
    """Parse a batch; changes that cannot be read are counted and skipped.

    Raises InvalidInput if the body is no batch, or too large.
    """
    try:
        data = parse_bounded_json(body, most=MOST_BATCH_VALUES)
    except NotJson as error:
        raise InvalidInput(f"The body is not JSON: {error}", "body") from error
    rows = find_list(data.get("changes")) if isinstance(data, dict) else None
    if rows is None:
        raise InvalidInput("The body must be an object with a list `changes`.", "changes")
    if len(rows) > MOST_CHANGES:
        raise InvalidInput(f"A batch may have {MOST_CHANGES} changes at most.", "changes")
    found = [change for row in rows if (change := _read_change(row)) is not None]
    installation = data.get("installation")
    name = installation[:LONGEST_NAME] if isinstance(installation, str) else ""
    return AddonBatch(name.replace("\x00", ""), tuple(found), len(rows) - len(found))


def _read_change(row: Any) -> AddonChange | None:
    if not isinstance(row, dict):
        return None
    sequence, record_id, module = row.get("sequence"), row.get("id"), row.get("module")
    if type(sequence) is not int or not 0 < sequence <= BIGGEST_SEQUENCE:
        return None
    if not isinstance(record_id, str) or len(record_id) > LONGEST_NAME:
        return None
    if not ID_PATTERN.fullmatch(record_id) or not isinstance(module, str):
        return None
    return AddonChange(sequence, record_id, module, Event.named(row.get("event")))


ID_NAMES = ("id", "record", "record_id", "recordid", "crmid")
NO_ID = (
    "No record was named: send its id (12x34, 34, or its number such as CON217) as one of "
    f"{', '.join(ID_NAMES)}, in a form, in JSON or in the address."
)
ID_SHAPE = re.compile(r"(?=.{0,99}\d)[^\s$<>&]{1,100}", re.ASCII)
"""At most 100 characters with a digit, and without blanks, `$`, `<`, `>` and `&`."""
LONGEST_VALUE = 600
"""Bytes of an id in a form: 100 characters, most of them percent-encoded."""
LARGEST_ID = 10**20
MAX_HINTS = 1000
MAX_FIELDS = 1000
MAX_NAMED = 100
"""Fields of a form that could be the id; any after them are skipped."""
MAX_VALUES = 20_000
"""Values of a JSON body, at all levels together."""
MAX_VISITS = 2 * MAX_HINTS
"""Objects and items of lists that are searched for ids, in the event loop."""
MAX_DEPTH = 4


def parse_callback(content_type: str, body: bytes, query: Mapping[str, str]) -> list[str]:
    """The id of every record that the callback names, each once, in order: `12x34`, `34` or
    `CON217`, without spaces and leading zeros.

    Recordings 81-webhook-custom-function-*, 82-webhook-3rdparty-form-contact. The content type is
    not decisive: a body that looks like JSON is parsed as JSON. Raises InvalidInput, with the
    remedy, if no record is named, or the content is too large to search.
    """
    found = _Search().find(_parse_body(content_type, body)) or _Search().find(query)
    if not found:
        raise InvalidInput(NO_ID, "id")
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
    """The fields of a form that may hold an id, with `a[b]` and `a.b` nested; of equal names the
    first counts."""
    candidates = (
        (path, value)
        for name, value in read_fields(text, most=MAX_FIELDS, longest=LONGEST_VALUE)
        if _plain((path := name.replace("]", "").replace("[", ".").split("."))[-1]) in ID_NAMES
    )
    fields: dict[str, Any] = {}
    for path, value in islice(candidates, MAX_NAMED):
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
    """One search of a callback's content. Raises InvalidInput as soon as it has too many objects,
    or names too many records."""

    found: list[str] = field(default_factory=list)
    visits: int = 0

    def find(self, data: object) -> list[str]:
        self._visit(data, 0)
        return self.found

    def _visit(self, data: object, depth: int) -> None:
        """Collect the id of an object, or else of its first member that has one; of a list all."""
        if depth > MAX_DEPTH:
            return
        if isinstance(data, list):
            for item in data:
                self._count()
                if isinstance(item, dict | list):
                    self._visit(item, depth + 1)
                elif record_id := _find_id(item):
                    self._add(record_id)
        elif isinstance(data, Mapping):
            self._visit_object(data, depth)

    def _visit_object(self, data: Mapping[str, Any], depth: int) -> None:
        self._count()
        if record_id := _read_id(_id_fields(data)):
            self._add(record_id)
            return
        before = len(self.found)
        for part in data.values():
            if isinstance(part, dict | list):
                self._visit(part, depth + 1)
                if len(self.found) > before:
                    return

    def _count(self) -> None:
        self.visits += 1
        if self.visits > MAX_VISITS:
            message = f"A callback may hold {MAX_VISITS} objects and items of lists at most."
            raise InvalidInput(message, "body")

    def _add(self, record_id: str) -> None:
        self.found.append(record_id)
        if len(self.found) > MAX_HINTS:
            raise InvalidInput(f"A callback may name {MAX_HINTS} records at most.", "id")


def _id_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """An object's values under ID_NAMES, by trimmed, lower-case name: people type these names in
    Vtiger."""
    fields = ((_plain(name), value) for name, value in data.items())
    return {name: value for name, value in fields if name in ID_NAMES}


def _plain(name: str) -> str:
    return name.strip().casefold() if len(name) <= LONGEST_NAME else ""


def _read_id(fields: Mapping[str, Any]) -> str | None:
    """The first value that has the form of an id, which an unfilled `$template` has not."""
    if not fields:
        return None
    found = (_find_id(fields.get(name)) for name in ID_NAMES)
    return next(filter(None, found), None)


def _find_id(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, int) and abs(value) >= LARGEST_ID:
        return None
    text = str(value).strip()
    return canonical_id(text) if ID_SHAPE.fullmatch(text) else None


def canonical_id(text: str) -> str:
    """The id as Vtiger writes it, without leading zeros. A record number such as CON0217 is a text,
    and is not changed."""
    parts = text.split("x")
    is_number = len(parts) <= 2 and all(part.isascii() and part.isdigit() for part in parts)
    return "x".join(str(int(part)) for part in parts) if is_number else text

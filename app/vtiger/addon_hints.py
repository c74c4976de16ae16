"""What the Vtiger add-on sends: signed batches of changes, each of which is a hint and no more.

Our own add-on's format (vtiger-addon/modules/WooSync/WooSyncBatch.php), signed as contract page
Vtiger extension §5 has it; the signatures of both sides are held to one file of vectors.
"""

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.errors import InvalidInput
from app.json_shapes import NotJson, find_list, parse_bounded_json
from app.records import Event
from app.vtiger.schemas import ID_PATTERN

WINDOW_SECONDS = 300
MOST_CHANGES = 1000
MOST_VALUES = 20 * MOST_CHANGES
"""A change has four; later versions of the add-on may tell more."""
EVENTS = {event.value: event for event in Event}
BIGGEST_SEQUENCE = 2**63 - 1
LONGEST_NAME = 100


class SignatureFault(StrEnum):
    """Why a request is not believed."""

    MISSING = "missing"
    WRONG = "wrong"
    STALE = "stale"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """`sha256=` and the HMAC over `timestamp.body`, as in `X-WooSync-Signature`."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


def find_fault(
    secret: str, body: bytes, *, timestamp: str, signature: str, now: float
) -> SignatureFault | None:
    """None for a request that the secret signed within five minutes of `now` (Unix seconds).

    Compared in constant time; an empty secret verifies nothing. The time is looked at last, so
    that only those who know the secret learn of our clock.
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
    """One row of the add-on's outbox: `record_id` as 12x34, `module` as Vtiger calls it."""

    sequence: int
    record_id: str
    module: str
    event: Event


@dataclass(frozen=True, slots=True)
class AddonBatch:
    """`installation` tells one outbox from another; `unreadable` counts what names no record."""

    installation: str
    changes: tuple[AddonChange, ...]
    unreadable: int


def parse_batch(body: bytes) -> AddonBatch:
    """Read a batch; one change that makes no sense does not spoil the others.

    Raises InvalidInput for what is no batch at all, or too large a one.
    """
    try:
        data = parse_bounded_json(body, most=MOST_VALUES)
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
    return AddonChange(sequence, record_id, module, read_event(row.get("event")))


def read_event(text: Any) -> Event:
    """What the add-on says happened; a word we do not know still means a change."""
    return EVENTS.get(text, Event.CHANGED) if isinstance(text, str) else Event.CHANGED

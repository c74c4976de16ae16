"""What the add-on asks for its pages in Vtiger: how records stand, and the numbers of the log.

Signed as its batches of changes are (app/vtiger/addon_hints.py). A body names its question, so that
a request that was made for one address asks nothing at another.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.errors import InvalidInput
from app.json_shapes import NotJson, find_list, parse_bounded_json
from app.vtiger.schemas import ID_PATTERN

MOST_RECORDS = 20
MOST_BYTES = 16 * 1024
MOST_VALUES = 10 * MOST_RECORDS
LONGEST_NAME = 100
NO_RECORD = "A record has an `id` such as 12x34 and a `module`."


class Question(StrEnum):
    """The word under `asks`."""

    STATUS = "status"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class AskedRecord:
    """`id` as 12x34, `module` as Vtiger calls it."""

    id: str
    module: str


def parse_status_question(body: bytes) -> list[AskedRecord]:
    """The records that are asked about. Raises InvalidInput for anything else."""
    rows = find_list(_parse(body, Question.STATUS).get("records"))
    if rows is None or not 0 < len(rows) <= MOST_RECORDS:
        raise InvalidInput(f"`records` must be a list of 1 to {MOST_RECORDS} records.", "records")
    return [_read_record(row) for row in rows]


def parse_summary_question(body: bytes) -> None:
    """Raises InvalidInput for what does not ask for the summary."""
    _parse(body, Question.SUMMARY)


def _parse(body: bytes, question: Question) -> dict[str, Any]:
    try:
        data = parse_bounded_json(body, most=MOST_VALUES)
    except NotJson as error:
        raise InvalidInput(f"The body is not JSON: {error}", "body") from error
    if not isinstance(data, dict) or data.get("asks") != question:
        raise InvalidInput(f'The body must be an object with "asks": "{question}".', "asks")
    return data


def _read_record(row: Any) -> AskedRecord:
    named = row if isinstance(row, dict) else {}
    record_id, module = named.get("id"), named.get("module")
    if not isinstance(record_id, str) or not isinstance(module, str):
        raise InvalidInput(NO_RECORD, "records")
    if len(record_id) > LONGEST_NAME or not ID_PATTERN.fullmatch(record_id):
        raise InvalidInput(NO_RECORD, "records")
    return AskedRecord(record_id, module)

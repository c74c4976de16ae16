"""Batches: up to a hundred writes in one request, each with its own result or error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import RemoteError, ResponseUnreadable, WrongRecord
from app.json_shapes import find_list
from app.woocommerce.answers import WOO, read_error
from app.woocommerce.requests import R

MAX_ITEMS = 100


@dataclass(frozen=True, slots=True)
class BatchCall:
    """The items of one request: (part, item) in the order of the results."""

    items: tuple[tuple[str, Any], ...]

    @property
    def body(self) -> dict[str, list[Any]]:
        parts: dict[str, list[Any]] = {}
        for part, item in self.items:
            parts.setdefault(part, []).append(item)
        return parts


def plan_batch(
    create: Sequence[Mapping[str, Any]],
    update: Mapping[str, Mapping[str, Any]],
    delete: Sequence[str],
) -> list[BatchCall]:
    """Cut into requests of at most 100 items together (recording err_batch_limit_101)."""
    items: list[tuple[str, Any]] = [("create", body) for body in create]
    items += [("update", {**patch, "id": int(key)}) for key, patch in update.items()]
    items += [("delete", int(key)) for key in delete]
    starts = range(0, len(items), MAX_ITEMS)
    return [BatchCall(tuple(items[start : start + MAX_ITEMS])) for start in starts]


def read_batch(kind: type[R], data: object, call: BatchCall) -> list[R | RemoteError]:
    """The results in the order of the items (recording customers_batch_mixed_errors).

    ResponseUnreadable if a part does not answer for each of its items; in the place of an item
    whose own answer is no record, which may have been written all the same.
    """
    results: list[R | RemoteError] = []
    for part, items in call.body.items():
        answers = find_list(data.get(part)) if isinstance(data, Mapping) else None
        if answers is None or len(answers) != len(items):
            raise ResponseUnreadable(WOO, f"the batch answers for other items in {part!r}")
        asked = [str(item.get("id", "")) if part == "update" else "" for item in items]
        if part == "delete":
            asked = [str(item) for item in items]
        results += [_read_item(kind, *pair) for pair in zip(answers, asked, strict=True)]
    return results


def _read_item(kind: type[R], answer: object, asked: str) -> R | RemoteError:
    """`asked` is the id of what was to be written, "" for a new record."""
    error = answer.get("error") if isinstance(answer, Mapping) else None
    if not isinstance(error, Mapping):
        try:
            record = kind.parse(answer)
            return record.answering(asked) if asked else record
        except (ResponseUnreadable, WrongRecord) as unreadable:
            return unreadable
    details = error.get("data")
    status = details.get("status") if isinstance(details, Mapping) else None
    return read_error(error, status=status if isinstance(status, int) else 400, write=True)

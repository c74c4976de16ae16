"""A row of the Sync Log is told three times: in the table, in the metrics, and as a log line."""

import logging
from collections.abc import Sequence

from app.db.session import Session
from app.metrics import OUTCOMES, SYNC_SECONDS
from app.records import Record, key_in_logs
from app.synclog.repository import NewEntry, append, append_each

log = logging.getLogger(__name__)


async def tell(session: Session, entry: NewEntry, delivery_ids: Sequence[int]) -> int:
    """The id of the row, written in the session's transaction."""
    entry_id = await append(session, entry, delivery_ids)
    _say(entry, entry_id)
    return entry_id


async def tell_each(
    session: Session, entries: Sequence[tuple[NewEntry, Sequence[int]]]
) -> list[int]:
    """The same of many rows at once, each with its deliveries."""
    ids = await append_each(session, entries)
    for (entry, _), entry_id in zip(entries, ids, strict=True):
        _say(entry, entry_id)
    return ids


def _say(entry: NewEntry, entry_id: int) -> None:
    module = entry.module or ""
    OUTCOMES.labels(entry.store, module, entry.target, entry.outcome, entry.reason or "").inc()
    SYNC_SECONDS.labels(module).observe(entry.duration_ms / 1000)
    log.info("%s in %s", entry.outcome, entry.target.label, extra=_fields(entry, entry_id))


def _fields(entry: NewEntry, entry_id: int) -> dict[str, object]:
    record = Record(entry.store, entry.target.other, entry.module, entry.source_id)
    told = {
        "sync_log": entry_id,
        "record": key_in_logs(record.key),
        "target_id": entry.target_id and key_in_logs(entry.target_id),
        "reason": entry.reason,
    }
    return {name: value for name, value in told.items() if value is not None}

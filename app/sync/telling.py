"""A row of the Sync Log is told three times: in the table, in the metrics, and as a log line."""

import logging
from collections.abc import Sequence

from app.db.session import Session
from app.metrics import OUTCOMES, SYNC_SECONDS
from app.records import Record
from app.synclog.repository import NewEntry, append

log = logging.getLogger(__name__)


async def tell(session: Session, entry: NewEntry, delivery_ids: Sequence[int]) -> int:
    """The id of the row, written in the session's transaction."""
    entry_id = await append(session, entry, delivery_ids)
    module = entry.module or ""
    OUTCOMES.labels(entry.store, module, entry.target, entry.outcome, entry.reason or "").inc()
    SYNC_SECONDS.labels(module).observe(entry.duration_ms / 1000)
    log.info("%s in %s", entry.outcome, entry.target.label, extra=_fields(entry, entry_id))
    return entry_id


def _fields(entry: NewEntry, entry_id: int) -> dict[str, object]:
    record = Record(entry.store, entry.target.other, entry.module, entry.source_id)
    told = {
        "sync_log": entry_id,
        "record": record.key,
        "target_id": entry.target_id,
        "reason": entry.reason,
    }
    return {name: value for name, value in told.items() if value is not None}

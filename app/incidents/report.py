"""Telling of incidents: a row for the screen and the API, and a line in the log, each once."""

import logging

from app.db.session import Sessions, transaction
from app.incidents.repository import Trouble, begin, end

log = logging.getLogger(__name__)


async def report(sessions: Sessions, trouble: Trouble, message: str) -> None:
    """The trouble is there; a line only if it is news."""
    async with transaction(sessions) as session:
        new = await begin(session, trouble, message)
    if new:
        log_begin(trouble, message)


async def report_mended(sessions: Sessions, trouble: Trouble, mended: str) -> None:
    """The trouble is over, if there was one."""
    async with transaction(sessions) as session:
        ended = await end(session, trouble, mended)
    if ended:
        log_end(trouble, mended)


def log_begin(trouble: Trouble, message: str) -> None:
    log.warning("incident began: %s", message, extra=_fields(trouble))


def log_end(trouble: Trouble, mended: str) -> None:
    log.warning("incident ended: %s", mended, extra=_fields(trouble))


def _fields(trouble: Trouble) -> dict[str, str]:
    told = {"incident": str(trouble.kind), "system": str(trouble.system)}
    parts = {"store": trouble.store, "subject": trouble.subject}
    return told | {name: part for name, part in parts.items() if part}

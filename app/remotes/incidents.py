"""Incidents: what went wrong around the records, when it began, how it was mended, and what a
person can do about it.

Several workers meet one trouble: it is one row, and only whoever made or ended it is told so."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.pagination import Page, fetch_page
from app.db.session import Sessions, transaction
from app.domain import System
from app.remotes.models import IncidentKind, IncidentRow

# What a person can do about an incident, in whole sentences; `code` in backticks.

_GOES_ON = "What waits goes on by itself, in order, as soon as that is done."


def find_remedy(kind: str, system: System, store: str) -> str:
    """For an incident of this kind; "" for a kind of an earlier version."""
    if kind == IncidentKind.AUTH_REJECTED:
        return _set_key(system, store)
    return _REMEDIES[IncidentKind(kind)].format(system=system.label) if kind in _REMEDIES else ""


def _set_key(system: System, store: str) -> str:
    if system is System.VTIGER:
        return (
            "See in Vtiger that the API user is active and may write, copy the access key from the"
            " user's preferences to `VTIGER__ACCESS_KEY` and the user name to `VTIGER__USERNAME`,"
            f" and restart the service. {_GOES_ON}"
        )
    return (
        "Make a new key with Read/Write permission in the shop (WooCommerce, Settings, Advanced,"
        f" REST API), set it as `STORES__{store}__CONSUMER_KEY` and"
        f" `STORES__{store}__CONSUMER_SECRET`, and restart the service. {_GOES_ON}"
    )


_REMEDIES = {
    IncidentKind.REMOTE_DOWN: (
        "See whether {system} can be opened in a browser, and whether this machine can reach it."
        " It is tried again all the time, and what waits goes on by itself, in order."
    ),
    IncidentKind.REMOTE_SLOW: (
        "See what keeps {system}'s server busy. Nothing is lost: a call without an answer is given"
        " up and made again later."
    ),
    IncidentKind.WEBHOOK_BROKEN: (
        "The service puts it in order by itself and catches up with what was missed. If it does"
        " not, see whether the shop can reach this service at `PUBLIC_URL`, then choose “Check"
        " everything now” on the Status page and “Mend what is safe”."
    ),
    IncidentKind.POLL_FAILED: (
        "It is tried again at the next poll, and nothing is lost. If it lasts, mend what the"
        " message names in {system}."
    ),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an incident is about. `store` is "" for the CRM, `subject` "" for the whole."""

    kind: IncidentKind
    system: System
    store: str = ""
    subject: str = ""

    def as_row(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "system": self.system,
            "store": self.store,
            "subject": self.subject,
        }


async def begin(session: AsyncSession, trouble: Trouble, message: str) -> bool:
    """Whether this is news; one that lasts gets the latest message."""
    row = trouble.as_row()
    statement = insert(IncidentRow).values(message=message, **row)
    statement = statement.on_conflict_do_update(
        index_elements=list(row),
        index_where=text("ended_at IS NULL"),
        set_={"message": message, "last_seen_at": func.clock_timestamp()},
    )
    return bool(await session.scalar(statement.returning(text("xmax = 0"))))


async def end(session: AsyncSession, trouble: Trouble, mended: str) -> bool:
    """Whether it lasted until now."""
    ended = await session.scalars(
        update(IncidentRow)
        .filter_by(**trouble.as_row(), ended_at=None)
        .values(ended_at=func.clock_timestamp(), mended=mended)
        .returning(IncidentRow.id)
    )
    return bool(ended.all())


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """What to show; several values of one filter mean either, several filters mean all."""

    store: Sequence[str] = ()
    system: Sequence[str] = ()
    kind: Sequence[str] = ()
    lasting: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


async def search_incidents(
    session: AsyncSession, filters: IncidentFilter, *, cursor: str | None, limit: int
) -> Page[IncidentRow]:
    """Those that began last come first. Raises InvalidInput for a cursor that is not ours."""
    found = select(IncidentRow)
    for name in ("store", "system", "kind"):
        if wanted := getattr(filters, name):
            found = found.where(getattr(IncidentRow, name).in_(wanted))
    if filters.lasting is not None:
        found = found.where(IncidentRow.ended_at.is_(None) == filters.lasting)
    if filters.since is not None:
        found = found.where(IncidentRow.began_at >= filters.since)
    if filters.until is not None:
        found = found.where(IncidentRow.began_at < filters.until)
    key = (IncidentRow.began_at, IncidentRow.id)
    return await fetch_page(session, found, key=key, cursor=cursor, limit=limit)


async def count_troubles(session: AsyncSession) -> int:
    """Incidents without an end as people count them: those of one kind and place are one."""
    places = select(IncidentRow.kind, IncidentRow.system, IncidentRow.store)
    lasting = places.where(IncidentRow.ended_at.is_(None)).distinct().subquery()
    return int(await session.scalar(select(func.count()).select_from(lasting)) or 0)


async def count_lasting(session: AsyncSession) -> dict[str, int]:
    """Incidents without an end by kind, zeros included."""
    rows = await session.execute(
        select(IncidentRow.kind, func.count())
        .where(IncidentRow.ended_at.is_(None))
        .group_by(IncidentRow.kind)
    )
    counts = {str(kind): int(count) for kind, count in rows}
    return {str(kind): counts.get(kind, 0) for kind in IncidentKind}


async def prune_incidents(session: AsyncSession, days: int) -> None:
    """Drop what ended longer ago."""
    await session.execute(
        delete(IncidentRow).where(
            IncidentRow.ended_at < func.now() - func.make_interval(0, 0, 0, days)
        )
    )


# Telling of incidents: a row for the screen and the API, and a line in the log, each once.

log = logging.getLogger(__name__)


async def report(sessions: Sessions, trouble: Trouble, message: str) -> None:
    """The trouble is there; a line only if it is news."""
    async with transaction(sessions) as session:
        new = await begin(session, trouble, message)
    if new:
        log_begin(trouble, message)


async def report_resolved(sessions: Sessions, trouble: Trouble, mended: str) -> None:
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

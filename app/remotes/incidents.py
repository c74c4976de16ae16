"""Incidents: failures around the records, with their beginning, their end and the remedy.

Several workers may detect one failure: it is stored as one row, and only the worker that created or
ended that row logs it."""

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

# Remedies for people, in whole sentences; `code` in backticks.

_RESUMES = "Waiting deliveries are then processed automatically, in order."


def find_remedy(kind: str, system: System, store: str) -> str:
    """The remedy for an incident of this kind; "" for a kind of an earlier version."""
    if kind == IncidentKind.AUTH_REJECTED:
        return _set_key(system, store)
    return _REMEDIES[IncidentKind(kind)].format(system=system.label) if kind in _REMEDIES else ""


def _set_key(system: System, store: str) -> str:
    if system is System.VTIGER:
        return (
            "Check in Vtiger that the API user is active and may write, copy the access key from"
            " the user's preferences to `VTIGER__ACCESS_KEY` and the user name to"
            f" `VTIGER__USERNAME`, and restart the service. {_RESUMES}"
        )
    return (
        "Create a key with Read/Write permission in the shop (WooCommerce, Settings, Advanced,"
        f" REST API), set it as `STORES__{store}__CONSUMER_KEY` and"
        f" `STORES__{store}__CONSUMER_SECRET`, and restart the service. {_RESUMES}"
    )


_REMEDIES = {
    IncidentKind.REMOTE_DOWN: (
        "Check whether {system} can be opened in a browser, and whether this server can reach it."
        " The service keeps retrying, and then processes waiting deliveries in order."
    ),
    IncidentKind.REMOTE_SLOW: (
        "Check the load of {system}'s server. Nothing is lost: a call without an answer times out"
        " and is retried later."
    ),
    IncidentKind.WEBHOOK_BROKEN: (
        "The service repairs it automatically and syncs the changes that were missed. If it does"
        " not, check whether the shop can reach this service at `PUBLIC_URL`, then choose “Check"
        " everything now” on the Status page and “Mend what is safe”."
    ),
    IncidentKind.POLL_FAILED: (
        "It is retried at the next poll, and nothing is lost. If it persists, fix what the message"
        " names in {system}."
    ),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What identifies an incident: `store` is "" for the CRM, `subject` "" for all of it."""

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
    """Store that an incident began; return whether it is new. One that lasts gets the message."""
    row = trouble.as_row()
    statement = insert(IncidentRow).values(message=message, **row)
    statement = statement.on_conflict_do_update(
        index_elements=list(row),
        index_where=text("ended_at IS NULL"),
        set_={"message": message, "last_seen_at": func.clock_timestamp()},
    )
    return bool(await session.scalar(statement.returning(text("xmax = 0"))))


async def end(session: AsyncSession, trouble: Trouble, resolution: str) -> bool:
    """Store that an incident ended, and how; return whether it lasted until now."""
    ended = await session.scalars(
        update(IncidentRow)
        .filter_by(**trouble.as_row(), ended_at=None)
        .values(ended_at=func.clock_timestamp(), mended=resolution)
        .returning(IncidentRow.id)
    )
    return bool(ended.all())


@dataclass(frozen=True, slots=True)
class IncidentFilter:
    """Values of one filter are combined by OR, filters by AND; an empty filter matches all."""

    store: Sequence[str] = ()
    system: Sequence[str] = ()
    kind: Sequence[str] = ()
    lasting: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


async def search_incidents(
    session: AsyncSession, filters: IncidentFilter, *, cursor: str | None, limit: int
) -> Page[IncidentRow]:
    """One page of incidents, the latest first. InvalidInput for an invalid cursor."""
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
    """How many incidents last; those of one kind, system and store count as one."""
    places = select(IncidentRow.kind, IncidentRow.system, IncidentRow.store)
    lasting = places.where(IncidentRow.ended_at.is_(None)).distinct().subquery()
    return int(await session.scalar(select(func.count()).select_from(lasting)) or 0)


async def count_lasting(session: AsyncSession) -> dict[str, int]:
    """How many incidents last, by kind, zeros included."""
    rows = await session.execute(
        select(IncidentRow.kind, func.count())
        .where(IncidentRow.ended_at.is_(None))
        .group_by(IncidentRow.kind)
    )
    counts = {str(kind): int(count) for kind, count in rows}
    return {str(kind): counts.get(kind, 0) for kind in IncidentKind}


async def prune_incidents(session: AsyncSession, days: int) -> None:
    """Delete incidents that ended more than `days` days ago."""
    await session.execute(
        delete(IncidentRow).where(
            IncidentRow.ended_at < func.now() - func.make_interval(0, 0, 0, days)
        )
    )


# Reports of incidents: one row for the page and the API, and one log line each.

log = logging.getLogger(__name__)


async def report(sessions: Sessions, trouble: Trouble, message: str) -> None:
    """Store that an incident began or lasts; log it if it is new."""
    async with transaction(sessions) as session:
        is_new = await begin(session, trouble, message)
    if is_new:
        log_begin(trouble, message)


async def report_resolved(sessions: Sessions, trouble: Trouble, resolution: str) -> None:
    """Store that an incident ended, and log it, if it lasted until now."""
    async with transaction(sessions) as session:
        ended = await end(session, trouble, resolution)
    if ended:
        log_end(trouble, resolution)


def log_begin(trouble: Trouble, message: str) -> None:
    log.warning("incident began: %s", message, extra=_fields(trouble))


def log_end(trouble: Trouble, resolution: str) -> None:
    log.warning("incident ended: %s", resolution, extra=_fields(trouble))


def _fields(trouble: Trouble) -> dict[str, str]:
    common = {"incident": str(trouble.kind), "system": str(trouble.system)}
    parts = {"store": trouble.store, "subject": trouble.subject}
    return common | {name: part for name, part in parts.items() if part}

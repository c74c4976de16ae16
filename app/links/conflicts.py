"""What needs a person's decision: conflicts of fields, and deletions that are held back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.pagination import Page, fetch_page
from app.domain import Module, System
from app.links.models import FieldConflict, Link
from app.links.repository import refusing_stale

# The brake on deletions: limits how many pairs the service deletes in an hour.
#
# A deletion that is held back is marked in the link until a person confirms it. All times are those
# of the database's clock, so that a worker's clock does not matter.

ALWAYS_ALLOWED = 5
"""The least limit, as a share of few pairs would be below 1; with 0 percent the limit is 0."""


@dataclass(frozen=True, slots=True)
class Brake:
    """Whether one more deletion is allowed, and the time of the check."""

    allows: bool
    now: datetime


async def check_brake(session: AsyncSession, store: str, module: Module, *, percent: int) -> Brake:
    """Whether one more deletion within the last hour stays below `percent` of all pairs.

    Deletions that a person confirmed do not count.
    """
    hour_ago = func.now() - func.make_interval(0, 0, 0, 0, 1)
    done = Link.deleted_by_us_at > hour_ago, Link.delete_confirmed_at.is_(None)
    now, pairs, deleted = (
        await session.execute(
            select(func.now(), func.count(), func.count().filter(*done)).where(
                Link.store == store, Link.module == module
            )
        )
    ).one()
    most = max(ALWAYS_ALLOWED, pairs * percent / 100) if percent else 0
    return Brake(bool(deleted < most), now)


async def count_held(session: AsyncSession) -> dict[tuple[str, str], int]:
    """How many deletions are held back, by store and module."""
    found = await session.execute(
        select(Link.store, Link.module, func.count())
        .where(Link.delete_held_at.is_not(None))
        .group_by(Link.store, Link.module)
        .order_by(Link.store, Link.module)
    )
    return {(str(store), str(module)): int(count) for store, module, count in found}


async def search_held(
    session: AsyncSession, store: str, module: Module, *, after: int = 0, most: int
) -> Sequence[Link]:
    """At most `most` links whose deletion is held back, by id, with ids above `after`."""
    held = select(Link).where(
        Link.store == store,
        Link.module == module,
        Link.delete_held_at.is_not(None),
        Link.id > after,
    )
    return (await session.scalars(held.order_by(Link.id).limit(most))).all()


async def confirm_held(session: AsyncSession, ids: Collection[int]) -> Sequence[Link]:
    """Confirm the deletion of those of these links for which it is still held back; return them.

    The caller holds the leases of the pairs."""
    held = select(Link).where(Link.id.in_(ids), Link.delete_held_at.is_not(None))
    confirmed = (await session.scalars(held.order_by(Link.id).with_for_update())).all()
    for link in confirmed:
        link.delete_held_at, link.delete_confirmed_at = None, func.now()
    with refusing_stale():
        await session.flush()
    return confirmed


VANISHED = "vanished"
"""The resolution of a conflict that ended without a decision: both sides have the same value, or a
record was deleted."""

Both = tuple[str | None, str | None]
"""A field's values in WooCommerce and in Vtiger."""


class ConflictState(StrEnum):
    """A `resolved` conflict may not be written yet: `applied_at` is set once it is."""

    OPEN = "open"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Report:
    """The conflicts that one merge of a pair found, by field: `open` with the values of both sides,
    `settled` with the winner. `now` holds all values of both sides; `by` names the policy that
    settled.
    """

    label: str = ""
    open: Mapping[str, Both] = field(default_factory=dict)
    settled: Mapping[str, System] = field(default_factory=dict)
    now: Mapping[str, Both] = field(default_factory=dict)
    woo_modified_at: datetime | None = None
    vtiger_modified_at: datetime | None = None
    by: str = ""


async def search_unsettled(session: AsyncSession, link_id: int) -> Sequence[FieldConflict]:
    """The conflicts of a pair that are open, or resolved but not written yet."""
    found = select(FieldConflict).where(
        FieldConflict.link_id == link_id, FieldConflict.applied_at.is_(None)
    )
    return (await session.scalars(found.order_by(FieldConflict.id))).all()


async def note(session: AsyncSession, link: Link, report: Report) -> None:
    """Update the pair's conflicts with the result of a merge.

    The rows are locked, so that a concurrent decision waits or is taken into account.
    """
    found = select(FieldConflict).where(
        FieldConflict.link_id == link.id, FieldConflict.applied_at.is_(None)
    )
    rows = {
        row.field: row
        for row in await session.scalars(found.order_by(FieldConflict.id).with_for_update())
    }
    for name, values in report.open.items():
        row = rows.get(name)
        if row is None:
            session.add(_new(link, name, values, report=report))
        elif (row.woo, row.vtiger) != values:
            _reopen(row, values, report)
    for name, row in rows.items():
        if name not in report.open:
            _end(row, report)
    await session.flush()


def _new(link: Link, name: str, values: Both, *, report: Report) -> FieldConflict:
    row = FieldConflict(
        store=link.store,
        module=link.module,
        link_id=link.id,
        woo_id=link.woo_id,
        vtiger_id=link.vtiger_id,
        field=name,
    )
    _reopen(row, values, report)
    return row


def _reopen(row: FieldConflict, values: Both, report: Report) -> None:
    """Reopen a conflict with new values: a decision on earlier values does not apply to them."""
    row.woo, row.vtiger = values
    row.label = report.label
    row.woo_modified_at, row.vtiger_modified_at = report.woo_modified_at, report.vtiger_modified_at
    row.state = ConflictState.OPEN
    row.resolution = row.resolved_by = row.resolved_at = None


def _end(row: FieldConflict, report: Report) -> None:
    """Close a conflict as a person decided, as the current policy settled it, or as vanished."""
    if not _is_as_decided(row, report):
        winner = report.settled.get(row.field)
        row.resolution = winner or VANISHED
        row.resolved_by = report.by if winner else None
        row.resolved_at = func.now()
    row.state = ConflictState.RESOLVED
    row.applied_at = func.now()


def _is_as_decided(row: FieldConflict, report: Report) -> bool:
    """Whether the value that a person chose was applied, by this merge or by an earlier one whose
    result was lost."""
    if row.state != ConflictState.RESOLVED:
        return False
    if winner := report.settled.get(row.field):
        return winner == row.resolution
    now = report.now.get(row.field)
    at = 0 if row.resolution == System.WOOCOMMERCE else 1
    return now is not None and now[at] == (row.woo, row.vtiger)[at]


async def find_conflict(session: AsyncSession, conflict_id: int) -> FieldConflict | None:
    return await session.get(FieldConflict, conflict_id)


async def find_for_decision(session: AsyncSession, conflict_id: int) -> FieldConflict | None:
    """The conflict, locked until the transaction ends."""
    return await session.get(FieldConflict, conflict_id, with_for_update=True)


def decide(row: FieldConflict, *, keep: System, by: str) -> None:
    """Record a person's decision on the values of the row, for the next merge of the pair."""
    row.state = ConflictState.RESOLVED
    row.resolution, row.resolved_by, row.resolved_at = keep, by, func.now()


@dataclass(frozen=True, slots=True)
class ConflictFilter:
    """Values of one filter are combined by OR, filters by AND; an empty filter matches all."""

    store: Sequence[str] = ()
    module: Sequence[str] = ()
    state: Sequence[str] = ()
    link_id: Sequence[int] = ()
    field: Sequence[str] = ()


async def search_conflicts(
    session: AsyncSession, filters: ConflictFilter, *, cursor: str | None, limit: int
) -> Page[FieldConflict]:
    """One page of conflicts, newest first. InvalidInput for an invalid cursor."""
    found = select(FieldConflict)
    for name in ("store", "module", "state", "link_id", "field"):
        if wanted := getattr(filters, name):
            found = found.where(getattr(FieldConflict, name).in_(wanted))
    key = (FieldConflict.began_at, FieldConflict.id)
    return await fetch_page(session, found, key=key, cursor=cursor, limit=limit)


async def count_open_conflicts(session: AsyncSession, stores: Sequence[str] = ()) -> int:
    """How many conflicts are open, in these stores or in all."""
    counted = select(func.count()).where(FieldConflict.state == ConflictState.OPEN)
    if stores:
        counted = counted.where(FieldConflict.store.in_(stores))
    return int(await session.scalar(counted) or 0)


async def count_open_of(session: AsyncSession, link_ids: Collection[int]) -> dict[int, int]:
    """How many conflicts of each link are open, by link id; links without any are left out."""
    rows = await session.execute(
        select(FieldConflict.link_id, func.count())
        .where(FieldConflict.link_id.in_(link_ids), FieldConflict.state == ConflictState.OPEN)
        .group_by(FieldConflict.link_id)
    )
    return {int(link_id): int(count) for link_id, count in rows}


async def count_undecided(session: AsyncSession) -> int:
    """How many conflicts need a person's decision."""
    waiting = FieldConflict.applied_at.is_(None), FieldConflict.state == ConflictState.OPEN
    return int(await session.scalar(select(func.count(FieldConflict.id)).where(*waiting)) or 0)


async def prune_conflicts(session: AsyncSession, days: int, *, most: int) -> int:
    """Delete at most `most` conflicts that were applied more than `days` days ago; return how
    many."""
    moment = func.now() - func.make_interval(0, 0, 0, days)
    old = select(FieldConflict.id).where(FieldConflict.applied_at < moment).limit(most)
    dropped = await session.scalars(
        delete(FieldConflict).where(FieldConflict.id.in_(old)).returning(FieldConflict.id)
    )
    return len(dropped.all())

"""The brake on deleting: how many pairs our deletions ended lately, against how many there are.

What it holds back is marked in the pair and waits for a person. All times are the database's, so
that a worker whose clock is wrong neither loosens nor blocks it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.links.models import Link
from app.links.repository import refusing_stale
from app.records import Module

ALWAYS_ALLOWED = 5
"""Where a module has few pairs, a share of them would be none; 0 percent means none indeed."""


@dataclass(frozen=True, slots=True)
class Brake:
    """Whether one more deletion is let through, and the moment of asking."""

    allows: bool
    now: datetime


async def ask_brake(session: AsyncSession, store: str, module: Module, *, percent: int) -> Brake:
    """Whether one more deletion within this hour stays below the share of all pairs.

    What a person confirmed does not count.
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
    """How many deletions wait for a person, by store and module."""
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
    """The pairs of which a deletion waits, at most so many, by their numbers."""
    held = select(Link).where(
        Link.store == store,
        Link.module == module,
        Link.delete_held_at.is_not(None),
        Link.id > after,
    )
    return (await session.scalars(held.order_by(Link.id).limit(most))).all()


async def confirm_held(session: AsyncSession, ids: Collection[int]) -> Sequence[Link]:
    """Let through those of these pairs, leased by the caller, whose deletion still waits; which
    those are."""
    held = select(Link).where(Link.id.in_(ids), Link.delete_held_at.is_not(None))
    confirmed = (await session.scalars(held.order_by(Link.id).with_for_update())).all()
    for link in confirmed:
        link.delete_held_at, link.delete_confirmed_at = None, func.now()
    with refusing_stale():
        await session.flush()
    return confirmed

"""The brake on deleting: how many pairs our deletions ended lately, against how many there are.

What it holds back is marked in the pair and waits for a person. All times are the database's, so
that a worker whose clock is wrong neither loosens nor blocks it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.links.models import Link
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


async def confirm_held(
    session: AsyncSession, store: str, module: Module, *, most: int
) -> Sequence[Link]:
    """Let through what waits, at most so many pairs at a time; which those are."""
    held = (
        select(Link.id)
        .where(Link.store == store, Link.module == module, Link.delete_held_at.is_not(None))
        .order_by(Link.id)
        .limit(most)
        .with_for_update()
    )
    ids = (await session.scalars(held)).all()
    confirmed = await session.scalars(
        update(Link)
        .where(Link.id.in_(ids))
        .values(delete_held_at=None, delete_confirmed_at=func.now())
        .returning(Link)
    )
    return confirmed.all()

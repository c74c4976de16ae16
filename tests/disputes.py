"""What both sides changed, and a person who decides, in a scenario's hands."""

from collections.abc import Sequence

from sqlalchemy import select

from app.domain import System
from app.links.models import FieldConflict
from app.sync.conflicts import resolve
from tests.world import World


async def conflicts(world: World) -> Sequence[FieldConflict]:
    """All that there were, oldest first."""
    async with world.runtime.sessions() as session:
        return (await session.scalars(select(FieldConflict).order_by(FieldConflict.id))).all()


async def decide(world: World, keep: System) -> None:
    """A person decides on the one conflict that is open."""
    [row] = [row for row in await conflicts(world) if row.state == "open"]
    assert await resolve(world.runtime, row.id, keep=keep, by="Ada") is not None


async def ends(world: World) -> list[tuple[str, str, str | None, str | None]]:
    """Field, state, resolution and by whom, of each."""
    return [
        (row.field, row.state, row.resolution, row.resolved_by) for row in await conflicts(world)
    ]

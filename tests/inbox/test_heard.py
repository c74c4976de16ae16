"""Which changes were heard is remembered for a while, each outbox by itself."""

import pytest
from sqlalchemy import func, update

from app.db.session import Sessions, transaction
from app.inbox.models import AcceptedChange
from app.inbox.repository import (
    prune_accepted_changes,
    save_accepted_changes,
    search_accepted_changes,
)

pytestmark = pytest.mark.anyio


async def test_what_was_kept_is_found_in_its_own_outbox(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await save_accepted_changes(session, "first", {1, 2})
        await save_accepted_changes(session, "first", {2, 3})
        await save_accepted_changes(session, "first", set())
    async with sessions() as session:
        assert await search_accepted_changes(session, "first", [1, 3, 4]) == {1, 3}
        assert await search_accepted_changes(session, "second", [1, 3, 4]) == set()


async def test_old_ones_are_forgotten_little_by_little(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await save_accepted_changes(session, "first", {1, 2, 3})
        long_ago = func.now() - func.make_interval(0, 0, 0, 8)
        old = update(AcceptedChange).where(AcceptedChange.sequence < 3)
        await session.execute(old.values(heard_at=long_ago))
    async with transaction(sessions) as session:
        assert [await prune_accepted_changes(session, 7, most=1) for _ in range(3)] == [1, 1, 0]
    async with sessions() as session:
        assert await search_accepted_changes(session, "first", [1, 2, 3]) == {3}

"""One trouble is one row, however many tell of it; when it is over it can come again."""

import asyncio

import pytest

from app.db.session import Sessions, transaction
from app.domain import System
from app.remotes.incidents import (
    IncidentFilter,
    Trouble,
    begin,
    end,
    prune_incidents,
    search_incidents,
)
from app.remotes.models import IncidentKind, IncidentRow

pytestmark = pytest.mark.anyio

CRM = Trouble(IncidentKind.REMOTE_DOWN, System.VTIGER)
HOOK = Trouble(IncidentKind.WEBHOOK_BROKEN, System.WOOCOMMERCE, "main", "order.updated")


async def _begin(sessions: Sessions, trouble: Trouble, message: str = "down") -> bool:
    async with transaction(sessions) as session:
        return await begin(session, trouble, message)


async def _end(sessions: Sessions, trouble: Trouble) -> bool:
    async with transaction(sessions) as session:
        return await end(session, trouble, "it answers")


async def _found(sessions: Sessions, **filters: object) -> list[IncidentRow]:
    chosen = IncidentFilter(**filters)  # type: ignore[arg-type]
    async with sessions() as session:
        return (await search_incidents(session, chosen, cursor=None, limit=50)).items


async def test_workers_that_meet_one_trouble_make_one_row(sessions: Sessions) -> None:
    news = await asyncio.gather(*(_begin(sessions, CRM, f"down {n}") for n in range(5)))

    assert sorted(news) == [False, False, False, False, True]
    [row] = await _found(sessions)
    assert row.last_seen_at > row.began_at


async def test_only_one_ends_it_and_then_it_can_come_again(sessions: Sessions) -> None:
    await _begin(sessions, CRM)
    ended = await asyncio.gather(*(_end(sessions, CRM) for _ in range(3)))

    assert sorted(ended) == [False, False, True]
    assert await _begin(sessions, CRM) is True
    later, first = await _found(sessions)
    assert (later.ended_at, later.mended) == (None, "")
    assert first.ended_at is not None
    assert first.mended == "it answers"


async def test_what_is_not_broken_cannot_end(sessions: Sessions) -> None:
    await _begin(sessions, CRM)

    assert await _end(sessions, HOOK) is False


async def test_incidents_are_found_by_what_they_are_about(sessions: Sessions) -> None:
    await _begin(sessions, CRM)
    await _begin(sessions, HOOK)
    await _end(sessions, HOOK)

    assert [row.kind for row in await _found(sessions, lasting=True)] == ["remote_down"]
    assert [row.kind for row in await _found(sessions, lasting=False)] == ["webhook_broken"]
    assert [row.subject for row in await _found(sessions, store=["main"])] == ["order.updated"]
    assert await _found(sessions, system=["vtiger"], kind=["webhook_broken"]) == []


async def test_what_lasts_is_kept_and_what_ended_long_ago_is_dropped(sessions: Sessions) -> None:
    await _begin(sessions, CRM)
    await _begin(sessions, HOOK)
    await _end(sessions, HOOK)
    async with transaction(sessions) as session:
        await prune_incidents(session, 1)
    assert len(await _found(sessions)) == 2

    async with transaction(sessions) as session:
        await prune_incidents(session, -1)
    assert [row.kind for row in await _found(sessions)] == ["remote_down"]

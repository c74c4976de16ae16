"""Hints of new records that wait for a run: how they are locked, and how often they are written."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import pytest
from sqlalchemy import select, text

from app.db.session import Session, Sessions, transaction
from app.domain import Module, System
from app.inbox.models import Delivery
from app.inbox.replay import claim_backlog, defer_to_run, release_backlog
from app.inbox.repository import accept
from tests.inbox.hints import KEY, hint
from tests.locks import until_blocked

pytestmark = pytest.mark.anyio

PARTS = [(Module.CONTACTS, System.WOOCOMMERCE)]


async def _leave(session: Session) -> None:
    await defer_to_run(session, 1, "main", PARTS, most=1)


async def _give_back(session: Session) -> None:
    await release_backlog(session, "main", PARTS)


async def _take(session: Session) -> None:
    await claim_backlog(session, [KEY.format(id=each) for each in ("5", "6")])


async def _tell(sessions: Sessions, keys: Sequence[str], *, is_left: bool = False) -> None:
    """Hints of two records, one after the other."""
    for record_id, key in zip(("5", "6"), keys, strict=True):
        async with transaction(sessions) as session:
            await accept(session, [hint(record_id, key)])
            if is_left:
                await defer_to_run(session, 1, "main", PARTS, most=0)


@pytest.mark.parametrize("act", [_leave, _give_back, _take])
async def test_a_run_waits_for_those_who_bump_its_backlog_and_holds_nothing_meanwhile(
    sessions: Sessions, emptied_database_url: str, act: Callable[[Session], Awaitable[None]]
) -> None:
    """The hint that was told last has the lowest dedupe key: it is locked first all the same,
    however PostgreSQL comes upon them."""
    await _tell(sessions, ["b", "a"], is_left=act is not _leave)

    async def run() -> None:
        async with transaction(sessions) as session:
            await session.execute(text("SET LOCAL enable_indexscan = off"))
            await session.execute(text("SET LOCAL enable_bitmapscan = off"))
            await act(session)

    async with transaction(sessions) as receiver:
        await accept(receiver, [hint("6", "a")])
        running = asyncio.create_task(run())
        await until_blocked(emptied_database_url)
        await accept(receiver, [hint("5", "b")])

    await running


async def test_a_backlog_is_not_written_again_for_each_page_of_a_run(sessions: Sessions) -> None:
    await _tell(sessions, ["a", "b"])
    times = []
    for _ in range(2):
        async with transaction(sessions) as session:
            await _leave(session)
        times.append(await _times(sessions))

    assert times[0] == times[1]


async def _times(sessions: Sessions) -> Sequence[datetime]:
    async with sessions() as session:
        found = select(Delivery.next_attempt_at).order_by(Delivery.id)
        return (await session.scalars(found)).all()

"""The brake on deleting, and what it holds back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db.session import Sessions, transaction
from app.domain import Module
from app.links.conflicts import check_brake, confirm_held, count_held, search_held
from app.links.models import Link
from app.links.repository import save_link

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
CONTACTS = Module.CONTACTS


async def pairs(sessions: Sessions, number: int, *, start: int = 0, **marks: Any) -> None:
    async with transaction(sessions) as session:
        for each in range(start, start + number):
            ids = {"woo_id": str(each), "vtiger_id": f"12x{each}"}
            link = Link(store="main", module=CONTACTS, base={}, **{**ids, **marks})
            await save_link(session, link)


async def allows(sessions: Sessions, percent: int = 10) -> bool:
    async with sessions() as session:
        return (await check_brake(session, "main", CONTACTS, percent=percent)).allows


@pytest.mark.parametrize(
    ("done", "percent", "allowed"),
    [(4, 10, True), (5, 10, False), (9, 50, True), (10, 50, False), (0, 0, False), (19, 100, True)],
)
async def test_a_share_of_the_pairs_may_go_within_an_hour(
    sessions: Sessions, done: int, percent: int, *, allowed: bool
) -> None:
    await pairs(sessions, done, deleted_by_us_at=NOW)
    await pairs(sessions, 20 - done, start=done)
    assert await allows(sessions, percent) is allowed


@pytest.mark.parametrize(
    "marks",
    [
        {"deleted_by_us_at": NOW - timedelta(hours=2)},
        {"deleted_by_us_at": NOW, "delete_confirmed_at": NOW},
        {"woo_deleted_at": NOW, "vtiger_deleted_at": NOW},
    ],
    ids=["an hour ago", "confirmed by a person", "by people on both sides"],
)
async def test_what_does_not_count(sessions: Sessions, marks: dict[str, Any]) -> None:
    await pairs(sessions, 10, **marks)
    assert await allows(sessions)


async def test_what_is_held_is_counted_and_let_through_in_parts(sessions: Sessions) -> None:
    await pairs(sessions, 3, delete_held_at=NOW)
    await pairs(sessions, 2, start=3)
    async with sessions() as session:
        assert await count_held(session) == {("main", "contacts"): 3}
    async with transaction(sessions) as session:
        first = await search_held(session, "main", CONTACTS, most=2)
        last = await search_held(session, "main", CONTACTS, after=first[-1].id, most=2)
    ids = [link.id for link in (*first, *last)]
    assert (len(first), len(last)) == (2, 1)
    async with transaction(sessions) as session:
        confirmed = [link.id for link in await confirm_held(session, ids)]
    async with transaction(sessions) as session:
        again = await confirm_held(session, ids)
    assert (confirmed, again) == (ids, [])
    async with sessions() as session:
        assert await count_held(session) == {}

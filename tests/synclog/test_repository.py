"""The log as its readers see it: filters, pages that stay put, an export of everything."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.db.session import Sessions, transaction
from app.domain import Module, Outcome, System
from app.synclog.models import Entry
from app.synclog.repository import NewEntry, append, delivery_ids_of, find_entry
from app.synclog.search import LogFilter, count, export, search
from tests.synclog.entries import ORDINARY, log, random_entry

pytestmark = pytest.mark.anyio

ALL = LogFilter()


async def walk(sessions: Sessions, filters: LogFilter, limit: int) -> AsyncIterator[list[Entry]]:
    cursor: str | None = None
    while True:
        async with sessions() as session:
            page = await search(session, filters, cursor=cursor, limit=limit)
        yield page.items
        cursor = page.next_cursor
        if cursor is None:
            return


async def ids(sessions: Sessions, filters: LogFilter) -> list[int]:
    return [entry.id async for page in walk(sessions, filters, 100) for entry in page]


async def test_what_was_appended_is_found_with_its_deliveries(sessions: Sessions) -> None:
    change = {"field": "phone", "old": "1", "new": "2", "source": "woocommerce"}
    [entry_id] = await log(sessions, replace(ORDINARY, changes=[change]), deliveries=[11, 12])
    async with sessions() as session:
        entry = await find_entry(session, entry_id)
        assert await delivery_ids_of(session, entry_id, limit=10) == [11, 12]
    assert entry is not None
    assert (entry.changes, entry.delivery_count, entry.label) == ([change], 2, "Ada Lovelace")
    assert entry.occurred_at.tzinfo is not None


async def test_an_unknown_entry_is_none(sessions: Sessions) -> None:
    async with sessions() as session:
        assert await find_entry(session, 999) is None


async def test_text_that_the_database_refuses_is_logged_with_marks(sessions: Sessions) -> None:
    awkward = replace(
        ORDINARY, message="a\x00b", label="\ud83d", changes=[{"field": "f", "new": "x\x00\udc00"}]
    )
    [entry_id] = await log(sessions, awkward)
    async with sessions() as session:
        entry = await find_entry(session, entry_id)
    assert entry is not None
    assert (entry.message, entry.label) == ("a\ufffdb", "?")
    assert entry.changes == [{"field": "f", "new": "x\ufffd?"}]


async def test_an_abandoned_transaction_leaves_no_entry_and_no_total(sessions: Sessions) -> None:
    async with sessions() as session:
        await append(session, ORDINARY, [1])
        await session.rollback()
    assert await ids(sessions, ALL) == []


Judge = Callable[[NewEntry], bool]

FILTERS: list[tuple[LogFilter, Judge]] = [
    (LogFilter(store=["shop-fr"]), lambda e: e.store == "shop-fr"),
    (LogFilter(store=["main", "shop-fr"]), lambda _: True),
    (LogFilter(module=["taxes", "none"]), lambda e: e.module in (Module.TAXES, None)),
    (LogFilter(target=["woocommerce"]), lambda e: e.target is System.WOOCOMMERCE),
    (LogFilter(outcome=["failed", "deleted"]), lambda e: e.outcome in ("failed", "deleted")),
    (LogFilter(reason=["echo"]), lambda e: e.reason == "echo"),
    (LogFilter(source_id=["1", "2"]), lambda e: e.source_id in "12"),
    (LogFilter(target_id=["12x99"]), lambda _: False),
    (LogFilter(link_id=[5]), lambda _: True),
    (LogFilter(run_id=[1]), lambda _: False),
    (LogFilter(q=["zoë 100%"]), lambda e: "Zoë" in e.label),
    (LogFilter(q=["a_b"]), lambda e: e.label == "a_b"),
    (LogFilter(q=["12X3"]), lambda _: True),
    (LogFilter(q=["nothing", "ada"]), lambda e: e.label == "Ada"),
    (
        LogFilter(store=["main"], outcome=[Outcome.CREATED]),
        lambda e: e.store == "main" and e.outcome is Outcome.CREATED,
    ),
]


async def test_each_filter_finds_exactly_what_it_says(sessions: Sessions) -> None:
    chance = random.Random(7)
    entries = [random_entry(chance) for _ in range(150)]
    logged = await log(sessions, *entries)
    for filters, judge in FILTERS:
        wanted = [i for i, entry in zip(logged, entries, strict=True) if judge(entry)]
        assert await ids(sessions, filters) == wanted[::-1], filters
        async with sessions() as session:
            assert await count(session, filters) == len(wanted)


async def test_entries_are_found_by_delivery(sessions: Sessions) -> None:
    [told] = await log(sessions, ORDINARY, deliveries=[1, 2])
    both = await log(
        sessions, ORDINARY, replace(ORDINARY, target=System.WOOCOMMERCE), deliveries=[3]
    )
    assert await ids(sessions, LogFilter(delivery_id=[2])) == [told]
    assert await ids(sessions, LogFilter(delivery_id=[3])) == both[::-1]
    assert await ids(sessions, LogFilter(delivery_id=[4])) == []


async def test_a_range_includes_its_start_and_not_its_end(sessions: Sessions) -> None:
    first, second = await log(sessions, ORDINARY, ORDINARY)
    async with sessions() as session:
        entry = await session.get_one(Entry, second)
    moment = entry.occurred_at
    assert await ids(sessions, LogFilter(since=moment)) == [second]
    assert await ids(sessions, LogFilter(until=moment)) == [first]
    assert await ids(sessions, LogFilter(since=moment + timedelta(microseconds=1))) == []


async def test_a_walk_stays_put_while_rows_are_added(sessions: Sessions) -> None:
    before = await log(sessions, *[ORDINARY] * 25)
    seen: list[int] = []
    async for page in walk(sessions, ALL, 4):
        seen += [entry.id for entry in page]
        await log(sessions, ORDINARY, ORDINARY)
    assert seen == before[::-1]


async def test_a_walk_passes_rows_of_one_moment_one_by_one(sessions: Sessions) -> None:
    await log(sessions, *[ORDINARY] * 7)
    async with transaction(sessions) as session:
        moment = (await session.get_one(Entry, 1)).occurred_at
        for entry_id in range(1, 8):
            (await session.get_one(Entry, entry_id)).occurred_at = moment
    assert [[e.id for e in page] async for page in walk(sessions, ALL, 3)] == [
        [7, 6, 5],
        [4, 3, 2],
        [1],
    ]


async def test_a_page_that_is_exactly_full_is_the_last(sessions: Sessions) -> None:
    await log(sessions, *[ORDINARY] * 4)
    assert [len(page) async for page in walk(sessions, ALL, 2)] == [2, 2]


async def test_an_export_yields_everything_that_matches(sessions: Sessions) -> None:
    await log(sessions, *[ORDINARY] * 1203, replace(ORDINARY, store="shop-fr"))
    exported = [entry.id async for entry in export(sessions, LogFilter(store=["main"]))]
    assert len(exported) == 1203
    assert exported == sorted(exported, reverse=True)

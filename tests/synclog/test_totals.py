"""Totals agree with the log, whatever the range, and settling workers never block each other."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.db.session import Sessions, transaction
from app.domain import Module, Outcome, System
from app.synclog.models import SHARDS
from app.synclog.repository import LogFilter, NewEntry, Summary, append, count, summary
from tests.synclog.entries import ORDINARY, log, log_at, random_entry

pytestmark = pytest.mark.anyio

START = datetime(2026, 3, 28, 22, tzinfo=UTC)  # a clock change in Paris lies within the span
SPAN = timedelta(hours=6)


def counted(found: Summary) -> Counter[tuple[System, Module, Outcome]]:
    return Counter(
        {
            (target, module, outcome): number
            for target, modules in found.items()
            for module, outcomes in modules.items()
            for outcome, number in outcomes.items()
            if number
        }
    )


def expected(
    entries: list[tuple[NewEntry, datetime]], store: str, since: datetime, until: datetime
) -> Counter[tuple[System, Module, Outcome]]:
    return Counter(
        (entry.target, entry.module, entry.outcome)
        for entry, moment in entries
        if entry.module and entry.store == store and since <= moment < until
    )


def random_moment(chance: random.Random) -> datetime:
    whole = START + timedelta(minutes=10 * chance.randint(0, 36))
    return whole if chance.random() < 0.5 else whole + SPAN * chance.random()


async def test_any_range_counts_what_the_log_holds(sessions: Sessions) -> None:
    chance = random.Random(3)
    entries = [(random_entry(chance), random_moment(chance)) for _ in range(300)]
    await log_at(sessions, entries)
    for _ in range(100):
        since, until = random_moment(chance), random_moment(chance)
        async with sessions() as session:
            found = await summary(session, store=["main"], since=since, until=until)
        assert counted(found) == expected(entries, "main", since, until), (since, until)


async def test_an_open_range_counts_everything(sessions: Sessions) -> None:
    await log(sessions, ORDINARY, ORDINARY, replace(ORDINARY, store="shop-fr"))
    async with sessions() as session:
        found = await summary(session)
    assert found[System.VTIGER][Module.CONTACTS][Outcome.UPDATED] == 3
    assert counted(found).total() == 3


async def test_every_table_row_and_column_is_there_from_the_start(sessions: Sessions) -> None:
    async with sessions() as session:
        found = await summary(session)
    assert set(found) == set(System)
    assert all(set(modules) == set(Module) for modules in found.values())
    assert all(set(row) == set(Outcome) for modules in found.values() for row in modules.values())


async def test_an_entry_without_a_module_is_in_no_table(sessions: Sessions) -> None:
    await log(sessions, replace(ORDINARY, module=None))
    async with sessions() as session:
        assert counted(await summary(session)).total() == 0
        assert await count(session, LogFilter(module=["none"])) == 1


async def test_workers_that_count_crosswise_neither_wait_nor_deadlock(sessions: Sessions) -> None:
    back = replace(ORDINARY, target=System.WOOCOMMERCE)
    first_done, second_done = asyncio.Event(), asyncio.Event()

    async def settle(entries: list[NewEntry], mine: asyncio.Event, others: asyncio.Event) -> None:
        async with transaction(sessions) as session:
            await append(session, entries[0], ())
            mine.set()
            await others.wait()
            await append(session, entries[1], ())

    async with asyncio.timeout(30):
        await asyncio.gather(
            settle([ORDINARY, back], first_done, second_done),
            settle([back, ORDINARY], second_done, first_done),
        )
    async with sessions() as session:
        assert counted(await summary(session)).total() == 4


async def test_more_workers_than_shards_are_all_counted(sessions: Sessions) -> None:
    await asyncio.gather(*(log(sessions, ORDINARY, ORDINARY) for _ in range(SHARDS + 8)))
    async with sessions() as session:
        assert counted(await summary(session)).total() == 2 * (SHARDS + 8)

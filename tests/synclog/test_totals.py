"""Totals agree with the log, whatever the range, and settling workers never block each other."""

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from app.db.session import Sessions, driver_of, transaction
from app.domain import Module, Outcome, System
from app.synclog.models import COMPACTED, SHARDS, Total
from app.synclog.repository import NewEntry, Tally, append, count_outcomes
from app.synclog.search import LogFilter, count
from app.synclog.totals import (
    Summary,
    compact_totals,
    first_logged_at,
    floor_of,
    pieces,
    series,
    summary,
)
from tests.synclog.entries import ORDINARY, log, log_at, random_entry
from tests.synclog.test_search import READ

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


async def compact(sessions: Sessions, most: int = 1000) -> int:
    async with transaction(sessions) as session:
        return await compact_totals(session, most=most)


@pytest.mark.parametrize("compacted", [0, 40, 1000])
async def test_any_range_counts_what_the_log_holds(sessions: Sessions, compacted: int) -> None:
    chance = random.Random(3)
    entries = [(random_entry(chance), random_moment(chance)) for _ in range(300)]
    await log_at(sessions, entries)
    if compacted:
        await compact(sessions, compacted)
    for _ in range(100):
        since, until = random_moment(chance), random_moment(chance)
        async with sessions() as session:
            found = await summary(session, store=["main"], since=since, until=until)
        assert counted(found) == expected(entries, "main", since, until), (since, until)


async def test_ranges_of_years_count_what_the_log_holds(sessions: Sessions) -> None:
    """Some totals are compacted, some of the same hours are new, and a few are of this hour."""
    chance = random.Random(4)
    years = timedelta(days=3 * 365)

    def moment() -> datetime:
        some = START + years * chance.random()
        unit = chance.choice(["hour", "day", "month", "year", ""])
        return floor_of(some, unit) if unit else some

    entries = [(random_entry(chance), moment()) for _ in range(250)]
    await log_at(sessions, entries)
    await compact(sessions)
    late = [(random_entry(chance), at) for _, at in entries[:40]]
    await log_at(sessions, late)
    await compact(sessions, 15)
    for _ in range(80):
        since, until = moment(), moment()
        async with sessions() as session:
            found = await summary(session, store=["main"], since=since, until=until)
            after = await summary(session, store=["main"], since=since)
            before = await summary(session, store=["main"], until=until)
        assert counted(found) == expected(entries + late, "main", since, until), (since, until)
        assert counted(after) == expected(entries + late, "main", since, START + 2 * years)
        assert counted(before) == expected(entries + late, "main", START - years, until)


EVER = datetime.min.replace(tzinfo=UTC)
HOURS = st.none() | st.integers(0, 7 * 365 * 24).map(lambda n: START + timedelta(hours=n))


@given(HOURS, HOURS)
def test_pieces_are_whole_units_that_cover_the_range_once(
    since: datetime | None, until: datetime | None
) -> None:
    found = sorted((first or EVER, last, unit) for unit, (first, last) in pieces((since, until)))
    if since and until and since >= until:
        assert found == []
        return
    assert (found[0][0], found[-1][1]) == (since or EVER, until)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(found))
    for first, last, unit in found:
        assert all(floor_of(each, unit) == each for each in (first, last) if each)
    assert len(found) <= 7


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


TALLY = Tally("main", Module.CONTACTS, System.VTIGER, Outcome.UPDATED)


async def all_time(sessions: Sessions) -> int:
    async with sessions() as session:
        return counted(await summary(session)).total()


async def test_nothing_is_lost_or_counted_twice_while_workers_write(sessions: Sessions) -> None:
    """Workers whose transactions began in a past hour count in it while it is compacted."""
    past = START + timedelta(hours=1)
    sums: list[int] = []

    async def write() -> None:
        for _ in range(25):
            async with transaction(sessions) as session:
                await count_outcomes(await driver_of(session), {TALLY: 2}, past)
                await asyncio.sleep(0)

    async def read(until: int) -> None:
        while not sums or sums[-1] < until:
            await compact(sessions, 3)
            sums.append(await all_time(sessions))

    async with asyncio.timeout(60):
        await asyncio.gather(*(write() for _ in range(4)), read(200), read(200))
    while await compact(sessions):
        pass
    assert max(sums) == 200
    assert set(sums) <= set(range(0, 201, 2))
    assert await all_time(sessions) == 200
    async with sessions() as session:
        rows = await session.execute(select(Total.shard, Total.count))
        assert [tuple(row) for row in rows] == [(COMPACTED, 200)]


async def test_a_count_that_is_being_written_is_left_for_later(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await count_outcomes(await driver_of(session), {TALLY: 1}, START)
    async with transaction(sessions) as session:
        await count_outcomes(await driver_of(session), {TALLY: 1}, START)
        assert await compact(sessions) <= 1
        assert await all_time(sessions) == 1
    while await compact(sessions):
        pass
    assert await all_time(sessions) == 2


async def test_a_compaction_that_is_broken_off_changes_nothing(sessions: Sessions) -> None:
    async with transaction(sessions) as session:
        await count_outcomes(await driver_of(session), {TALLY: 5}, START)
    async with sessions() as session:
        assert await compact_totals(session, most=10) == 1
        assert await compact(sessions) == 0, "one process compacts at a time"
        await session.rollback()
    assert await all_time(sessions) == 5
    assert await compact(sessions) == 1
    assert await all_time(sessions) == 5


async def test_this_hour_is_not_compacted(sessions: Sessions) -> None:
    await log(sessions, ORDINARY)
    compacted = await compact(sessions)
    async with sessions() as session:
        of_past_hour = Total.hour_at < func.date_trunc("hour", func.now())
        assert compacted == int(bool(await session.scalar(select(of_past_hour))))


async def test_the_summary_of_five_years_reads_as_few_totals_as_that_of_days(
    sessions: Sessions,
) -> None:
    async with transaction(sessions) as session:
        await session.execute(
            text(
                "INSERT INTO sync_totals SELECT 'main', 'contacts', 'vtiger', outcome, at, shard, 1"
                " FROM unnest(ARRAY['created', 'updated']) AS outcome,"
                " generate_series(CAST(:since AS timestamptz), :until, '3 hours') AS at,"
                " unnest(ARRAY[0, 5]) AS shard"
            ),
            {"since": START - timedelta(days=5 * 365), "until": START},
        )
    while await compact(sessions, 20_000):
        pass
    async with sessions() as session:
        await session.execute(text("ANALYZE sync_totals, sync_period_totals"))
        await session.commit()
        before = await session.scalar(READ)
        assert counted(await summary(session)).total() == 4 * (5 * 365 * 8 + 1)
        whole = await session.scalar(READ) - before
        since, until = START - timedelta(days=4.9 * 365), START - timedelta(hours=5)
        await summary(session, since=since, until=until)
        part = await session.scalar(READ) - before - whole
    assert whole <= 2 * 6
    assert part <= 2 * (5 + 2 * (11 + 30 + 23))


async def test_charts_and_the_first_time_are_the_same_when_compacted(sessions: Sessions) -> None:
    chance = random.Random(9)
    entries = [
        (random_entry(chance), START + timedelta(days=100) * chance.random()) for _ in range(150)
    ]
    await log_at(sessions, entries)

    async def told() -> list[object]:
        async with sessions() as session:
            charts = [
                await series(
                    session,
                    since=START + timedelta(days=3, hours=7),
                    until=START + timedelta(days=80, minutes=5),
                    step=step,
                    store=store,
                )
                for step in (timedelta(hours=3), timedelta(days=1), timedelta(days=7))
                for store in ([], ["main"])
            ]
            first = [await first_logged_at(session, store) for store in ([], ["main"], ["none"])]
        return [*charts, first]

    before = await told()
    await compact(sessions, 50)
    partly = await told()
    await compact(sessions)
    assert before == partly == await told()
    counted_first = min(at for entry, at in entries if entry.module)
    assert before[-1] == [
        counted_first,
        min(at for entry, at in entries if entry.module and entry.store == "main"),
        None,
    ]

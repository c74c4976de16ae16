"""A search finds what a look at every entry would, page by page, and reads few entries for it."""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from app.db.session import Sessions, transaction
from app.domain import Module, Outcome, System
from app.synclog.models import Entry, EntryDelivery
from app.synclog.repository import prune_entries
from app.synclog.search import LogFilter, count, search
from tests.synclog.entries import log_at, random_entry
from tests.synclog.test_repository import ids

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LONG_AGO = timedelta(days=90)
MANY = """
INSERT INTO sync_log (occurred_at, store, module, target, source_id, target_id, link_id, event,
    outcome, reason, message, attempts, duration_ms, delivery_count, label, run_id)
SELECT CAST(:until AS timestamptz) - (:entries - n) * interval '30 seconds', 'main',
    'contacts', 'vtiger', n::text, '12x' || n, n, 'updated', 'unchanged', 'echo',
    'Both systems already have the same values.', 1, 1, 0, 'Ada ' || n,
    CASE WHEN n % 2 = 0 THEN 5 END
FROM generate_series(1, :entries) AS n
"""
READ = text("""
SELECT sum(seq_tup_read) + sum(idx_tup_fetch) FROM pg_stat_xact_user_tables
WHERE relname IN ('sync_log', 'sync_log_deliveries', 'sync_totals', 'sync_period_totals')
""")
"""Rows that this connection has read since its statistics were last reported."""


async def _fill(sessions: Sessions, entries: int, until: datetime) -> None:
    async with transaction(sessions) as session:
        await session.execute(text(MANY), {"entries": entries, "until": until})


def _random_entries(chance: random.Random, number: int) -> list[tuple[Any, datetime]]:
    words = ("Zoë 100%", "a_b", "王伟", "x", "", "ΑΣΟΣ", "SKU-7")
    return [
        (
            replace(
                random_entry(chance),
                label=f"{chance.choice(words)} {chance.choice(words)}".strip(),
                message=chance.choice(["Updated the contact.", "It was refused.", "Öl\n\\d"]),
                target_id=chance.choice([None, "12x7", "12x34"]),
                link_id=chance.choice([None, 5, 6]),
                run_id=chance.choice([None, None, 4, 5]),
            ),
            NOW - LONG_AGO * chance.random(),
        )
        for _ in range(number)
    ]


VALUES: dict[str, Sequence[Any]] = {
    "store": ("main", "shop-fr", "nowhere"),
    "module": ("contacts", "taxes", "none"),
    "target": ("vtiger", "woocommerce"),
    "outcome": ("failed", "unchanged", "deleted"),
    "reason": ("echo", "module_off", "unknown"),
    "source_id": ("1", "2", "x"),
    "target_id": ("12x34", "x"),
    "link_id": (5, 7),
    "run_id": (4, 5, 9),
    "delivery_id": (1, 2, 99),
    "q": ("zoë 100%", "a_b", "王", "王伟", "x", "ασο", "no such", "öl\n\\d", "12X3", "UPD", ""),
}


def _naive(filters: LogFilter, deliveries: dict[int, set[int]]) -> Callable[[Entry], bool]:
    """What a filter promises, of one entry."""

    def contains(entry: Entry, word: str) -> bool:
        texts = (entry.message, entry.label, entry.source_id, entry.target_id or "")
        return any(word.lower() in each.lower() for each in texts)

    def matches(entry: Entry) -> bool:
        for name in ("store", "target", "outcome", "reason", "source_id", "target_id"):
            if getattr(filters, name) and getattr(entry, name) not in getattr(filters, name):
                return False
        return (
            (not filters.module or (entry.module or "none") in filters.module)
            and (not filters.link_id or entry.link_id in filters.link_id)
            and (not filters.run_id or entry.run_id in filters.run_id)
            and (
                not filters.delivery_id
                or any(entry.id in deliveries.get(each, ()) for each in filters.delivery_id)
            )
            and (not filters.q or any(contains(entry, word) for word in filters.q))
            and (filters.since is None or entry.occurred_at >= filters.since)
            and (filters.until is None or entry.occurred_at < filters.until)
        )

    return matches


def _random_filter(chance: random.Random) -> LogFilter:
    chosen = {
        name: chance.sample(VALUES[name], chance.choice([1, 1, 2]))
        for name in chance.sample(list(VALUES), chance.choice([1, 2, 2, 3]))
    }
    bounds = [NOW - LONG_AGO * chance.random() if chance.random() < 0.2 else None for _ in range(2)]
    return LogFilter(**chosen, since=bounds[0], until=bounds[1])


async def test_a_search_finds_and_counts_what_a_look_at_every_entry_does(
    sessions: Sessions,
) -> None:
    """The newest entries are of one kind, so that other ones are found by the indexes."""
    chance = random.Random(11)
    await log_at(sessions, _random_entries(chance, 400))
    await _fill(sessions, 2_200, NOW + timedelta(days=1))
    async with transaction(sessions) as session:
        session.add_all(EntryDelivery(entry_id=n, delivery_id=1 + n % 3) for n in range(1, 50))
    async with sessions() as session:
        newest = select(Entry).order_by(Entry.occurred_at.desc(), Entry.id.desc())
        entries = (await session.scalars(newest)).all()
        deliveries: dict[int, set[int]] = {}
        for pair in await session.scalars(select(EntryDelivery)):
            deliveries.setdefault(pair.delivery_id, set()).add(pair.entry_id)
    for _ in range(250):
        filters = _random_filter(chance)
        wanted = [each.id for each in filter(_naive(filters, deliveries), entries)]
        assert await ids(sessions, filters) == wanted, filters
        if filters.reason or all(filters.q or [""]) or filters.run_id or filters.link_id:
            async with sessions() as session:
                assert await count(session, filters) == len(wanted), filters


@pytest.mark.parametrize("limit", [1, 7, 50])
@pytest.mark.parametrize(
    "filters",
    [
        LogFilter(outcome=["failed"]),
        LogFilter(q=["refused"]),
        LogFilter(q=["refused", "a_b"], module=["contacts", "taxes"]),
        LogFilter(source_id=["1", "2"]),
        LogFilter(run_id=[4, 5], target=["woocommerce"]),
    ],
    ids=["kind", "word", "words", "record", "run"],
)
async def test_pages_follow_each_other_without_gap_or_repetition(
    sessions: Sessions, filters: LogFilter, limit: int
) -> None:
    """Some entries share a moment, and a page may end between them."""
    chance = random.Random(limit)
    moments = [NOW - timedelta(days=chance.randint(1, 20)) for _ in range(12)]
    entries = [(entry, chance.choice(moments)) for entry, _ in _random_entries(chance, 150)]
    await log_at(sessions, entries)
    await _fill(sessions, 2_100, NOW)
    async with sessions() as session:
        whole = await search(session, filters, cursor=None, limit=500)
        paged: list[int] = []
        cursor: str | None = None
        while not paged or cursor is not None:
            page = await search(session, filters, cursor=cursor, limit=limit)
            paged += [entry.id for entry in page.items]
            cursor = page.next_cursor
    assert paged == [entry.id for entry in whole.items]
    assert len(paged) > 20


RARE: list[dict[str, Any]] = [
    *({name: [value]} for name, values in VALUES.items() for value in values if value != ""),
    *(
        {one: [VALUES[one][-1]], other: [VALUES[other][0]]}
        for one, other in itertools.permutations(VALUES, 2)
    ),
]


async def test_a_page_reads_few_entries_however_many_there_are(sessions: Sessions) -> None:
    """The newest 2,000 are read before an index is asked; the log has ten times as many.

    A page of one entry is to the planner what a page of fifty is in a longer log: it looks as if a
    scan by time came upon it soon."""
    entries = 20_000
    await log_at(sessions, _random_entries(random.Random(5), 60))
    await _fill(sessions, entries, NOW + timedelta(days=30))
    async with sessions() as session:
        await session.execute(text("ANALYZE sync_log, sync_log_deliveries"))
        await session.commit()
        for chosen, limit in itertools.product(RARE, (1, 50)):
            before = await session.scalar(READ)
            await search(session, LogFilter(**chosen), cursor=None, limit=limit)
            read = await session.scalar(READ) - before
            assert read < 3_500, (chosen, limit, read)
            await session.rollback()


async def test_a_count_without_filters_does_not_read_the_log(sessions: Sessions) -> None:
    await log_at(sessions, _random_entries(random.Random(5), 60))
    async with transaction(sessions) as session:
        filler = {"entries": 5_000, "until": NOW}
        await session.execute(text(MANY), filler)
        await session.execute(
            text(
                "INSERT INTO sync_totals SELECT store, module, target, outcome,"
                " date_trunc('hour', occurred_at, 'UTC'), 3, count(*) FROM sync_log"
                " WHERE reason = 'echo' AND message LIKE 'Both%' GROUP BY 1, 2, 3, 4, 5"
            )
        )
    async with sessions() as session:
        await session.execute(text("ANALYZE"))
        await session.commit()
        before = await session.scalar(READ)
        assert await count(session, LogFilter()) == 5_060
        assert await count(session, LogFilter(store=["nowhere"])) == 0
        assert await session.scalar(READ) - before < 1_000


async def test_a_count_is_of_what_retention_left(sessions: Sessions) -> None:
    """Retention deletes the oldest first; totals of what it deleted stay."""
    chance = random.Random(8)
    entries = [(random_entry(chance), NOW - LONG_AGO * chance.random()) for _ in range(200)]
    await log_at(sessions, entries)
    async with transaction(sessions) as session:
        assert await prune_entries(session, 1, most=70) == 70
    left = sorted(entries, key=lambda each: each[1])[70:]
    async with sessions() as session:
        assert await count(session, LogFilter()) == 130
        for module in Module:
            wanted = sum(1 for entry, _ in left if entry.module is module)
            assert await count(session, LogFilter(module=[module])) == wanted
        both = LogFilter(module=["none", "taxes"], target=[System.VTIGER], outcome=[Outcome.FAILED])
        assert await count(session, both) == sum(
            1
            for entry, _ in left
            if entry.module in (None, Module.TAXES)
            and (entry.target, entry.outcome) == (System.VTIGER, Outcome.FAILED)
        )


def test_every_filter_is_tried() -> None:
    assert {item.name for item in fields(LogFilter)} == {*VALUES, "since", "until"}

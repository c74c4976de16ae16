"""The log and its totals are migrated while the service goes on, and back."""

import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from app.db.migrate import check, upgrade
from app.db.opening import sqlalchemy_url
from app.db.session import Sessions, open_engine, open_sessions, transaction
from app.synclog.search import LogFilter, count, search
from app.synclog.totals import compact_totals, summary
from tests.locks import until_blocked
from tests.revisions import downgrade
from tests.synclog.entries import log_at, random_entry

pytestmark = pytest.mark.anyio

BEFORE = "0027"
START = datetime(2025, 11, 24, tzinfo=UTC)
ENTRY = """
INSERT INTO sync_log (occurred_at, store, module, target, source_id, event, outcome, message,
    attempts, duration_ms, delivery_count, label)
VALUES (now(), 'main', 'contacts', 'vtiger', '7', 'updated', 'updated', 'Updated the contact.',
    1, 1, 0, %s)
"""
TOTAL = """
INSERT INTO sync_totals (store, module, target, outcome, hour_at, shard, count)
VALUES ('main', 'contacts', 'vtiger', 'updated', date_trunc('hour', now(), 'UTC'), 3, 1)
ON CONFLICT (store, module, target, outcome, hour_at, shard) DO UPDATE SET count = 2
"""


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    """Of a database that no other test uses."""
    engine = open_engine(sqlalchemy_url(database_url))
    yield open_sessions(engine)
    await engine.dispose()


async def test_others_write_while_the_log_is_migrated(
    database_url: str, sessions: Sessions
) -> None:
    downgrade(database_url, BEFORE)
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(database_url) as slow,
        psycopg.connect(database_url, autocommit=True) as other,
    ):
        for table in (ENTRY, TOTAL):
            slow.execute(table, ["Ada Lovelace"] if table == ENTRY else None)
        migration = pool.submit(upgrade, database_url)
        await until_blocked(database_url)
        other.execute("SET statement_timeout = '20s'")  # it would wait for the migration for ever
        other.execute(ENTRY, ["Zoë"])
        other.execute("SELECT * FROM sync_log, sync_totals")
        slow.commit()
        migration.result()
        other.execute(TOTAL)
    check(database_url)
    async with sessions() as session:
        found = await search(session, LogFilter(q=["lovelace", "zoë"]), cursor=None, limit=9)
    assert sorted(each.label for each in found.items) == ["Ada Lovelace", "Zoë"]


async def test_totals_are_the_same_after_going_back_and_forth(
    database_url: str, sessions: Sessions
) -> None:
    chance = random.Random(2)
    entries = [
        (random_entry(chance), START + timedelta(days=300) * chance.random()) for _ in range(80)
    ]
    await log_at(sessions, entries)
    async with transaction(sessions) as session:
        await compact_totals(session, most=40)

    async def told() -> object:
        async with sessions() as session:
            part = await summary(session, since=START + timedelta(days=40, hours=5))
            return await summary(session), part, await count(session, LogFilter())

    before = await told()
    for _ in range(2):
        downgrade(database_url, BEFORE)
        with psycopg.connect(database_url) as connection:
            row = connection.execute("SELECT sum(count) FROM sync_totals").fetchone()
            assert row == (sum(1 for entry, _ in entries if entry.module),)
        upgrade(database_url)
        assert await told() == before
        async with transaction(sessions) as session:
            await compact_totals(session, most=30)
        assert await told() == before

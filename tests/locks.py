"""Waiting until somebody waits for a lock."""

import asyncio

import psycopg

BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def until_blocked(url: str) -> None:
    """Somebody in this database waits for another's lock."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        async with asyncio.timeout(30):
            while True:
                row = await (await connection.execute(BLOCKED)).fetchone()
                if row and row[0]:
                    return

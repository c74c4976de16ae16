"""The small world that scenarios play in, on a database that is emptied between them."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from tests.conftest import new_database
from tests.world import World, open_world

EMPTY = """
DO $$ BEGIN EXECUTE (
    SELECT 'TRUNCATE ' || string_agg(format('%I', tablename), ', ') || ' CASCADE'
    FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
); END $$
"""


@pytest.fixture(scope="session")
def shared_database_url(admin_url: str, template: str) -> Iterator[str]:
    with new_database(admin_url, template) as url:
        yield url


@pytest.fixture
def emptied_database_url(shared_database_url: str) -> str:
    """Quicker than a database for each test."""
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        connection.execute(EMPTY)
    return shared_database_url


@pytest.fixture
async def world(emptied_database_url: str) -> AsyncIterator[World]:
    async with open_world(emptied_database_url) as opened:
        yield opened

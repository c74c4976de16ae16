"""The database alone, for commands that call neither system."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.db.opening import open_database
from app.db.session import Sessions, open_sessions
from app.settings import Settings


@asynccontextmanager
async def cli_sessions(settings: Settings) -> AsyncIterator[Sessions]:
    """Of the database that the settings name."""
    async with open_database(settings) as (_, engine, _):
        yield open_sessions(engine)

"""The database alone, for commands that call neither system."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.cli.chosen_settings import load_cli_settings
from app.db.session import Sessions, open_sessions
from app.runtime import open_database
from app.settings import Settings


@asynccontextmanager
async def cli_sessions(settings: Settings | None = None) -> AsyncIterator[Sessions]:
    """Of the database that the command is about. A command that needs its settings elsewhere too
    gives them: the demo that it began with may end meanwhile."""
    async with open_database(settings or load_cli_settings()) as (_, engine):
        yield open_sessions(engine)

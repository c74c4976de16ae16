"""The database alone, for commands that call neither system."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.cli.chosen_settings import load_cli_settings
from app.db.session import Sessions, open_sessions
from app.runtime import open_database


@asynccontextmanager
async def cli_sessions() -> AsyncIterator[Sessions]:
    async with open_database(load_cli_settings()) as (_, engine):
        yield open_sessions(engine)

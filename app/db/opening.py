"""The database that the settings name, for whoever needs neither system."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.embedded import EmbeddedServer, start_embedded
from app.db.pulse import Pulse
from app.db.revisions import is_newest
from app.db.revival import kept_alive
from app.db.session import close_engine, open_engine
from app.db.url import libpq_url, sqlalchemy_url
from app.settings import Settings

DATABASE = "woo_vtiger"


@contextmanager
def _database(settings: Settings) -> Iterator[tuple[str, EmbeddedServer | None]]:
    """The address, and the embedded server while the body runs unless another is configured."""
    if settings.database_url is not None:
        yield libpq_url(settings.database_url.get_secret_value()), None
        return
    server = start_embedded(settings.data_dir)
    try:
        yield server.ensure_database(DATABASE), server
    finally:
        server.stop()


@contextmanager
def database_address(settings: Settings) -> Iterator[str]:
    """The configured server's address, or the embedded server's while the body runs."""
    with _database(settings) as (address, _):
        yield address


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[tuple[str, AsyncEngine, Pulse]]:
    """The database's address, engine and pulse, brought up to date first where AUTO_MIGRATE says
    so."""
    async with AsyncExitStack() as stack:
        address, server = stack.enter_context(_database(settings))
        if settings.auto_migrate:
            await asyncio.to_thread(_bring_up_to_date, address)
        if server is not None:
            await stack.enter_async_context(kept_alive(server))
        pulse = Pulse(address)
        await stack.enter_async_context(pulse.running())
        engine = open_engine(sqlalchemy_url(address), pulse=pulse)
        stack.push_async_callback(close_engine, engine)
        yield address, engine, pulse


def _bring_up_to_date(address: str) -> None:
    if is_newest(address):
        return
    from app.db.migrate import upgrade  # noqa: PLC0415 - seldom needed, and slow to load

    upgrade(address)

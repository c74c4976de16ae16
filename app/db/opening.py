"""Opens the database that the settings name, and checks without Alembic whether it is migrated."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine

import app
from app.config.settings import Settings
from app.db.embedded import EmbeddedServer, start_embedded, supervised
from app.db.session import Pulse, close_engine, open_engine
from app.domain import ConfigError

# The database's address in the forms of SQLAlchemy and of libpq.

EXAMPLE = "DATABASE_URL must look like postgresql://user:password@host:5432/database"
SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")


def sqlalchemy_url(address: str) -> str:
    return _parse(address).set(drivername="postgresql+psycopg").render_as_string(False)


def libpq_url(address: str) -> str:
    return _parse(address).set(drivername="postgresql").render_as_string(False)


def _parse(address: str) -> URL:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise ConfigError(f"DATABASE_URL cannot be read. {EXAMPLE}.") from None
    if url.drivername not in SCHEMES:
        raise ConfigError(
            f"DATABASE_URL names {url.drivername!r}, but the service runs on PostgreSQL only. "
            f"{EXAMPLE}, or be left out for the embedded server."
        )
    if not url.database:
        raise ConfigError(f"DATABASE_URL names no database. {EXAMPLE}.")
    return url


# A check without Alembic whether the database is migrated, which it nearly always is: loading
# Alembic and all migrations takes longer than most commands.

MIGRATIONS = Path(app.__file__).parent.parent / "migrations"

_REVISION = re.compile(r'^revision: str = "(\w+)"$', re.MULTILINE)
_PARENT = re.compile(r'^down_revision: str \| None = "(\w+)"$', re.MULTILINE)


def newest_revisions() -> frozenset[str]:
    """The head revisions, as read from the migrations' files."""
    texts = [path.read_text() for path in (MIGRATIONS / "versions").glob("*.py")]
    parents = {found for text in texts for found in _PARENT.findall(text)}
    return frozenset(found for text in texts for found in _REVISION.findall(text)) - parents


def is_newest(address: str) -> bool:
    """Whether all migrations are applied. False if that is unknown, so that Alembic decides."""
    try:
        with psycopg.connect(address) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except psycopg.ProgrammingError:  # no such table
        return False
    return {row[0] for row in found} == newest_revisions()


DATABASE = "woo_vtiger"


@contextmanager
def _database(settings: Settings) -> Iterator[tuple[str, EmbeddedServer | None]]:
    """The address, and the embedded server, which runs during the body unless DATABASE_URL is
    set."""
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
    """The address of the configured server, or of the embedded one, which runs during the body."""
    with _database(settings) as (address, _):
        yield address


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[tuple[str, AsyncEngine, Pulse]]:
    """The database's address, engine and pulse; it is migrated first if AUTO_MIGRATE is on."""
    async with AsyncExitStack() as stack:
        address, server = stack.enter_context(_database(settings))
        if settings.auto_migrate:
            await asyncio.to_thread(_migrate, address)
        if server is not None:
            await stack.enter_async_context(supervised(server))
        pulse = Pulse(address)
        await stack.enter_async_context(pulse.running())
        engine = open_engine(sqlalchemy_url(address), pulse=pulse)
        stack.push_async_callback(close_engine, engine)
        yield address, engine, pulse


def _migrate(address: str) -> None:
    if is_newest(address):
        return
    from app.db.migrate import upgrade  # noqa: PLC0415 - seldom needed, and slow to load

    upgrade(address)

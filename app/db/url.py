"""One database address, in the two spellings that SQLAlchemy and libpq want."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.errors import ConfigError

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

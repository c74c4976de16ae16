"""A database address is understood in its usual spellings; others are refused with the cure."""

import pytest

from app.db.opening import libpq_url, sqlalchemy_url
from app.domain import ConfigError

REST = "://me:p%40ss@db:5433/woo?sslmode=require"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_usual_spellings_are_understood(scheme: str) -> None:
    assert sqlalchemy_url(scheme + REST) == "postgresql+psycopg" + REST
    assert libpq_url(scheme + REST) == "postgresql" + REST


def test_a_socket_address_is_kept() -> None:
    address = "postgresql://postgres@/woo?host=%2Fsrv%2Fdata"
    assert libpq_url(sqlalchemy_url(address)) == address


@pytest.mark.parametrize(
    "address", ["sqlite:///x.db", "mysql://me@db/woo", "postgresql+asyncpg://d/w"]
)
def test_other_databases_are_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="runs on PostgreSQL only"):
        libpq_url(address)


@pytest.mark.parametrize("address", ["", "woo", "postgresql://db:port/woo"])
def test_what_cannot_be_read_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL cannot be read"):
        sqlalchemy_url(address)


def test_an_address_without_a_database_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no database"):
        sqlalchemy_url("postgresql://me:secret@db:5432")

"""How Alembic meets the database: a connection handed in by app.db.migrate, or one of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from app.db.embedded import start_embedded
from app.db.migrate import load_tables
from app.db.opening import sqlalchemy_url


def is_ours(_item: Any, name: str | None, _kind: str, _reflected: bool, _other: Any) -> bool:
    """Procrastinate keeps its tables by itself."""
    return not (name or "").startswith("procrastinate")


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=load_tables(),
        include_object=is_ours,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


@contextmanager
def own_address() -> Iterator[str]:
    if address := os.environ.get("DATABASE_URL"):
        yield address
        return
    server = start_embedded(Path("data"))
    try:
        yield server.ensure_database("woo_vtiger")
    finally:
        server.stop()


def run_by_hand() -> None:
    """For `alembic revision` and the like, typed by a developer."""
    with own_address() as address:
        engine = create_engine(sqlalchemy_url(address), poolclass=NullPool)
        with engine.connect() as connection:
            run(connection)


if handed_in := context.config.attributes.get("connection"):
    run(handed_in)
else:
    run_by_hand()

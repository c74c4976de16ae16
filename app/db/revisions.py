"""Whether the database is up to date, asked without Alembic: nearly always it is, and loading
Alembic and all migrations takes longer than most commands work."""

import re
from pathlib import Path

import psycopg

import app

MIGRATIONS = Path(app.__file__).parent.parent / "migrations"

_REVISION = re.compile(r'^revision: str = "(\w+)"$', re.MULTILINE)
_PARENT = re.compile(r'^down_revision: str \| None = "(\w+)"$', re.MULTILINE)


def newest_revisions() -> frozenset[str]:
    """Those that no other follows, as the migrations' files say."""
    texts = [path.read_text() for path in (MIGRATIONS / "versions").glob("*.py")]
    parents = {found for text in texts for found in _PARENT.findall(text)}
    return frozenset(found for text in texts for found in _REVISION.findall(text)) - parents


def is_newest(address: str) -> bool:
    """Whether nothing is left to apply. False where that cannot be told: Alembic can."""
    try:
        with psycopg.connect(address) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except psycopg.ProgrammingError:  # no such table, nor a database of ours
        return False
    return {row[0] for row in found} == newest_revisions()

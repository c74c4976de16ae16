"""A backup is restored whole, on top of anything of ours, or nothing changes at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from app.db.dump import dump, restore
from app.db.migrate import load_tables, pending, upgrade
from app.domain import ConfigError
from tests.conftest import new_database
from tests.revisions import downgrade

KNOWN = frozenset(load_tables().tables)
FILL = """
INSERT INTO deliveries (store, module, system, record_id, record_key, kind, origin, event,
    dedupe_key, body)
SELECT 'main', 'contacts', 'woocommerce', n::text, 'main:contacts:woocommerce:' || n, 'customer',
    'webhook', 'updated', md5(n::text), convert_to(repeat('SET transaction_timeout = 0;\n', n),
    'UTF8') || decode('00ff5c2e0a', 'hex')
FROM generate_series(1, 50) AS n;
"""
Rows = dict[str, list[Any]]


def content(address: str) -> Rows:
    """All rows of all tables, and where each sequence stands."""
    with psycopg.connect(address) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        names = [name for (name,) in connection.execute(query)]
        rows = sql.SQL("SELECT t::text FROM {} t ORDER BY 1")
        found = {n: list(connection.execute(rows.format(sql.Identifier(n)))) for n in names}
        ends = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"
        return found | {"sequences": list(connection.execute(ends))}


def execute(address: str, *statements: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture
def filled(database_url: str) -> str:
    execute(database_url, FILL)
    return database_url


@pytest.fixture
def file(filled: str, tmp_path: Path) -> Path:
    dump(filled, tmp_path / "woo.dump")
    return tmp_path / "woo.dump"


def test_every_table_is_known_where_commands_run(database_url: str) -> None:
    others = {"alembic_version", "sequences"}
    there = {name for name in content(database_url) if not name.startswith("procrastinate_")}
    assert there - others == KNOWN


def test_an_empty_database_becomes_what_was_backed_up(
    filled: str, file: Path, empty_database_url: str
) -> None:
    restore(empty_database_url, file, known=KNOWN, replace=False)
    assert content(empty_database_url) == content(filled)
    assert len(content(filled)["deliveries"]) == 50
    assert pending(empty_database_url) == ()


def test_the_file_is_the_owners_alone_and_nothing_is_left_beside_it(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["woo.dump"]


def test_data_are_replaced_only_on_demand(filled: str, file: Path) -> None:
    before = content(filled)
    execute(filled, "DELETE FROM deliveries WHERE id > 3", "CREATE TYPE odd AS ENUM ('a')")
    changed = content(filled)
    with pytest.raises(ConfigError, match="--replace"):
        restore(filled, file, known=KNOWN, replace=False)
    assert content(filled) == changed
    restore(filled, file, known=KNOWN, replace=True)
    assert content(filled) == before


def test_a_backup_of_an_older_release_can_be_brought_up_to_date(
    admin_url: str, empty_database_url: str, template: str, tmp_path: Path
) -> None:
    """On top of a newer database, whose newer tables must not stay behind."""
    upgrade(empty_database_url)
    downgrade(empty_database_url, "-3")
    dump(empty_database_url, tmp_path / "old.dump")
    with new_database(admin_url, template) as target:
        restore(target, tmp_path / "old.dump", known=KNOWN, replace=True)
        assert len(pending(target)) == 3
        upgrade(target)
        assert pending(target) == ()


def _newer(address: str, folder: Path) -> Path:
    execute(address, "UPDATE alembic_version SET version_num = 'of_tomorrow'")
    dump(address, folder / "newer.dump")
    execute(address, "UPDATE deliveries SET store = 'other'")
    return folder / "newer.dump"


def _cut(address: str, folder: Path) -> Path:
    dump(address, folder / "cut.dump")
    whole = (folder / "cut.dump").read_bytes()
    (folder / "cut.dump").write_bytes(whole[: len(whole) - 1500])
    return folder / "cut.dump"


def _text(_address: str, folder: Path) -> Path:
    (folder / "text.dump").write_text("SELECT 1;")
    return folder / "text.dump"


def _absent(_address: str, folder: Path) -> Path:
    return folder / "absent.dump"


def _foreign(address: str, folder: Path) -> Path:
    """A database of somebody else."""
    dump(address, folder / "foreign.dump")
    execute(address, "CREATE TABLE invoices (id int)", "INSERT INTO invoices VALUES (1)")
    return folder / "foreign.dump"


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (_newer, "newer release"),
        (_cut, "Nothing was restored"),
        (_text, "is no file of `woo-vtiger backup`"),
        (_absent, "There is no file"),
        (_foreign, "something else (invoices)"),
    ],
)
def test_what_cannot_be_restored_changes_nothing(
    filled: str, tmp_path: Path, make: Callable[[str, Path], Path], word: str
) -> None:
    file = make(filled, tmp_path)
    before = content(filled)
    with pytest.raises(ConfigError) as refused:
        restore(filled, file, known=KNOWN, replace=True)
    assert word in str(refused.value)
    assert content(filled) == before


def test_a_database_that_a_service_uses_is_left_alone(filled: str, file: Path) -> None:
    with (
        psycopg.connect(filled),
        pytest.raises(ConfigError, match=r"in use \(1 connections\): stop the service"),
    ):
        restore(filled, file, known=KNOWN, replace=True)


def test_a_database_without_tables_is_nothing_to_back_up(
    empty_database_url: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="nothing to back up"):
        dump(empty_database_url, tmp_path / "empty.dump")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_fails_leaves_the_last_one_as_it_was(filled: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        dump(filled, tmp_path / "absent" / "woo.dump")

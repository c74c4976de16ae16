"""The history of the database leads to the models, whoever walks it and however often."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
from alembic.script import ScriptDirectory

from app.db.migrate import check, pending, upgrade
from app.db.opening import MIGRATIONS, is_newest, newest_revisions


def test_models_and_migrations_agree(database_url: str) -> None:
    check(database_url)


def test_a_migrated_database_has_nothing_pending(database_url: str) -> None:
    assert pending(database_url) == ()


def test_an_empty_database_has_all_revisions_pending(empty_database_url: str) -> None:
    assert pending(empty_database_url)


def test_two_processes_migrate_at_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(upgrade, [empty_database_url] * 2))
    check(empty_database_url)


def test_the_newest_revision_is_known_without_alembic() -> None:
    assert newest_revisions() == set(ScriptDirectory(str(MIGRATIONS)).get_heads())


def test_only_a_database_with_nothing_pending_is_newest(
    database_url: str, empty_database_url: str
) -> None:
    told = is_newest(database_url), is_newest(empty_database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")

    assert told == (True, False)
    assert not is_newest(database_url)

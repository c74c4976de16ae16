"""The history of the database leads to the models, whoever walks it and however often."""

from concurrent.futures import ThreadPoolExecutor

from app.db.migrate import check, pending, upgrade


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

"""`migrate`: the database brought up to date by hand, where AUTO_MIGRATE is off."""

from app.cli.chosen_settings import load_cli_settings
from app.cli.console import OUT
from app.db.migrate import pending, upgrade
from app.db.opening import database_address


def migrate() -> None:
    with database_address(load_cli_settings()) as address:
        missing = pending(address)
        upgrade(address)
    OUT.print(f"Applied: {', '.join(missing)}." if missing else "The database is up to date.")

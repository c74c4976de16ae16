"""`backup` and `restore`: everything that the service knows, as one file."""

import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from app.cli.chosen_settings import load_cli_settings
from app.cli.consent import ask
from app.cli.console import ERR, OUT
from app.db.dump import dump
from app.db.dump import restore as restore_file
from app.db.migrate import pending, upgrade
from app.db.opening import database_address
from app.db.tables import load_tables

PIPE = Path("-")
KILO = 1024
NEXT = (
    "Start the service now. What changed since the backup is found by its polls and by `woo-vtiger "
    "sync`; look at `woo-vtiger sync --dry-run` first."
)


def backup(file: Path | None, *, yes: bool) -> None:
    target = file or Path(f"woo-vtiger-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump")
    if target != PIPE and target.exists() and not yes:
        ask(f"{target} is there already, and is replaced.")
    with database_address(load_cli_settings()) as address:
        if target == PIPE:
            _to_output(address)
            return
        dump(address, target)
    size = target.stat().st_size
    ERR.print(f"Written to {target} ({max(1, size // KILO)} KB).")


def _to_output(address: str) -> None:
    """Whole or not at all: nothing is written before the dump is complete."""
    with tempfile.TemporaryDirectory(prefix="woo-vtiger-") as folder:
        kept = Path(folder) / "backup.dump"
        dump(address, kept)
        with kept.open("rb") as content:
            shutil.copyfileobj(content, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def restore(file: Path, *, replace: bool) -> None:
    if file != PIPE:
        _restore(file, replace=replace)
        return
    with tempfile.NamedTemporaryFile(prefix="woo-vtiger-", suffix=".dump") as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.flush()
        _restore(Path(kept.name), replace=replace)


def _restore(file: Path, *, replace: bool) -> None:
    settings = load_cli_settings()
    with database_address(settings) as address:
        restore_file(address, file, known=frozenset(load_tables().tables), replace=replace)
        missing = pending(address)
        if settings.auto_migrate:
            upgrade(address)
    told = "and brought up to date" if settings.auto_migrate else "run `woo-vtiger migrate` now"
    OUT.print(f"Restored{f', {told}' if missing else ''}. {NEXT}")

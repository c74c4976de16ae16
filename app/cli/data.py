"""`export`, `forget`, `backup`, `restore` and `migrate`: commands on the stored data."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import typer

from app.api.sync_log import csv_lines, ndjson_lines
from app.cli.commands import Form
from app.cli.console import ERR, OUT, ask, new_table, print_json, run
from app.cli.context import chosen_stores, cli_sessions, load_cli_settings
from app.cli.failures import FAILED
from app.config.settings import Settings
from app.db.dump import dump
from app.db.dump import restore as restore_file
from app.db.migrate import load_tables, pending, upgrade
from app.db.opening import database_address
from app.db.session import Sessions
from app.domain import ConfigError, Module, Outcome, System
from app.privacy import Forgotten, foresee
from app.privacy import forget as forget_person
from app.synclog.search import LogFilter, search
from app.synclog.search import export as export_log

# `migrate`


def migrate() -> None:
    with database_address(load_cli_settings()) as address:
        missing = pending(address)
        upgrade(address)
    OUT.print(f"Applied: {', '.join(missing)}." if missing else "The database is up to date.")


# `backup` and `restore`

PIPE = Path("-")
KILO = 1024
NEXT = (
    "Start the service now. Its polls and `woo-vtiger sync` find the changes since the backup; "
    "check `woo-vtiger sync --dry-run` first."
)


def backup(file: Path | None, *, yes: bool) -> None:
    target = file or Path(f"woo-vtiger-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump")
    if target != PIPE and target.exists() and not yes:
        ask(f"{target} exists already and will be replaced.")
    with database_address(load_cli_settings()) as address:
        if target == PIPE:
            _to_output(address)
            return
        dump(address, target)
    size = target.stat().st_size
    ERR.print(f"Written to {target} ({max(1, size // KILO)} KB).")


def _to_output(address: str) -> None:
    """Write the dump to standard output once it is complete, so that it is never partial."""
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
    migration = "and migrated" if settings.auto_migrate else "run `woo-vtiger migrate` now"
    OUT.print(f"Restored{f', {migration}' if missing else ''}. {NEXT}")


# `forget`

NAMES = {
    "deliveries": "Deliveries: bodies",
    "log_entries": "Sync Log: names, messages and values",
    "links": "Pairs: the values of the last sync",
    "conflicts": "Conflicts: both values",
    "differences": "Comparisons: differences",
}
NOTHING = "No data of {email} is stored: nothing was done."
ASKED = "All data of {email} in the service will be erased permanently: {counts}."
KEPT = (
    "Numbers, times, ids and totals are kept; WooCommerce and Vtiger are not changed. If the "
    "person's record changes there, it is synced and logged like any other."
)
WAITING = (
    "{count} deliveries of this person's records are not settled yet: repeat the command once they "
    "are."
)


def forget(*, email: str, store: str | None, yes: bool, json: bool) -> None:
    if "@" not in email.strip("@ "):
        raise ConfigError(f"{email} is not an e-mail address.")
    settings = load_cli_settings()
    _check_store(settings, store)
    if not yes:
        foreseen = run(_foresee(settings, email, store))
        if not any(asdict(foreseen).values()):
            _print_nothing(email, foreseen, as_json=json)
            return
        ask(_question(email, foreseen))
    found = run(_forget(settings, email, store))
    if json:
        print_json(asdict(found))
    else:
        _print(found)
    if found.waiting:
        ERR.print(WAITING.format(count=found.waiting), style="yellow")
        raise typer.Exit(FAILED)


def _check_store(settings: Settings, store: str | None) -> None:
    """Refuse an unknown key, for which no data would be found, as for an unknown person."""
    if store is not None and settings.stores:
        chosen_stores(settings, store)


def _print_nothing(email: str, found: Forgotten, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found))
    else:
        OUT.print(NOTHING.format(email=email))


def _question(email: str, found: Forgotten) -> str:
    counts = [f"{getattr(found, name)} {title.partition(':')[0]}" for name, title in NAMES.items()]
    return ASKED.format(email=email, counts=", ".join(counts))


async def _foresee(settings: Settings, email: str, store: str | None) -> Forgotten:
    async with cli_sessions(settings) as sessions:
        return await foresee(sessions, email, store=store)


async def _forget(settings: Settings, email: str, store: str | None) -> Forgotten:
    async with cli_sessions(settings) as sessions:
        return await forget_person(sessions, email, store=store)


def _print(found: Forgotten) -> None:
    table = new_table("Erased", "Rows", numbers=("Rows",))
    for name, title in NAMES.items():
        table.add_row(title, str(getattr(found, name)))
    OUT.print(table)
    OUT.print(KEPT)


def export(
    *,
    form: Form,
    output: Path | None,
    store: list[str] | None,
    module: list[Module] | None,
    target: list[System] | None,
    outcome: list[Outcome] | None,
    reason: list[str] | None,
    run_id: list[int] | None,
    q: list[str] | None,
    since: datetime | None,
    until: datetime | None,
) -> None:
    filters = LogFilter(
        store=store or (),
        module=module or (),
        target=target or (),
        outcome=outcome or (),
        reason=reason or (),
        run_id=run_id or (),
        q=q or (),
        since=since,
        until=until,
    )
    run(_export(filters, form, output))
    if output is not None:
        ERR.print(f"Written to {output}.")


async def _export(filters: LogFilter, form: Form, output: Path | None) -> None:
    settings = load_cli_settings()
    async with cli_sessions(settings) as sessions:
        await _check_stores(settings, sessions, filters.store)
        entries = export_log(sessions, filters)
        with _opened(output) as file:
            if form is Form.CSV:
                async for line in csv_lines(entries):
                    file.write(line.encode())
            else:
                async for row in ndjson_lines(entries):
                    file.write(row)
            file.flush()


async def _check_stores(settings: Settings, sessions: Sessions, stores: Sequence[str]) -> None:
    """Refuse an unknown key, which would export an empty file. Former shops still have entries."""
    for store in stores:
        if store not in settings.stores:
            async with sessions() as session:
                found = await search(session, LogFilter(store=[store]), cursor=None, limit=1)
            if not found.items:
                known = ", ".join(settings.stores) or "none"
                raise ConfigError(
                    f"There is no store {store}, nor an entry of it; configured: {known}."
                )


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        return
    try:
        with output.open("wb") as file:
            yield file
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}.") from error

"""`export`: the Sync Log as a file, streamed as GET /sync-log/export does."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from app.api.export import csv_lines, ndjson_lines
from app.cli.choices import Form
from app.cli.chosen_settings import load_cli_settings
from app.cli.console import ERR, run
from app.cli.database import cli_sessions
from app.db.session import Sessions
from app.errors import ConfigError, System
from app.records import Module, Outcome
from app.settings import Settings
from app.synclog.repository import LogFilter, search
from app.synclog.repository import export as export_log


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
    """A mistyped key would give an empty file. Shops of the past have their entries still."""
    for store in stores:
        if store not in settings.stores:
            async with sessions() as session:
                found = await search(session, LogFilter(store=[store]), cursor=None, limit=1)
            if not found.items:
                known = ", ".join(settings.stores) or "none"
                raise ConfigError(
                    f"There is no store {store}, and no entry of one; the settings know {known}."
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

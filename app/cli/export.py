"""`export`: the Sync Log as a file, streamed as GET /sync-log/export does."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from app.api.export import csv_lines, ndjson_lines
from app.cli.chosen_settings import load_cli_settings
from app.cli.console import ERR, run
from app.cli.database import cli_sessions
from app.cli.filters import Modules, Outcomes, Reasons, Since, Stores, Until, number, word
from app.db.session import Sessions
from app.errors import ConfigError, System
from app.settings import Settings
from app.synclog.repository import LogFilter, search
from app.synclog.repository import export as export_log


class Form(StrEnum):
    """CSV for a spreadsheet, or one JSON object a line, with changes, notes and conflicts."""

    CSV = "csv"
    NDJSON = "ndjson"


def export(
    *,
    form: Annotated[Form, typer.Option("--format", help="The form of the file.")] = Form.CSV,
    output: Annotated[
        Path | None, typer.Option(help="Where to write it; by default it is printed.")
    ] = None,
    store: Stores = None,
    module: Modules = None,
    target: Annotated[
        list[System] | None, typer.Option(help="The system that was written to.")
    ] = None,
    outcome: Outcomes = None,
    reason: Reasons = None,
    run_id: Annotated[
        list[int] | None,
        typer.Option(parser=number, metavar="RUN", help="Number of a manual run."),
    ] = None,
    q: Annotated[
        list[str] | None,
        typer.Option(
            "--search", parser=word, metavar="TEXT", help="Part of message, label or an id."
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write all matching entries of the Sync Log, newest first."""
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

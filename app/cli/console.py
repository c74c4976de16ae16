"""Input and output of the command line: results on stdout, everything else on stderr; tables,
confirmations, and signals that end a command."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson
import typer
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.domain import ConfigError, Module, Outcome, System
from app.escaping import printable
from app.module_facts import LABELS
from app.synclog.totals import TABLE_OUTCOMES, Summary

# Signals: SIGTERM and SIGINT as an event, so that a command finishes its running work


@asynccontextmanager
async def stop_event() -> AsyncIterator[asyncio.Event]:
    """An event that the first signal sets. A second Ctrl-C aborts running work.

    A second SIGTERM does not, because `make` forwards a signal that a service manager has sent to
    all processes already.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    is_interrupted = False

    def heed() -> None:
        """Called by the event loop between two steps. Python's own handler would raise inside the
        running task, which may handle it as an error of its own and continue."""
        nonlocal is_interrupted
        if is_interrupted:
            raise KeyboardInterrupt
        is_interrupted = True
        stop.set()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, heed)
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGINT)


T = TypeVar("T")

JSON = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
KEPT = "\n\t"


class PlainConsole(Console):
    """A console that prints text literally, also in tables: it interprets no markup, and escapes
    control sequences of terminals. Styles come only from `styled`."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text, keep=KEPT), **options)


OUT = PlainConsole()
ERR = PlainConsole(stderr=True)


def styled(*parts: str | tuple[str, str]) -> Text:
    """A line or cell of several parts, each of them a text or a text with its style."""
    pairs = (part if isinstance(part, tuple) else (part, "") for part in parts)
    return Text.assemble(*((printable(text, keep=KEPT), style) for text, style in pairs))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the event loop of a command. After Ctrl-C, cancelled work logs no errors."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(work)
        except KeyboardInterrupt:
            logging.disable()
            raise


def print_json(data: Any) -> None:
    """Print one line of JSON and flush it, because another program may wait for it."""
    text = orjson.dumps(data, default=str, option=JSON)
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()


def read_text(file: Path) -> str:
    """The text of a user's file. ConfigError if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8 text.") from None


def write_text(output: Path, text: str) -> None:
    """Write a text to a user's file, and tell so. ConfigError if it cannot be written."""
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}.") from None
    ERR.print(f"Written to {output}.")


def author() -> str:
    """Who changes something by a command, for its history."""
    return f"{os.environ.get('USER') or 'somebody'} (command line)"


def new_table(*columns: str, numbers: tuple[str, ...] = (), title: str = "") -> Table:
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


# Confirmations

UNANSWERED = "No terminal for a confirmation: nothing was done. Use `--yes` to confirm in advance."
NO = "Nothing was done."


def can_ask() -> bool:
    """Whether standard input is a terminal."""
    return sys.stdin.isatty()


def ask(question: str) -> None:
    """Ask for a confirmation. Raises typer.Exit if it is denied, and ConfigError if standard input
    is not a terminal."""
    ERR.print(question)
    if not can_ask():
        raise ConfigError(UNANSWERED)
    if not typer.confirm("Continue?", err=True):
        ERR.print(NO)
        raise typer.Exit(1)


# The two tables of the Sync Log

TITLES = {System.WOOCOMMERCE: "WooCommerce", System.VTIGER: "Vtiger CRM"}


def print_summary(counts: Summary) -> None:
    for table in _tables(counts):
        OUT.print(table, "")


def _tables(counts: Summary) -> Iterator[Table]:
    headings = tuple(outcome.title() for outcome in TABLE_OUTCOMES)
    for system, title in TITLES.items():
        table = new_table("Module", *headings, numbers=headings, title=title)
        for module in Module:
            row = counts[system][module]
            cells = (_cell(outcome, row[outcome]) for outcome in TABLE_OUTCOMES)
            table.add_row(LABELS[module], *cells)
        yield table


def _cell(outcome: Outcome, count: int) -> Text:
    style = "dim" if not count else "red" if outcome is Outcome.FAILED else ""
    return styled((str(count), style))

"""What a person reads: results on stdout, everything else on stderr."""

import asyncio
import logging
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import orjson
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.printable import printable

T = TypeVar("T")

JSON = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
KEPT = "\n\t"


class PlainConsole(Console):
    """Prints text, in tables too, as it is: nothing in it is markup, and what a terminal would obey
    is written out. Styles come from `styled` alone."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text, keep=KEPT), **options)


OUT = PlainConsole()
ERR = PlainConsole(stderr=True)


def styled(*parts: str | tuple[str, str]) -> Text:
    """A line or a cell of several parts: text, or text and its style."""
    pairs = (part if isinstance(part, tuple) else (part, "") for part in parts)
    return Text.assemble(*((printable(text, keep=KEPT), style) for text, style in pairs))


def run(work: Coroutine[Any, Any, T]) -> T:
    """The one event loop of a command. After Ctrl-C nothing that is broken off complains of it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(work)
        except KeyboardInterrupt:
            logging.disable()
            raise


def print_json(data: Any) -> None:
    """One line, flushed at once: another program may be waiting for it."""
    text = orjson.dumps(data, default=str, option=JSON)
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()


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

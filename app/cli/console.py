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

T = TypeVar("T")

JSON = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)


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

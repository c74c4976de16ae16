"""The event loop of a command ends quietly, however impatient the person who stops it."""

import asyncio
import logging
import signal
from collections.abc import Iterator

import pytest

from app.cli.console import PlainConsole, new_table, run, styled

log = logging.getLogger(__name__)


@pytest.fixture(autouse=True)
def _heard_again() -> Iterator[None]:
    """Shells start what runs in the background with Ctrl-C ignored."""
    found = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, found)
    logging.disable(logging.NOTSET)


async def _serve() -> None:
    """As servers do, it takes being broken off for an error of its own."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        log.exception("broken off")
        raise


async def _stop_impatiently() -> None:
    served = asyncio.create_task(_serve())
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    await served


def test_what_a_second_ctrl_c_breaks_off_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(_stop_impatiently())

    assert caplog.records == []


WORDS = "[red]a[/] [link=https://evil.example]b[/link] :boom: \x1b[2J\u202e\x9b"


def test_text_of_others_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    table = new_table("Name", title=WORDS)
    table.add_row(WORDS)
    for shown in (WORDS, table, styled("by ", (WORDS, "red"))):
        PlainConsole().print(shown)
    told = capsys.readouterr().out
    assert (
        told.count(r"[red]a[/] [link=https://evil.example]b[/link] :boom: \x1b[2J\u202e\x9b") == 4
    )
    assert not set(told) & set("\x1b\u202e\x9b")

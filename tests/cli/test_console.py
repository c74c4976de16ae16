"""The event loop of a command ends quietly, however impatient the person who stops it."""

import asyncio
import logging
import signal
from collections.abc import Iterator

import pytest

from app.cli.console import run

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

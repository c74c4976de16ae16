"""`demo`: the sandbox day as fast as it goes, with a verdict that an exit code tells."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import typer

from app.cli.agreement import Verdict, judge, print_verdict
from app.cli.console import ERR, OUT, run
from app.cli.failures import FAILED
from app.cli.stage import HOST, Unsettled, open_stage
from app.db.embedded import start_embedded
from app.logging import configure_logging
from app.sandbox.cast import StoryStuck
from app.sandbox.day import DAY, count_steps
from app.serving import listen
from app.settings import Settings

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
CRON_SECONDS = 0.1


def demo(*, once: bool) -> None:
    configure_logging("WARNING", json=False)
    good = _play()
    while good and not once:
        good = _play()
    if not good:
        raise typer.Exit(FAILED)


def _play() -> bool:
    started = time.monotonic()
    try:
        with _scratch_server() as address:
            verdict = run(_play_day(address))
    except (StoryStuck, Unsettled) as error:
        ERR.print(f"The day broke off: {error}.", style="red")
        return False
    print_verdict(verdict)
    OUT.print(f"{count_steps(DAY)} events in {time.monotonic() - started:.1f} s", style="dim")
    return verdict.agrees


@contextmanager
def _scratch_server() -> Iterator[str]:
    """A PostgreSQL for these few seconds: what it holds need not live through a power cut."""
    with tempfile.TemporaryDirectory(prefix="woo-vtiger-demo-") as folder:
        Path(folder).chmod(0o711)  # so that root's server account gets in
        server = start_embedded(Path(folder) / "data", FAST)
        try:
            yield server.ensure_database("demo")
        finally:
            server.stop()


async def _play_day(address: str) -> Verdict:
    base = Settings.model_construct()  # the defaults, whatever the environment says
    with closing(listen(HOST, 0)) as listener:
        async with open_stage(
            base, listener, address=address, sandbox_port=0, cron_seconds=CRON_SECONDS
        ) as stage:
            await stage.play_day(seconds=0, tell=lambda _: None)
            return await judge(stage)

"""`serve` with nothing configured: the service on simulated systems, and a day that is played."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from socket import socket
from urllib.parse import urlsplit

from app import __version__
from app.cli.agreement import judge, print_verdict
from app.cli.chosen_settings import joinable
from app.cli.console import OUT, styled
from app.cli.signals import stop_event
from app.cli.stage import Stage, Unsettled, open_stage
from app.cli.tables import TITLES
from app.db.embedded import DatabaseTaken, start_embedded
from app.errors import ConfigError, System
from app.logging import configure_logging
from app.records import Outcome
from app.sandbox.cast import StoryStuck
from app.sandbox.day import DAY, count_steps
from app.sandbox.story import Step
from app.settings import Settings
from app.synclog.models import Entry
from app.synclog.repository import LogFilter, search

log = logging.getLogger(__name__)

DATABASE = "woo_vtiger_sandbox"
SANDBOX_PORT = 9000
DAY_SECONDS = 120.0
SLOW_SECONDS = 600.0
"""How long a step waits for the sync: a busy machine is no reason to end the day."""
CRON_SECONDS = 1.0
TICK_SECONDS = 0.5
BROKE_OFF = (
    "\nThe day ends early: {error}. The service and both systems go on; start again for a whole "
    "day."
)
NEAR = frozenset({"127.0.0.1", "localhost", "::1"})
COLOURS = {
    Outcome.CREATED: "green",
    Outcome.UPDATED: "cyan",
    Outcome.SKIPPED: "yellow",
    Outcome.FAILED: "red",
}


async def serve_day(settings: Settings, listener: socket) -> None:
    """Until it is told to stop; the day is over sooner."""
    _log_quietly(settings)
    with _database(settings) as address:
        async with (
            stop_event() as stop,
            open_stage(
                settings,
                listener,
                address=address,
                sandbox_port=SANDBOX_PORT,
                cron_seconds=CRON_SECONDS,
            ) as stage,
        ):
            with joinable(stage.settings, settings.data_dir):
                print_banner(stage, settings)
                day = asyncio.create_task(_live(stage))
                await stop.wait()
                OUT.print("\nStopping: what runs is finished first. Ctrl-C again breaks it off.")
                day.cancel()
                await asyncio.gather(day, return_exceptions=True)


def _log_quietly(settings: Settings) -> None:
    """The story is what there is to read; warnings and errors still show."""
    level = settings.log_level if "log_level" in settings.model_fields_set else "WARNING"
    configure_logging(level, bool(settings.log_json), secrets=settings.secret_values())


@contextmanager
def _database(settings: Settings) -> Iterator[str]:
    """Always of the embedded server: what is made afresh at each start is never the user's."""
    server = start_embedded(settings.data_dir)
    try:
        with server.scratch_database(DATABASE) as address:
            yield address
    except DatabaseTaken:
        raise ConfigError(
            f"Another service runs its sandbox day in {settings.data_dir.absolute()}: stop it "
            "first, or set DATA_DIR to another folder."
        ) from None
    finally:
        server.stop()


def print_banner(stage: Stage, given: Settings) -> None:
    token = stage.settings.api_tokens[0].get_secret_value()
    shown = "<one of API_TOKENS>" if given.api_tokens else token
    name = (f"woo-vtiger {__version__}", "bold")
    OUT.print(styled(name, " on simulated systems, all on this machine\n"))
    for label, text in {
        "Open": _door(stage.url, "" if given.api_tokens else token),
        "Service": stage.url,
        **({"API": f"{stage.url}/docs"} if given.api_docs else {}),
        "WooCommerce": f"{stage.sandbox_url}/shop",
        "Vtiger CRM": f"{stage.sandbox_url}/crm",
        "Token": shown,
        "Sync Log": f'curl -H "Authorization: Bearer {shown}" {stage.url}/sync-log/summary',
    }.items():
        OUT.print(f"  {label:<12} {text}")
    if given.database_url is not None:
        OUT.print("\n  DATABASE_URL is left alone: the simulated day keeps its data in DATA_DIR.")
    OUT.print(
        "\nWhile it runs, commands in this folder are about this demo: "
        "try .venv/bin/woo-vtiger doctor."
    )
    OUT.print("To serve your own shop and CRM, copy .env.example to .env. Ctrl-C stops.\n")


def _door(url: str, token: str) -> str:
    """The Sync Log, one click away: what is behind the # stays in the browser, and the page takes
    it on this machine alone. A token of the user's own is not printed."""
    is_near = urlsplit(url).hostname in NEAR
    return f"{url}/sign-in#{token}" if token and is_near else url


async def _live(stage: Stage) -> None:
    """The day with what becomes of it, then both tables."""
    tail = Tail(stage)
    tailing = asyncio.create_task(tail.follow())
    try:
        await stage.play_day(seconds=DAY_SECONDS, tell=_tell, patience=SLOW_SECONDS)
        verdict = await judge(stage)
    except (StoryStuck, Unsettled) as error:
        OUT.print(BROKE_OFF.format(error=error), style="yellow")
        return
    except Exception:
        log.exception("the day broke off; the service goes on")
        return
    finally:
        tailing.cancel()
    await tail.look()
    OUT.print(f"\nThe day is over, {count_steps(DAY)} events; the service goes on.\n")
    print_verdict(verdict)


def _tell(step: Step) -> None:
    at = datetime.now().astimezone()
    OUT.print(f"{at:%H:%M:%S}  {step.where:<5} {step.name}")


@dataclass(slots=True)
class Tail:
    """New rows of the Sync Log as they come, but for echoes and the like."""

    stage: Stage
    last: int = 0

    async def follow(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(TICK_SECONDS)

    async def look(self) -> None:
        async with self.stage.runtime.sessions() as session:
            page = await search(session, LogFilter(), cursor=None, limit=100)
        for entry in reversed(page.items):
            if entry.id > self.last and entry.outcome != Outcome.UNCHANGED:
                _print_entry(entry)
        self.last = max([self.last, *(entry.id for entry in page.items)])


def _print_entry(entry: Entry) -> None:
    at, outcome = entry.occurred_at.astimezone(), Outcome(entry.outcome)
    target = f"{TITLES[System(entry.target)]:<11}"
    label = entry.label or f"record {entry.source_id}"
    reason = f", {entry.reason}" if entry.reason else ""
    shown = (f"{outcome:<7}", COLOURS.get(outcome, ""))
    parts = (f"{at:%H:%M:%S}    ", ("→", "dim"), f" {target} ", shown, f" {label}", (reason, "dim"))
    OUT.print(styled(*parts))

"""`forget`: one person's data erased from what the service keeps."""

from dataclasses import asdict

import typer

from app.cli.chosen_settings import load_cli_settings
from app.cli.consent import ask
from app.cli.console import ERR, OUT, new_table, print_json, run
from app.cli.database import cli_sessions
from app.cli.failures import FAILED
from app.cli.stores import chosen_stores
from app.errors import ConfigError
from app.settings import Settings
from app.sync.forgetting import Forgotten, foresee
from app.sync.forgetting import forget as forget_person

NAMES = {
    "deliveries": "Deliveries: what they carried",
    "log_entries": "Sync Log: names, messages and values",
    "links": "Pairs: the values last agreed on",
    "conflicts": "Conflicts: both values",
    "differences": "Comparisons: what differed",
}
NOTHING = "Nothing is kept of {email}: nothing was done."
ASKED = "What the service keeps of {email} is erased for good: {counts}."
KEPT = (
    "Numbers, times, ids and totals are kept; WooCommerce and Vtiger are as they were. If the "
    "person's record changes there, it is synced, and written down, as any other."
)
WAITING = (
    "{count} deliveries of this person's records are not settled yet: run this again once they are."
)


def forget(*, email: str, store: str | None, yes: bool, json: bool) -> None:
    if "@" not in email.strip("@ "):
        raise ConfigError(f"{email} is no e-mail address.")
    settings = load_cli_settings()
    _check_store(settings, store)
    if not yes:
        foreseen = run(_foresee(settings, email, store))
        if not any(asdict(foreseen).values()):
            _tell_nothing(email, foreseen, as_json=json)
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
    """A mistyped key would find nothing, which looks like a person of whom nothing is kept."""
    if store is not None and settings.stores:
        chosen_stores(settings, store)


def _tell_nothing(email: str, found: Forgotten, *, as_json: bool) -> None:
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

"""`replay`: records brought up again, by the number of a delivery or by what deliveries match."""

from dataclasses import asdict
from datetime import datetime

import typer

from app.cli.chosen_settings import load_cli_settings
from app.cli.console import ERR, OUT, print_json, run
from app.cli.database import cli_sessions
from app.cli.failures import FAILED
from app.errors import ConfigError, System
from app.inbox.replay import Replayed
from app.inbox.replay import replay as replay_matching
from app.inbox.search import DeliveryFilter
from app.inbox.states import DeliveryState
from app.records import Module, Origin, Outcome

NO_FILTER = "Name a delivery, or a filter such as --state dead; --help lists them."


def replay(
    delivery_ids: list[int] | None,
    *,
    state: list[DeliveryState] | None,
    store: list[str] | None,
    module: list[Module] | None,
    system: list[System] | None,
    origin: list[Origin] | None,
    record_id: list[str] | None,
    outcome: list[Outcome] | None,
    reason: list[str] | None,
    since: datetime | None,
    until: datetime | None,
    json: bool,
) -> None:
    filters = DeliveryFilter(
        id=delivery_ids or (),
        state=state or (),
        store=store or (),
        module=module or (),
        system=system or (),
        origin=origin or (),
        record_id=record_id or (),
        outcome=outcome or (),
        reason=reason or (),
        since=since,
        until=until,
    )
    if filters == DeliveryFilter():
        raise ConfigError(NO_FILTER)
    _report(run(_replay(filters)), as_json=json)


async def _replay(filters: DeliveryFilter) -> Replayed:
    async with cli_sessions(load_cli_settings()) as sessions:
        return await replay_matching(sessions, filters)


def _report(found: Replayed, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found))
    elif found.matched:
        waiting = f", {found.duplicates} wait for that already" if found.duplicates else ""
        OUT.print(
            f"{found.matched} deliveries match: {found.replayed} records are brought up again"
            f"{waiting}."
        )
    if not found.matched:
        ERR.print("No delivery matches.")
        raise typer.Exit(FAILED)

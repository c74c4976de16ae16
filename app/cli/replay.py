"""`replay`: records brought up again, by the number of a delivery or by what deliveries match."""

from dataclasses import asdict
from typing import Annotated

import typer

from app.cli.chosen_settings import load_cli_settings
from app.cli.console import ERR, OUT, print_json, run
from app.cli.database import cli_sessions
from app.cli.failures import FAILED
from app.cli.filters import Modules, Outcomes, Reasons, Since, Stores, Until, number, word
from app.errors import ConfigError, System
from app.inbox.models import DeliveryState
from app.inbox.replay import Replayed
from app.inbox.replay import replay as replay_matching
from app.inbox.search import DeliveryFilter
from app.records import Origin

NO_FILTER = "Name a delivery, or a filter such as --state dead; --help lists them."


def replay(
    delivery_ids: Annotated[
        list[int] | None,
        typer.Argument(parser=number, metavar="[ID]...", help="Numbers of deliveries."),
    ] = None,
    *,
    state: Annotated[list[DeliveryState] | None, typer.Option(help="Where it stands.")] = None,
    store: Stores = None,
    module: Modules = None,
    system: Annotated[
        list[System] | None, typer.Option("--source", help="The system that it is about.")
    ] = None,
    origin: Annotated[list[Origin] | None, typer.Option(help="Where it came from.")] = None,
    record_id: Annotated[
        list[str] | None,
        typer.Option(parser=word, metavar="ID", help="Id of the record in its system."),
    ] = None,
    outcome: Outcomes = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring records up again; a running service or worker looks at them. Safe at any time."""
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

"""`replay` and `deletions`: replay records, and confirm deletions that are held back."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

import typer

from app.cli.console import ERR, OUT, new_table, print_json, run
from app.cli.context import chosen_stores, cli_sessions, load_cli_settings
from app.cli.failures import FAILED
from app.config.settings import Settings
from app.domain import ConfigError, DeliveryState, Module, Origin, Outcome, System
from app.inbox.replay import Replayed
from app.inbox.replay import replay as replay_matching
from app.inbox.repository import DeliveryFilter
from app.links.conflicts import count_held
from app.module_facts import LABELS
from app.runtime import open_runtime
from app.sync.deletion import confirm_deletions

# `deletions`

Held = Mapping[tuple[str, str], int]


def deletions(
    *, store: list[str] | None, module: list[Module] | None, confirm: bool, json: bool
) -> None:
    settings = load_cli_settings()
    held = run(_look(settings, store or [], module or [], confirm=confirm))
    if json:
        print_json([{"store": key[0], "module": key[1], "held": held[key]} for key in held])
        return
    table = new_table("Store", "Module", "Confirmed" if confirm else "Held")
    for (name, kind), count in held.items():
        table.add_row(name, LABELS[Module(kind)], str(count))
    OUT.print(table if held else "No deletion is held back.")


async def _look(
    settings: Settings, stores: list[str], modules: list[Module], *, confirm: bool
) -> Held:
    async with open_runtime(settings) as runtime:
        async with runtime.sessions() as session:
            found = await count_held(session)
        for each in set(stores) - {key[0] for key in found}:
            chosen_stores(settings, each)
        chosen = {
            key: count
            for key, count in found.items()
            if (not stores or key[0] in stores) and (not modules or key[1] in modules)
        }
        if not confirm:
            return chosen
        return {key: await confirm_deletions(runtime, key[0], Module(key[1])) for key in chosen}


NO_FILTER = "Name a delivery or a filter, such as --state dead; --help lists the filters."


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
        waiting = f", {found.duplicates} are waiting already" if found.duplicates else ""
        OUT.print(
            f"{found.matched} deliveries match: {found.replayed} records are replayed{waiting}."
        )
    if not found.matched:
        ERR.print("No delivery matches.")
        raise typer.Exit(FAILED)

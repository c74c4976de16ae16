"""`mappings`: field mappings as a table, and as a file for version control."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer

from app.cli.console import (
    OUT,
    author,
    new_table,
    print_json,
    read_text,
    run,
    styled,
    write_text,
)
from app.cli.context import chosen_stores, load_cli_settings
from app.cli.failures import FAILED
from app.config.settings import Settings
from app.db.opening import open_database
from app.db.session import Sessions, open_sessions
from app.domain import ConfigError, Direction, Module
from app.module_facts import LABELS, WITH_ROWS
from app.policies.repository import MappingRow, get_mapping
from app.runtime import open_runtime
from app.sync.mappings.files import Rows, mapping_text, read_mapping_text
from app.sync.mappings.table import (
    CUSTOM,
    DEFAULT,
    Imported,
    Table,
    TableRow,
    import_mappings,
    read_table,
)

Found = list[tuple[str, Module, Table]]

ARROWS = {
    Direction.BOTH: "<->",
    Direction.WOO_TO_VTIGER: "->",
    Direction.VTIGER_TO_WOO: "<-",
    Direction.OFF: "off",
}


def list_mappings(*, store: str | None, module: Module | None, json: bool) -> None:
    settings = load_cli_settings()
    found = run(_read(settings, chosen_stores(settings, store), _modules(module)))
    if json:
        print_json([_as_json(*each) for each in found])
    else:
        for place in found:
            _print_table(*place)
    if any(row.faults for _, _, table in found for row in table.rows):
        raise typer.Exit(FAILED)


def _modules(module: Module | None) -> Sequence[Module]:
    return [module] if module else list(Module)


async def _read(settings: Settings, stores: Sequence[str], modules: Sequence[Module]) -> Found:
    async with open_runtime(settings) as runtime:
        return [
            (store, module, await read_table(runtime, store, module))
            for store in stores
            for module in modules
        ]


def _print_table(store: str, module: Module, table: Table) -> None:
    title = f"{LABELS[module]} of {store} (version {table.mapping.version})"
    shown = new_table("Row", "WooCommerce", "", "Vtiger", "Transform", "From", "", title=title)
    for row in table.rows:
        rule = row.rule
        vtiger = f"{rule.vtiger} ({row.label})" if row.label else rule.vtiger
        cells = (rule.name, ", ".join(rule.woo), ARROWS[rule.direction], vtiger, rule.transform)
        faults = "; ".join(fault.message for fault in row.faults)
        origin = styled((row.origin, "" if row.origin == DEFAULT else "bold"))
        shown.add_row(*cells, origin, styled((faults, "red")))
    OUT.print(shown, "")


def _as_json(store: str, module: Module, table: Table) -> dict[str, object]:
    return {
        "store": store,
        "module": module,
        "version": table.mapping.version,
        "rows": [_row_as_json(row) for row in table.rows],
    }


def _row_as_json(row: TableRow) -> dict[str, object]:
    rule = row.rule
    return {
        "id": rule.name,
        "origin": row.origin,
        "woo": rule.woo,
        "vtiger": rule.vtiger,
        "vtiger_label": row.label,
        "direction": rule.direction,
        "transform": rule.transform,
        "write": rule.write,
        "custom": row.origin == CUSTOM,
        "problems": [fault.message for fault in row.faults],
    }


def export(*, store: str | None, module: Module | None, output: Path | None, json: bool) -> None:
    if json and output is not None:
        raise ConfigError("--json prints JSON, --output writes YAML to a file: choose one.")
    if module is not None and module not in WITH_ROWS:
        raise ConfigError("The module taxes has no custom rows, so there is nothing to export.")
    settings = load_cli_settings()
    rows = run(_rows(settings, chosen_stores(settings, store), _modules(module)))
    if json:
        print_json(
            [
                {"store": place[0], "module": place[1], "rows": [row.stored() for row in found]}
                for place, found in rows.items()
            ]
        )
    elif output is None:
        sys.stdout.write(mapping_text(rows))
    else:
        write_text(output, mapping_text(rows))


async def _rows(settings: Settings, stores: Sequence[str], modules: Sequence[Module]) -> Rows:
    """The custom and changed rows of each store and module; taxes have none."""
    async with open_database(settings) as (_, engine, _):
        sessions = open_sessions(engine)
        places = [(s, m) for s in stores for m in modules if m in WITH_ROWS]
        return {place: (await _mapping(sessions, *place)) for place in places}


async def _mapping(sessions: Sessions, store: str, module: Module) -> Sequence[MappingRow]:
    async with sessions() as session:
        return (await get_mapping(session, store, module)).rows


def import_(file: Path, *, dry_run: bool, json: bool) -> None:
    settings = load_cli_settings()
    chosen_stores(settings, None)
    wanted = read_mapping_text(read_text(file))
    changes = run(_import(settings, wanted, file.name, dry_run=dry_run))
    if json:
        print_json([asdict(change) for change in changes])
    else:
        _print_changes(changes, dry_run=dry_run)


async def _import(settings: Settings, wanted: Rows, name: str, *, dry_run: bool) -> list[Imported]:
    async with open_runtime(settings) as runtime:
        return await import_mappings(
            runtime, wanted, by=author(), message=f"Imported {name}.", dry_run=dry_run
        )


def _print_changes(changes: Sequence[Imported], *, dry_run: bool) -> None:
    if not changes:
        OUT.print("No changes: the mappings already have this content.")
        return
    table = new_table("Store", "Module", "Added", "Changed", "Removed", "Version")
    for each in changes:
        parts = (", ".join(ids) for ids in (each.added, each.changed, each.removed))
        table.add_row(each.store, LABELS[each.module], *parts, str(each.version))
    OUT.print(table)
    OUT.print("Nothing was saved: this was a dry run." if dry_run else "Kept.")

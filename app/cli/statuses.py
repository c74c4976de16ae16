"""`statuses`: status tables of orders, as a table and as a file for version control."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

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
from app.cli.mappings import ARROWS
from app.config.settings import Settings
from app.db.opening import open_database
from app.db.session import open_sessions
from app.domain import ConfigError, InvalidInput
from app.modules.context import status_map
from app.modules.orders.statuses import DEFAULT, StatusMap
from app.policies.repository import StatusChoice, StatusTable, get_status_table
from app.runtime import open_runtime
from app.sync.mappings.status_files import Tables, read_tables_text, tables_text
from app.sync.mappings.statuses import (
    Confirmation,
    ImportedTable,
    KnownStatuses,
    NotConfirmed,
    describe_fault,
    describe_preview,
    find_known,
    import_tables,
    plan_import,
    read_status_table,
)
from app.woocommerce.client import MAILS

CONFIRM = "--confirm-orders {orders} --confirm-mails {mails}"

Found = tuple[str, StatusTable, StatusMap, KnownStatuses]


def list_statuses(*, store: str | None, json: bool) -> None:
    settings = load_cli_settings()
    found = run(_read(settings, chosen_stores(settings, store)))
    if json:
        print_json([_as_json(*each) for each in found])
    else:
        for each in found:
            _print_table(*each)


async def _read(settings: Settings, stores: Sequence[str]) -> list[Found]:
    async with open_runtime(settings) as runtime:
        found = []
        for store in stores:
            table = await read_status_table(runtime, store)
            statuses = status_map(runtime, store, table)
            lacking = (await find_known(runtime, store)).unmapped(statuses)
            found.append((store, table, statuses, lacking))
        return found


def _print_table(
    store: str, table: StatusTable, statuses: StatusMap, lacking: KnownStatuses
) -> None:
    origin = f"version {table.version}" if table.rows else "default table"
    shown = new_table("Shop", "", "Vtiger", title=f"Order statuses of {store} ({origin})")
    for row in statuses.rows:
        shown.add_row(row.shop, ARROWS[row.direction], row.vtiger)
    for slug in lacking.slugs:
        shown.add_row(slug, "", styled(("no row", "red")))
    for value in lacking.vtiger:
        shown.add_row(styled(("no row", "red")), "", value)
    OUT.print(shown, f"New orders whose status leads to none: {statuses.first}", "")


def _as_json(
    store: str, table: StatusTable, statuses: StatusMap, lacking: KnownStatuses
) -> dict[str, Any]:
    return {
        "store": store,
        "version": table.version,
        "origin": "own" if table.rows else "default",
        "new_order": statuses.first,
        "rows": [asdict(row) for row in statuses.rows],
        "unmapped": {"shop": list(lacking.slugs), "vtiger": list(lacking.vtiger)},
    }


def export(*, store: str | None, output: Path | None, json: bool) -> None:
    if json and output is not None:
        raise ConfigError("--json prints JSON, --output writes YAML to a file: choose one.")
    settings = load_cli_settings()
    tables = run(_tables(settings, chosen_stores(settings, store)))
    if json:
        print_json(
            [
                {
                    "store": name,
                    "new_order": table.new_order,
                    "rows": [row.model_dump(mode="json") for row in table.rows],
                }
                for name, table in tables.items()
            ]
        )
    elif output is None:
        sys.stdout.write(tables_text(tables))
    else:
        write_text(output, tables_text(tables))


async def _tables(settings: Settings, stores: Sequence[str]) -> Tables:
    """The current tables. The default table is written out, so that it can be changed."""
    async with open_database(settings) as (_, engine, _):
        sessions = open_sessions(engine)
        async with sessions() as session:
            return {store: _whole(await get_status_table(session, store)) for store in stores}


def _whole(table: StatusTable) -> StatusTable:
    rows = table.rows or tuple(StatusChoice(**asdict(row)) for row in DEFAULT.rows)
    return replace(table, rows=rows)


def import_(file: Path, *, dry_run: bool, orders: int, mails: int, json: bool) -> None:
    settings = load_cli_settings()
    chosen_stores(settings, None)
    wanted = read_tables_text(read_text(file))
    confirmed = None if dry_run else Confirmation(orders, mails)
    planned = run(_import(settings, wanted, file.name, confirmed=confirmed))
    if json:
        print_json([_planned_as_json(each) for each in planned])
    else:
        _print_planned(planned, dry_run=dry_run)


async def _import(
    settings: Settings,
    wanted: Mapping[str, StatusTable],
    name: str,
    *,
    confirmed: Confirmation | None,
) -> list[ImportedTable]:
    """Plan the tables, and save them if something is `confirmed`."""
    async with open_runtime(settings) as runtime:
        planned = await plan_import(runtime, wanted, by=author(), message=f"Imported {name}.")
        if confirmed is None:
            return planned
        try:
            await import_tables(runtime, planned, confirmed=confirmed)
        except NotConfirmed as unconfirmed:
            preview = unconfirmed.preview
            flags = CONFIRM.format(orders=preview.orders, mails=preview.mails)
            text = f"{describe_preview(preview)} Nothing was saved. To confirm it: {flags}"
            raise InvalidInput(text) from None
        return planned


def _planned_as_json(each: ImportedTable) -> dict[str, Any]:
    preview = each.preview
    return {
        "store": each.store,
        "version": each.table.version + 1,
        "orders": preview.orders,
        "open_orders": preview.open_orders,
        "mails": preview.mails,
        "mails_known": preview.mails_known,
        "changes": [asdict(change) for change in preview.changes],
        "warnings": [describe_fault(fault) for fault in preview.warnings],
    }


def _print_planned(planned: Sequence[ImportedTable], *, dry_run: bool) -> None:
    if not planned:
        OUT.print("No changes: the status tables already have this content.")
        return
    for each in planned:
        OUT.print(f"{each.store}: {describe_preview(each.preview)}")
        for fault in each.preview.warnings:
            OUT.print(describe_fault(fault))
        if each.preview.changes:
            _print_changes(each)
    orders = sum(each.preview.orders for each in planned)
    mails = sum(each.preview.mails for each in planned)
    confirm = f" To import it: {CONFIRM.format(orders=orders, mails=mails)}" if orders else ""
    OUT.print(f"Nothing was saved: this was a dry run.{confirm}" if dry_run else "Saved.")


def _print_changes(each: ImportedTable) -> None:
    table = new_table("Orders", "Shop", "Vtiger", "Target", "Becomes", "E-mail to the customer")
    for change in each.preview.changes:
        mail = MAILS[change.mail] if change.mail else "unknown" if change.by_plugin else "none"
        cells = (change.shop, change.vtiger, change.target.label, change.after, mail)
        table.add_row(str(change.orders), *cells)
    OUT.print(table)

"""`sync`: a manual run over whole shops, watched until it is settled; or what it would do."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.console import ERR, OUT, new_table, print_json, run
from app.cli.failures import FAILED
from app.cli.stores import Store, chosen_stores
from app.cli.tables import NAMES, TITLES, print_summary
from app.errors import ConfigError, System
from app.logging import configure_logging
from app.mapping.values import Value
from app.records import Module, Outcome
from app.runtime import Runtime, open_runtime
from app.settings import Settings, load_settings
from app.sync.comparison import Act, Compared, FieldDifference, Plan
from app.sync.run import compare_store, hint_store, modules_of, start_run, watch_run
from app.synclog.repository import LogFilter, search
from app.synclog.totals import Summary, summary_of_run
from app.worker.engine import running_worker

PATIENCE_S = 60.0
LOOK_AGAIN_S = 0.25
MOST_SHOWN = 20
ARROWS = {
    Act.TO_WOOCOMMERCE: "←",
    Act.TO_VTIGER: "→",
    Act.CONFLICT: "≠",
    Act.KEPT: "~",
    Act.DIFFERS: "·",
}

Found = tuple[str, Module, Compared]
"""Store, module, and what a run would find."""


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write it as 2026-11-24 or 2026-11-24T08:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is about; `module` None: all that a store syncs."""

    stores: tuple[str, ...]
    module: Module | None
    since: datetime | None

    async def each(self, runtime: Runtime) -> AsyncIterator[tuple[str, Module]]:
        """Store by store, what others rest on first."""
        for store in self.stores:
            chosen = [self.module] if self.module else await modules_of(runtime, store)
            for module in chosen:
                yield store, module


def sync(
    *,
    store: Store = None,
    module: Annotated[
        Module | None, typer.Option(help="What to sync: all, unless one is named.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every record: the default.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_moment,
            metavar="TIME",
            help="Only records changed at or after this moment; UTC unless it says.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring every record that differs, or has no partner yet, into agreement."""
    if every and since is not None:
        raise ConfigError("--all and --since exclude each other.")
    settings = load_settings()
    wanted = Wanted(tuple(chosen_stores(settings, store)), module, since)
    configure_logging("WARNING", json=False, secrets=settings.secret_values())
    if dry_run:
        _print_plans(run(_compare(settings, wanted)), as_json=json)
    elif not run(_sync(settings, wanted, as_json=json)):
        raise typer.Exit(FAILED)


async def _compare(settings: Settings, wanted: Wanted) -> list[Found]:
    """What a run would touch, leave out, or not mend."""
    async with open_runtime(settings) as runtime:
        return [
            (store, module, compared)
            async for store, module in wanted.each(runtime)
            async for compared in compare_store(runtime, store, module=module, since=wanted.since)
            if not compared.agrees
        ]


def _print_plans(found: Sequence[Found], *, as_json: bool) -> None:
    if as_json:
        print_json([_plan_as_json(*each) for each in found])
        return
    table = new_table("Store", "Module", "Plan", "Record", "WooCommerce", "Vtiger", "What differs")
    for store, module, compared in found:
        ids = (compared.woo_id or "", compared.vtiger_id or "")
        row = (compared.plan, escape(compared.label), *ids, _reason(compared))
        table.add_row(store, NAMES[module], *row)
    OUT.print(table if found else "Nothing to do: both systems agree.")


def _reason(compared: Compared) -> str:
    if compared.skip is not None:
        return escape(f"{compared.skip.reason}: {compared.skip.message}")
    if compared.plan is Plan.CREATE:
        target = System.VTIGER if compared.vtiger_id is None else System.WOOCOMMERCE
        return f"new in {TITLES[target]}"
    return "\n".join(map(_difference, compared.unexplained))


def _difference(each: FieldDifference) -> str:
    shown = f"{each.field}: {_shown(each.woo)} {ARROWS[each.act]} {_shown(each.vtiger)}"
    return escape(shown.replace("\n", " / "))


def _shown(value: Value) -> str:
    return value or "(empty)"


def _plan_as_json(store: str, module: Module, compared: Compared) -> dict[str, object]:
    return {
        "store": store,
        "module": module,
        "plan": compared.plan,
        "label": compared.label,
        "woo_id": compared.woo_id,
        "vtiger_id": compared.vtiger_id,
        "reason": compared.skip.reason if compared.skip else None,
        "message": compared.skip.message if compared.skip else "",
        "fields": [
            {"field": each.field, "woocommerce": each.woo, "vtiger": each.vtiger, "act": each.act}
            for each in compared.fields
        ],
    }


async def _sync(settings: Settings, wanted: Wanted, *, as_json: bool) -> bool:
    """Whether all went well."""
    async with open_runtime(settings) as runtime:
        run_id = await start_run(runtime)
        with _progress() as progress:
            hints = await _hint(runtime, wanted, run_id=run_id, progress=progress)
            async with running_worker(runtime, periodic=False):
                bar = progress.add_task("Syncing", total=hints)
                async for settled in _follow(runtime, run_id):
                    progress.update(bar, completed=settled)
        return await _report(runtime, run_id, as_json=as_json)


async def _hint(runtime: Runtime, wanted: Wanted, *, run_id: int, progress: Progress) -> int:
    hints = 0
    async for store, module in wanted.each(runtime):
        looking = progress.add_task(f"Comparing {NAMES[module]} of {store}", total=None)
        hints += await hint_store(runtime, store, module=module, run_id=run_id, since=wanted.since)
        progress.remove_task(looking)
    return hints


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    watched = ERR.is_terminal
    return Progress(*columns, TimeElapsedColumn(), console=ERR, transient=True, disable=not watched)


async def _follow(runtime: Runtime, run_id: int) -> AsyncIterator[int]:
    """How many are settled, until all are or nothing has moved for a while."""
    settled, moved_at = 0, time.monotonic()
    while time.monotonic() - moved_at < PATIENCE_S:
        state = await watch_run(runtime, run_id)
        if state.done + state.dead > settled:
            settled, moved_at = state.done + state.dead, time.monotonic()
        yield settled
        if not state.open:
            return
        await asyncio.sleep(LOOK_AGAIN_S)


async def _report(runtime: Runtime, run_id: int, *, as_json: bool) -> bool:
    waiting = (await watch_run(runtime, run_id)).open
    async with runtime.sessions() as session:
        counts = await summary_of_run(session, run_id)
        filters = LogFilter(run_id=[run_id], outcome=[Outcome.FAILED])
        failures = (await search(session, filters, cursor=None, limit=MOST_SHOWN)).items
    if as_json:
        print_json({"run_id": str(run_id), "waiting": waiting, "summary": counts})
    else:
        _print_outcome(counts, waiting)
    for entry in failures:
        ERR.print(f"failed: {entry.label or entry.source_id}: {entry.message}", markup=False)
    return not waiting and not failures


def _print_outcome(counts: Summary, waiting: int) -> None:
    print_summary(counts)
    if waiting:
        OUT.print(
            f"{waiting} records wait for another try: a running service goes on with them, "
            "GET /deliveries?state=pending says why."
        )

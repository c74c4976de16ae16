"""`sync`: start or resume runs, show their progress, and report their results."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from app.cli.console import (
    ERR,
    OUT,
    TITLES,
    ask,
    can_ask,
    new_table,
    print_json,
    print_summary,
    run,
)
from app.cli.context import chosen_stores, load_cli_settings
from app.cli.failures import FAILED
from app.config.settings import Settings
from app.domain import ConfigError, Direction, Module, Outcome, StaleState, System
from app.logging import configure_logging
from app.module_facts import LABELS
from app.modules.ports import PlannedAction
from app.queue import count_workers
from app.runs.models import DUE_STATES, Consent, RunDifference, RunState
from app.runs.repository import NewRun
from app.runtime import Runtime, open_runtime
from app.sync.runs.comparison import Plan
from app.sync.runs.execution import execute
from app.sync.runs.forecast import Forecast, describe_forecast
from app.sync.runs.requests import (
    RunProgress,
    cancel_run,
    confirm_run,
    each_difference,
    get_progress,
    start_run,
)
from app.synclog.search import LogFilter, search
from app.synclog.totals import Summary, summary_of_run
from app.tasks import in_background
from app.worker.engine import running_worker

# Progress of a run, which this process executes if no service does

REFRESH_S = 0.25
SERVICE_GRACE_S = 10.0
"""Time that a running service has to execute the run first."""


async def watch_run(runtime: Runtime, run_id: int) -> None:
    """Show a run until it has ended, needs a confirmation, or waits for a retry.

    A running service executes it; without one, this process does.
    """
    async with runtime.sessions() as session:
        served = await count_workers(session, runtime.settings.worker.stalled_after)
    async with running_worker(runtime, periodic=False):
        delay = SERVICE_GRACE_S if served else 0.0
        async with in_background(_execute(runtime, run_id, delay)):
            await _show(runtime, run_id)


async def _execute(runtime: Runtime, run_id: int, delay: float) -> None:
    while True:
        await asyncio.sleep(delay)
        await execute(runtime, run_id)
        delay = REFRESH_S


async def _show(runtime: Runtime, run_id: int) -> None:
    with _bar() as bar:
        found = await get_progress(runtime, run_id)
        task = bar.add_task(_title(found), total=None, rate="")
        while found.run.state in DUE_STATES and not _is_put_off(found):
            bar.update(
                task,
                description=_title(found),
                completed=found.run.done,
                total=max(found.run.total, found.run.done) or None,
                rate=f"{found.rate:.0f}/s" if found.rate else "",
            )
            await asyncio.sleep(REFRESH_S)
            found = await get_progress(runtime, run_id)


def _is_put_off(found: RunProgress) -> bool:
    return found.run.state == RunState.QUEUED and found.run.last_error is not None


def _title(found: RunProgress) -> str:
    cursor = found.run.cursor
    module = cursor["steps"][cursor["step"]][0] if cursor.get("steps") else ""
    act = "Comparing" if found.run.dry_run else "Syncing"
    return f"{act} {module} of {found.run.store}".replace("  ", " ")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=ERR,
        transient=True,
        disable=not ERR.is_terminal,
    )


MOST_SHOWN = 20
ARROWS = {
    PlannedAction.TO_WOOCOMMERCE: "←",
    PlannedAction.TO_VTIGER: "→",
    PlannedAction.CONFLICT: "≠",
    PlannedAction.KEPT: "~",
    PlannedAction.DIFFERS: "·",
}
WAITING = (
    "{count} records wait for a retry by a running service; "
    "GET /deliveries?state=pending shows the reasons."
)
REPAIR = "`woo-vtiger sync --repair {run_id}` syncs these records."
WAITS = "Run {run_id} waits: {error} A running service retries it; so does --resume {run_id}."


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run with its findings; `failures` are a few of its failed records."""

    progress: RunProgress
    summary: Summary
    found: Sequence[RunDifference]
    failures: Sequence[str]

    @property
    def is_fine(self) -> bool:
        done = self.progress.run.state == RunState.DONE
        return done and not self.progress.waiting and not self.failures


async def read_report(runtime: Runtime, run_id: int) -> RunReport:
    progress = await get_progress(runtime, run_id)
    async with runtime.sessions() as session:
        counts = await summary_of_run(session, run_id)
        filters = LogFilter(run_id=[run_id], outcome=[Outcome.FAILED])
        failed = (await search(session, filters, cursor=None, limit=MOST_SHOWN)).items
    failures = [f"{entry.label or entry.source_id}: {entry.message}" for entry in failed]
    return RunReport(progress, counts, await _found(runtime, run_id), failures)


async def _found(runtime: Runtime, run_id: int) -> list[RunDifference]:
    """The findings of a run, in their order."""
    found = [each async for each in each_difference(runtime, run_id)]
    return sorted(found, key=lambda each: each.id)


def print_reports(reports: Sequence[RunReport], *, as_json: bool) -> None:
    for report in reports:
        if as_json:
            print_json(_as_json(report))
        elif report.progress.run.dry_run:
            _print_found(report)
        else:
            _print_outcome(report)
        _print_troubles(report)


def _print_outcome(report: RunReport) -> None:
    print_summary(report.summary)
    if report.progress.waiting:
        OUT.print(WAITING.format(count=report.progress.waiting))


def _print_troubles(report: RunReport) -> None:
    run = report.progress.run
    for failure in report.failures:
        ERR.print(f"failed: {failure}")
    if run.state != RunState.DONE and run.last_error:
        error = run.last_error if run.last_error.endswith(".") else f"{run.last_error}."
        waits = run.state == RunState.QUEUED
        text = WAITS if waits else "Run {run_id} failed: {error}"
        ERR.print(text.format(run_id=run.id, error=error), style="red")


def _print_found(report: RunReport) -> None:
    if not report.found:
        OUT.print("No differences: both systems agree.")
        return
    table = new_table("Module", "Plan", "Record", "WooCommerce", "Vtiger", "Differences")
    for each in report.found:
        ids = (each.woo_id or "", each.vtiger_id or "")
        row = (each.plan, each.label, *ids, _reason(each))
        table.add_row(LABELS[Module(each.module)], *row)
    OUT.print(table)
    expected = report.progress.run.expected
    if expected is not None:
        OUT.print(
            f"A sync would have this effect: {describe_forecast(Forecast.from_json(expected))}"
        )
    OUT.print(REPAIR.format(run_id=report.progress.run.id))


def _reason(each: RunDifference) -> str:
    if each.reason is not None:
        return f"{each.reason}: {each.message}"
    if each.plan == Plan.CREATE:
        target = System.VTIGER if each.vtiger_id is None else System.WOOCOMMERCE
        return f"new in {TITLES[target]}"
    return "\n".join(_difference(one) for one in each.fields if one["act"] != PlannedAction.KEPT)


def _difference(each: Mapping[str, Any]) -> str:
    arrow = ARROWS[PlannedAction(each["act"])]
    shown = f"{each['field']}: {_shown(each['woocommerce'])} {arrow} {_shown(each['vtiger'])}"
    return shown.replace("\n", " / ")


def _shown(value: str | None) -> str:
    return value or "(empty)"


def _as_json(report: RunReport) -> dict[str, Any]:
    run = report.progress.run
    return {
        "run_id": str(run.id),
        "store": run.store,
        "state": run.state,
        "dry_run": run.dry_run,
        "done": run.done,
        "waiting": report.progress.waiting,
        "outcomes": report.progress.outcomes,
        "error": run.last_error,
        "expected": run.expected,
        "summary": report.summary,
        "differences": [_difference_as_json(each) for each in report.found],
    }


def _difference_as_json(each: RunDifference) -> dict[str, Any]:
    return {
        "module": each.module,
        "plan": each.plan,
        "label": each.label,
        "woocommerce_id": each.woo_id,
        "vtiger_id": each.vtiger_id,
        "reason": each.reason,
        "message": each.message,
        "fields": each.fields,
    }


# The command `sync`

INTERRUPTED = 130
LEFT = (
    "Run {run_id} is not finished. A running service continues it; without one, "
    "`woo-vtiger sync --resume {run_id}` does."
)


@dataclass(slots=True)
class Wanted:
    """The runs to watch: an existing one or new ones. Those in `left` have not ended."""

    new: tuple[NewRun, ...]
    resume: int | None
    yes: bool = False
    left: list[int] = field(default_factory=list)

    async def begin(self, runtime: Runtime) -> list[int]:
        """Start the new runs and return the ids of all runs. Raises InvalidInput."""
        if self.resume is not None:
            self.left = [(await get_progress(runtime, self.resume)).run.id]
        for each in self.new:
            self.left.append((await start_run(runtime, each)).id)
        return list(self.left)


def sync(
    *,
    store: str | None,
    module: Module | None,
    direction: Direction | None,
    every: bool,
    since: datetime | None,
    dry_run: bool,
    repair: int | None,
    resume: int | None,
    yes: bool,
    json: bool,
) -> None:
    chosen = {
        "--resume": resume is not None,
        "--repair": repair is not None,
        "--store": store is not None,
        "--module": module is not None,
        "--direction": direction is not None,
        "--all": every,
        "--since": since is not None,
        "--dry-run": dry_run,
    }
    _check_choices([name for name, is_given in chosen.items() if is_given])
    settings = load_cli_settings()
    modules = () if module is None else (module,)
    allowed = Direction.BOTH if direction is None else direction
    asked = NewRun("", modules, allowed, since, dry_run, repair, started_by="cli")
    asked = replace(asked, consent=_consent(yes=yes))
    wanted = Wanted(_new_runs(asked, chosen_stores(settings, store), resume), resume, yes=yes)
    configure_logging("WARNING", json=False, secrets=settings.secret_values())
    if not _run(settings, wanted, as_json=json):
        raise typer.Exit(FAILED)


def _consent(*, yes: bool) -> Consent:
    """At a terminal, also a run that creates very many records needs a confirmation."""
    if yes:
        return Consent.GIVEN
    return Consent.NEEDED_IF_MANY if can_ask() else Consent.NEEDED


def _check_choices(given: Sequence[str]) -> None:
    """Refuse options that exclude each other: a resumed run has its own options, a repair those of
    its comparison."""
    excluded = {
        "--resume": set(given) - {"--resume"},
        "--repair": {"--store", "--module", "--all", "--since", "--dry-run"},
        "--all": {"--since"},
    }
    for name, others in excluded.items():
        clashing = [other for other in given if other in others]
        if name in given and clashing:
            raise ConfigError(f"{name} and {', '.join(clashing)} exclude each other.")


def _new_runs(asked: NewRun, stores: list[str], resume: int | None) -> tuple[NewRun, ...]:
    """One run for each store; a repair has the store of its comparison."""
    if resume is not None:
        return ()
    if asked.direction is Direction.OFF:
        raise ConfigError("A run with --direction off has no effect.")
    if asked.repair_of is not None:
        return (asked,)
    return tuple(replace(asked, store=store) for store in stores)


def _run(settings: Settings, wanted: Wanted, *, as_json: bool) -> bool:
    try:
        reports = run(_watch(settings, wanted))
    except KeyboardInterrupt:
        for run_id in wanted.left:
            ERR.print(LEFT.format(run_id=run_id))
        raise typer.Exit(INTERRUPTED) from None
    print_reports(reports, as_json=as_json)
    return all(report.is_fine for report in reports)


async def _confirm(runtime: Runtime, run_id: int, *, yes: bool) -> bool:
    """Whether the run needed a confirmation and continues now. If it is denied, the run is
    cancelled."""
    run = (await get_progress(runtime, run_id)).run
    if run.state != RunState.ASKING or run.expected is None:
        return False
    if not yes:
        try:
            ask(describe_forecast(Forecast.from_json(run.expected)))
        except (ConfigError, typer.Exit, typer.Abort):
            await cancel_run(runtime, run_id)
            raise
    with suppress(StaleState):  # it was answered on the pages meanwhile: watch it to its end
        await confirm_run(runtime, run_id)
    return True


async def _watch(settings: Settings, wanted: Wanted) -> list[RunReport]:
    async with open_runtime(settings) as runtime:
        reports = []
        for run_id in await wanted.begin(runtime):
            await watch_run(runtime, run_id)
            while await _confirm(runtime, run_id, yes=wanted.yes):
                await watch_run(runtime, run_id)
            wanted.left.remove(run_id)
            reports.append(await read_report(runtime, run_id))
        return reports

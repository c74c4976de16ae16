"""What a run came to: the two tables of a sync, every difference of a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.cli.console import ERR, OUT, new_table, print_json
from app.cli.tables import TITLES, print_summary
from app.errors import System
from app.module_facts import LABELS
from app.records import Module, Outcome
from app.runs.models import RunDifference, RunState
from app.runtime import Runtime
from app.sync.comparison import Act, Plan
from app.sync.forecast import Forecast, describe_forecast
from app.sync.run import RunProgress, each_difference, get_progress
from app.synclog.repository import LogFilter, search
from app.synclog.totals import Summary, summary_of_run

MOST_SHOWN = 20
ARROWS = {
    Act.TO_WOOCOMMERCE: "←",
    Act.TO_VTIGER: "→",
    Act.CONFLICT: "≠",
    Act.KEPT: "~",
    Act.DIFFERS: "·",
}
WAITING = (
    "{count} records wait for another try: a running service goes on with them, "
    "GET /deliveries?state=pending says why."
)
REPAIR = "`woo-vtiger sync --repair {run_id}` syncs these records."
WAITS = "Run {run_id} waits: {error} A running service tries again; so does --resume {run_id}."


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run with all that it found; `failures` are a few of its failed records."""

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
    told = [f"{entry.label or entry.source_id}: {entry.message}" for entry in failed]
    return RunReport(progress, counts, await _found(runtime, run_id), told)


async def _found(runtime: Runtime, run_id: int) -> list[RunDifference]:
    """In the order in which it was found."""
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
        OUT.print("Nothing to do: both systems agree.")
        return
    table = new_table("Module", "Plan", "Record", "WooCommerce", "Vtiger", "What differs")
    for each in report.found:
        ids = (each.woo_id or "", each.vtiger_id or "")
        row = (each.plan, each.label, *ids, _reason(each))
        table.add_row(LABELS[Module(each.module)], *row)
    OUT.print(table)
    expected = report.progress.run.expected
    if expected is not None:
        OUT.print(f"A sync of this: {describe_forecast(Forecast.from_json(expected))}")
    OUT.print(REPAIR.format(run_id=report.progress.run.id))


def _reason(each: RunDifference) -> str:
    if each.reason is not None:
        return f"{each.reason}: {each.message}"
    if each.plan == Plan.CREATE:
        target = System.VTIGER if each.vtiger_id is None else System.WOOCOMMERCE
        return f"new in {TITLES[target]}"
    return "\n".join(_difference(one) for one in each.fields if one["act"] != Act.KEPT)


def _difference(each: Mapping[str, Any]) -> str:
    arrow = ARROWS[Act(each["act"])]
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

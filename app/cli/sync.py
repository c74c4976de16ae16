"""`sync`: whole modules synced or compared, watched until each run has ended."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

import typer

from app.cli.chosen_settings import load_cli_settings
from app.cli.consent import ask, can_ask
from app.cli.console import ERR, run
from app.cli.failures import FAILED
from app.cli.run_report import RunReport, print_reports, read_report
from app.cli.run_watch import watch_run
from app.cli.stores import chosen_stores
from app.errors import ConfigError, Overtaken
from app.logging import configure_logging
from app.records import Direction, Module
from app.runs.models import Consent, RunState
from app.runs.repository import NewRun
from app.runtime import Runtime, open_runtime
from app.settings import Settings
from app.sync.forecast import Forecast, describe_forecast
from app.sync.run import cancel_run, confirm_run, get_progress, start_run

INTERRUPTED = 130
LEFT = (
    "Run {run_id} is not finished. A running service goes on with it; without one, "
    "`woo-vtiger sync --resume {run_id}` does."
)


@dataclass(slots=True)
class Wanted:
    """The runs to watch: one that is there already, or new ones. `left` have not ended."""

    new: tuple[NewRun, ...]
    resume: int | None
    yes: bool = False
    left: list[int] = field(default_factory=list)

    async def begin(self, runtime: Runtime) -> list[int]:
        """The numbers of the runs, in their order. Raises InvalidInput."""
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
    way = Direction.BOTH if direction is None else direction
    asked = NewRun("", modules, way, since, dry_run, repair, started_by="cli")
    asked = replace(asked, consent=_consent(yes=yes))
    wanted = Wanted(_new_runs(asked, chosen_stores(settings, store), resume), resume, yes=yes)
    configure_logging("WARNING", json=False, secrets=settings.secret_values())
    if not _run(settings, wanted, as_json=json):
        raise typer.Exit(FAILED)


def _consent(*, yes: bool) -> Consent:
    """Very many new records are asked about where somebody can answer; what mails people always."""
    if yes:
        return Consent.GIVEN
    return Consent.NEEDED_IF_MANY if can_ask() else Consent.NEEDED


def _check_choices(given: Sequence[str]) -> None:
    """A run that is there already has its choices, a repair those of its comparison."""
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
    """One for each store; a repair knows its store."""
    if resume is not None:
        return ()
    if asked.direction is Direction.OFF:
        raise ConfigError("--direction off leaves nothing to do.")
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


async def _is_agreed(runtime: Runtime, run_id: int, *, yes: bool) -> bool:
    """Whether the run asked, and goes on now; one that nobody agrees to is cancelled."""
    run = (await get_progress(runtime, run_id)).run
    if run.state != RunState.ASKING or run.expected is None:
        return False
    if not yes:
        try:
            ask(describe_forecast(Forecast.from_json(run.expected)))
        except (ConfigError, typer.Exit, typer.Abort):
            await cancel_run(runtime, run_id)
            raise
    with suppress(Overtaken):  # somebody answered on the pages meanwhile: it is watched to its end
        await confirm_run(runtime, run_id)
    return True


async def _watch(settings: Settings, wanted: Wanted) -> list[RunReport]:
    async with open_runtime(settings) as runtime:
        reports = []
        for run_id in await wanted.begin(runtime):
            await watch_run(runtime, run_id)
            while await _is_agreed(runtime, run_id, yes=wanted.yes):
                await watch_run(runtime, run_id)
            wanted.left.remove(run_id)
            reports.append(await read_report(runtime, run_id))
        return reports

"""`sync`: whole modules synced or compared, watched until each run has ended."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.cli.console import ERR, run
from app.cli.failures import FAILED
from app.cli.run_report import RunReport, print_reports, read_report
from app.cli.run_watch import watch_run
from app.cli.stores import Store, chosen_stores
from app.errors import ConfigError
from app.logging import configure_logging
from app.records import Direction, Module
from app.runs.repository import NewRun
from app.runtime import Runtime, open_runtime
from app.settings import Settings, load_settings
from app.sync.run import get_progress, start_run

INTERRUPTED = 130
LEFT = (
    "Run {run_id} is not finished. A running service goes on with it; without one, "
    "`woo-vtiger sync --resume {run_id}` does."
)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("write it as 2026-11-24 or 2026-11-24T08:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(slots=True)
class Wanted:
    """The runs to watch: one that is there already, or new ones. `left` have not ended."""

    new: tuple[NewRun, ...]
    resume: int | None
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
    store: Store = None,
    module: Annotated[
        Module | None, typer.Option(help="What to sync: all, unless one is named.")
    ] = None,
    direction: Annotated[
        Direction, typer.Option(help="Less than what the settings allow, never more.")
    ] = Direction.BOTH,
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
    repair: Annotated[
        int | None, typer.Option(metavar="RUN", help="Sync what this dry run found.")
    ] = None,
    resume: Annotated[
        int | None, typer.Option(metavar="RUN", help="Go on with a run that was interrupted.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, a line for each run.")] = False,
) -> None:
    """Bring every record that differs, or has no partner yet, into agreement."""
    if every and since is not None:
        raise ConfigError("--all and --since exclude each other.")
    if repair is not None and resume is not None:
        raise ConfigError("--repair and --resume exclude each other.")
    settings = load_settings()
    modules = () if module is None else (module,)
    asked = NewRun("", modules, direction, since, dry_run, repair, started_by="cli")
    wanted = Wanted(_new_runs(asked, chosen_stores(settings, store), resume), resume)
    configure_logging("WARNING", json=False, secrets=settings.secret_values())
    if not _run(settings, wanted, as_json=json):
        raise typer.Exit(FAILED)


def _new_runs(asked: NewRun, stores: list[str], resume: int | None) -> tuple[NewRun, ...]:
    """One for each store; a repair knows its store."""
    if resume is not None:
        return ()
    if asked.direction is Direction.OFF:
        raise ConfigError("--direction off leaves nothing to do.")
    stores = stores[:1] if asked.repair_of is not None else stores
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


async def _watch(settings: Settings, wanted: Wanted) -> list[RunReport]:
    async with open_runtime(settings) as runtime:
        reports = []
        for run_id in await wanted.begin(runtime):
            await watch_run(runtime, run_id)
            wanted.left.remove(run_id)
            reports.append(await read_report(runtime, run_id))
        return reports

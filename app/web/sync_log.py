"""The Sync Log: both tables, outcomes over time, and what happened last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from app.errors import System
from app.inbox.repository import count_open
from app.incidents.repository import count_troubles
from app.links.conflicts import count_open_conflicts
from app.links.deletions import count_held
from app.records import Module, Outcome
from app.runs.models import OPEN_STATES, SyncRun
from app.runs.repository import RunFilter, search_runs
from app.runtime import Runtime
from app.synclog.models import Entry
from app.synclog.repository import LogFilter, search
from app.synclog.series import first_logged_at, series
from app.synclog.totals import Summary, summary
from app.web.chart import Bar, Chart, draw, step_for
from app.web.forms import Reader
from app.web.pages import PageRoute, render

router = APIRouter(route_class=PageRoute, include_in_schema=False)

COLUMNS = (Outcome.CREATED, Outcome.UPDATED, Outcome.DELETED, Outcome.SKIPPED, Outcome.FAILED)
PERIODS: Mapping[str, tuple[str, timedelta | None]] = {
    "hour": ("Hour", timedelta(hours=1)),
    "day": ("24 hours", timedelta(days=1)),
    "week": ("7 days", timedelta(days=7)),
    "month": ("30 days", timedelta(days=30)),
    "all": ("All time", None),
}
MOST_RECENT = 12
MOST_RUNS = 5
SHORTEST = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks for; what it does not name is everything."""

    period: str
    store: str
    unchanged: bool
    now: datetime

    @property
    def columns(self) -> Sequence[Outcome]:
        return (*COLUMNS, Outcome.UNCHANGED) if self.unchanged else COLUMNS

    @property
    def stores(self) -> Sequence[str]:
        return [self.store] if self.store else []

    @property
    def since(self) -> datetime | None:
        length = PERIODS[self.period][1]
        return None if length is None else (self.now - length).replace(microsecond=0)

    def address(self, **changed: str) -> str:
        """This page with other choices; defaults are not written out."""
        chosen = {"period": self.period, "store": self.store, **changed}
        chosen |= {"unchanged": "1"} if self.unchanged and "unchanged" not in changed else {}
        named = {name: text for name, text in chosen.items() if text and text != "all"}
        return f"/?{urlencode(named)}" if named else "/"

    def records(self, system: System, module: Module, outcome: Outcome) -> str:
        """The records behind a number."""
        wanted = {"target": system, "module": module, "outcome": outcome, "store": self.store}
        wanted["since"] = self.since.isoformat() if self.since else ""
        return "/ui/records?" + urlencode({name: text for name, text in wanted.items() if text})

    def records_of_bar(self, chart: Chart, bar: Bar, outcome: Outcome | None = None) -> str:
        """The records that a bar of the chart counts, or those of one outcome."""
        begin = bar.bucket.starts_at
        wanted: list[tuple[str, str]] = [("store", store) for store in self.stores]
        wanted += [("since", f"{begin:%Y-%m-%dT%H:%M:%S}")]
        wanted += [("until", f"{begin + chart.step:%Y-%m-%dT%H:%M:%S}")]
        counted = [outcome] if outcome else [] if self.unchanged else self.columns
        wanted += [("outcome", each) for each in counted]
        wanted += [("module", each) for each in Module]
        return "/ui/records?" + urlencode(wanted)


def _view(request: Request, runtime: Runtime) -> View:
    params = request.query_params
    period, store = params.get("period", ""), params.get("store", "")
    return View(
        period=period if period in PERIODS else "all",
        store=store if store in runtime.settings.stores else "",
        unchanged=params.get("unchanged") == "1",
        now=runtime.clock(),
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What the database holds for a view."""

    counts: Summary
    chart: Chart
    recent: Sequence[Entry]
    queue: Mapping[str, int]
    conflicts: int
    held: int
    incidents: int
    runs: Sequence[SyncRun]


@router.get("/")
async def show_sync_log(request: Request, visitor: Reader) -> Response:
    """Both tables, each named after the system that was written to."""
    runtime: Runtime = request.app.state.runtime
    view = _view(request, runtime)
    told = await _tell(runtime, view)
    stores = list(runtime.settings.stores)
    return render(
        request,
        "sync_log.html",
        visitor=visitor,
        view=view,
        told=told,
        stores=stores,
        periods=PERIODS,
    )


async def _tell(runtime: Runtime, view: View) -> Told:
    async with runtime.sessions() as session:
        first = view.since or await first_logged_at(session, view.stores) or view.now
        since = min(first, view.now - SHORTEST)
        step = step_for(view.now - since)
        buckets = await series(session, since=since, until=view.now, step=step, store=view.stores)
        noted = [outcome for outcome in Outcome if outcome is not Outcome.UNCHANGED]
        filters = LogFilter(store=view.stores, outcome=noted)
        under_way = RunFilter(store=view.stores, state=OPEN_STATES)
        return Told(
            counts=await summary(session, store=view.stores, since=view.since),
            chart=draw(buckets, step, view.columns),
            recent=(await search(session, filters, cursor=None, limit=MOST_RECENT)).items,
            queue=await count_open(session),
            conflicts=await count_open_conflicts(session, view.stores),
            held=sum((await count_held(session)).values()),
            incidents=await count_troubles(session),
            runs=(await search_runs(session, under_way, cursor=None, limit=MOST_RUNS)).items,
        )

"""The page Sync Log: both tables, a chart of outcomes over time, and the last outcomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from app.domain import Module, Outcome, System
from app.inbox.repository import count_open
from app.links.conflicts import count_held, count_open_conflicts
from app.remotes.incidents import count_troubles
from app.runs.models import OPEN_STATES, SyncRun
from app.runs.repository import RunFilter, search_runs
from app.runtime import Runtime
from app.synclog.models import Entry
from app.synclog.search import LogFilter, search
from app.synclog.totals import (
    TABLE_OUTCOMES,
    Bucket,
    Summary,
    first_logged_at,
    series,
    summary,
)
from app.web.forms import Reader
from app.web.pages import PageRoute, render
from app.web.words import duration

# The chart: stacked bars in a box of 1000 by 200

WIDTH, HEIGHT = 1000.0, 200.0
GAP = 0.24
MOST_BARS = 48
MOST_LABELS = 5
EDGE = 7.0
STEPS = (
    *(timedelta(seconds=seconds) for seconds in (5, 10, 30, 60, 300, 900)),
    *(timedelta(hours=hours) for hours in (1, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 28, 84, 364)),
)


def step_for(span: timedelta) -> timedelta:
    """The finest step that does not exceed the maximum number of bars."""
    return next((step for step in STEPS if span / step <= MOST_BARS), STEPS[-1])


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a bar for one outcome."""

    outcome: Outcome
    count: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The bar of one step."""

    bucket: Bucket
    x: float
    width: float
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Label:
    """The label of a bar: `x` is the middle of the bar, in percent of the width; `anchor` keeps the
    text inside the box."""

    text: str
    x: float
    anchor: Literal["start", "middle", "end"]


def _label(bar: Bar, text: str) -> Label:
    x = round((bar.x + bar.width / 2) / WIDTH * 100, 2)
    return Label(text, x, "start" if x < EDGE else "end" if x > 100 - EDGE else "middle")


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart; `top` is the value of its upper edge."""

    bars: Sequence[Bar]
    top: int
    step: timedelta
    outcomes: Sequence[Outcome]

    @property
    def labels(self) -> list[Label]:
        """Labels of some bars at equal distances, including the last bar."""
        every = max(1, -(-len(self.bars) // MOST_LABELS))
        named = reversed(self.bars[::-1][::every])
        return [_label(bar, self.time_label(bar.bucket.starts_at)) for bar in named]

    @property
    def scale(self) -> Sequence[int]:
        """The values of the grid lines, from top to bottom."""
        return (self.top, self.top // 2, 0) if self.top % 2 == 0 else (self.top, 0)

    @property
    def step_name(self) -> str:
        """The duration of a step, such as 30 min."""
        days = self.step.days
        if days:
            return "day" if days == 1 else f"{days} days"
        return "hour" if self.step == timedelta(hours=1) else duration(self.step.total_seconds())

    def time_label(self, moment: datetime) -> str:
        if self.step >= timedelta(days=1):
            return f"{moment:%-d %b}"
        if self.step >= timedelta(minutes=1):
            return f"{moment:%-d %b %H:%M}" if self._spans_days else f"{moment:%H:%M}"
        return f"{moment:%H:%M:%S}"

    @property
    def _spans_days(self) -> bool:
        days = {bar.bucket.starts_at.date() for bar in self.bars}
        return len(days) > 1

    @property
    def total(self) -> int:
        return sum(piece.count for bar in self.bars for piece in bar.pieces)


def draw(buckets: Sequence[Bucket], step: timedelta, outcomes: Sequence[Outcome]) -> Chart:
    """The chart of `buckets`, stacked in the order of `outcomes` from bottom to top."""
    heights = [sum(bucket.counts[outcome] for outcome in outcomes) for bucket in buckets]
    top = nice_top(max(heights, default=0))
    width = WIDTH / max(1, len(buckets))
    bars = [
        Bar(bucket, round((n + GAP / 2) * width, 2), round(width * (1 - GAP), 2), pieces)
        for n, bucket in enumerate(buckets)
        for pieces in [_stack(bucket, top, outcomes)]
    ]
    return Chart(bars, top, step, outcomes)


def _stack(bucket: Bucket, top: int, outcomes: Sequence[Outcome]) -> list[Piece]:
    pieces, below = [], 0
    for outcome in outcomes:
        if count := bucket.counts[outcome]:
            below += count
            y, height = HEIGHT * (1 - below / top), HEIGHT * count / top
            pieces.append(Piece(outcome, count, round(y, 2), round(height, 2)))
    return pieces


def nice_top(highest: int) -> int:
    """The next round number that is not less than `highest`: 1, 2, 4 or 10 times a power of ten,
    and even if it is greater than one."""
    power = 1
    while power * 10 < highest:
        power *= 10
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= highest)


router = APIRouter(route_class=PageRoute, include_in_schema=False)

PERIODS: Mapping[str, tuple[str, timedelta | None]] = {
    "hour": ("Hour", timedelta(hours=1)),
    "day": ("24 hours", timedelta(days=1)),
    "week": ("7 days", timedelta(days=7)),
    "month": ("30 days", timedelta(days=30)),
    "all": ("All time", None),
}
RECENT_LIMIT = 12
MOST_RUNS = 5
SHORTEST = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class View:
    """The choices in the address; everything by default."""

    period: str
    store: str
    unchanged: bool
    now: datetime

    @property
    def columns(self) -> Sequence[Outcome]:
        return (*TABLE_OUTCOMES, Outcome.UNCHANGED) if self.unchanged else TABLE_OUTCOMES

    @property
    def stores(self) -> Sequence[str]:
        return [self.store] if self.store else []

    @property
    def since(self) -> datetime | None:
        length = PERIODS[self.period][1]
        return None if length is None else (self.now - length).replace(microsecond=0)

    def address(self, **changed: str) -> str:
        """The address of this page with other choices, without defaults."""
        chosen = {"period": self.period, "store": self.store, **changed}
        chosen |= {"unchanged": "1"} if self.unchanged and "unchanged" not in changed else {}
        named = {name: text for name, text in chosen.items() if text and text != "all"}
        return f"/?{urlencode(named)}" if named else "/"

    def records(self, system: System, module: Module, outcome: Outcome) -> str:
        """The address of the records that a number counts."""
        wanted = {"target": system, "module": module, "outcome": outcome, "store": self.store}
        wanted["since"] = self.since.isoformat() if self.since else ""
        return "/ui/records?" + urlencode({name: text for name, text in wanted.items() if text})

    def records_of_bar(self, chart: Chart, bar: Bar, outcome: Outcome | None = None) -> str:
        """The address of the records that a bar counts, or of those of one outcome."""
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
class LogData:
    """The data of the page from the database."""

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
    """The page with both tables, each named after the system that was written to."""
    runtime: Runtime = request.app.state.runtime
    view = _view(request, runtime)
    log = await _read(runtime, view)
    stores = list(runtime.settings.stores)
    return render(
        request,
        "sync_log.html",
        visitor=visitor,
        view=view,
        log=log,
        stores=stores,
        periods=PERIODS,
    )


async def _read(runtime: Runtime, view: View) -> LogData:
    async with runtime.sessions() as session:
        first = view.since or await first_logged_at(session, view.stores) or view.now
        since = min(first, view.now - SHORTEST)
        step = step_for(view.now - since)
        buckets = await series(session, since=since, until=view.now, step=step, store=view.stores)
        changed = [outcome for outcome in Outcome if outcome is not Outcome.UNCHANGED]
        filters = LogFilter(store=view.stores, outcome=changed)
        under_way = RunFilter(store=view.stores, state=OPEN_STATES)
        return LogData(
            counts=await summary(session, store=view.stores, since=view.since),
            chart=draw(buckets, step, view.columns),
            recent=(await search(session, filters, cursor=None, limit=RECENT_LIMIT)).items,
            queue=await count_open(session),
            conflicts=await count_open_conflicts(session, view.stores),
            held=sum((await count_held(session)).values()),
            incidents=await count_troubles(session),
            runs=(await search_runs(session, under_way, cursor=None, limit=MOST_RUNS)).items,
        )

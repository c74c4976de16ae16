"""The geometry of the chart of outcomes over time: stacked bars in a box of 1000 by 200."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.records import Outcome
from app.synclog.series import Bucket
from app.web.words import duration

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
    """The finest step that does not make too many bars."""
    return next((step for step in STEPS if span / step <= MOST_BARS), STEPS[-1])


@dataclass(frozen=True, slots=True)
class Piece:
    """One outcome's part of a bar."""

    outcome: Outcome
    count: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One step of time."""

    bucket: Bucket
    x: float
    width: float
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Label:
    """The time of one bar: `x` is the bar's middle, in percent of the width; where the text would
    leave the box, it begins or ends there instead of having its middle there."""

    text: str
    x: float
    anchor: Literal["start", "middle", "end"]


def _label(bar: Bar, text: str) -> Label:
    x = round((bar.x + bar.width / 2) / WIDTH * 100, 2)
    return Label(text, x, "start" if x < EDGE else "end" if x > 100 - EDGE else "middle")


@dataclass(frozen=True, slots=True)
class Chart:
    """`top` is what the upper edge stands for."""

    bars: Sequence[Bar]
    top: int
    step: timedelta
    outcomes: Sequence[Outcome]

    @property
    def labels(self) -> list[Label]:
        """The times of some bars, evenly spread, the last bar's among them."""
        every = max(1, -(-len(self.bars) // MOST_LABELS))
        named = reversed(self.bars[::-1][::every])
        return [_label(bar, self.say(bar.bucket.starts_at)) for bar in named]

    @property
    def scale(self) -> Sequence[int]:
        """What the lines across stand for, from the top down."""
        return (self.top, self.top // 2, 0) if self.top % 2 == 0 else (self.top, 0)

    @property
    def step_name(self) -> str:
        """How long a bar lasts, as in 30 min."""
        days = self.step.days
        if days:
            return "day" if days == 1 else f"{days} days"
        return "hour" if self.step == timedelta(hours=1) else duration(self.step.total_seconds())

    def say(self, moment: datetime) -> str:
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
    """Stacked in the order of `outcomes`, the first at the bottom."""
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
    """The next round number at or above: 1, 2, 4 or 10 times a power of ten, even beyond one."""
    power = 1
    while power * 10 < highest:
        power *= 10
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= highest)

"""The chart's geometry: every count is drawn, nothing leaves the box."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain import Outcome
from app.synclog.totals import Bucket
from app.web.sync_log import HEIGHT, MOST_BARS, STEPS, WIDTH, Chart, draw, nice_top, step_for

START = datetime(2026, 11, 24, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHOWN = (Outcome.CREATED, Outcome.SKIPPED, Outcome.FAILED)

counts = st.fixed_dictionaries({outcome: st.integers(0, 10**6) for outcome in Outcome})


@given(st.lists(counts, max_size=60))
def test_every_count_is_drawn_inside_the_box(rows: list[dict[Outcome, int]]) -> None:
    buckets = [Bucket(START + n * HOUR, row) for n, row in enumerate(rows)]
    chart = draw(buckets, HOUR, SHOWN)
    assert chart.total == sum(row[outcome] for row in rows for outcome in SHOWN)
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert all(-0.01 <= piece.y <= HEIGHT for piece in bar.pieces)
        drawn = sum(piece.height for piece in bar.pieces)
        told = sum(bar.bucket.counts[outcome] for outcome in SHOWN)
        assert abs(drawn - HEIGHT * told / chart.top) < 0.05


def test_pieces_stand_on_each_other_in_order() -> None:
    counts = dict.fromkeys(Outcome, 0) | {Outcome.CREATED: 3, Outcome.FAILED: 1}
    [bar] = draw([Bucket(START, counts)], HOUR, SHOWN).bars
    assert [(piece.outcome, piece.y, piece.height) for piece in bar.pieces] == [
        (Outcome.CREATED, 50.0, 150.0),
        (Outcome.FAILED, 0.0, 50.0),
    ]


@given(st.integers(0, 10**9))
def test_the_upper_edge_is_near_and_round(highest: int) -> None:
    top = nice_top(highest)
    assert max(1, highest) <= top <= max(2, 2 * highest)
    assert str(top).rstrip("0") in {"1", "2", "4", "6", "8"}


@given(st.timedeltas(timedelta(minutes=1), timedelta(days=3650)))
def test_there_are_never_too_many_bars(span: timedelta) -> None:
    step = step_for(span)
    assert span / step <= MOST_BARS
    finer = [each for each in STEPS if each < step]
    assert not finer or span / finer[-1] > MOST_BARS


def test_labels_say_what_tells_bars_apart() -> None:
    empty = dict.fromkeys(Outcome, 0)
    day = [Bucket(START + n * HOUR, empty) for n in range(24)]
    week = [Bucket(START + n * 6 * HOUR, empty) for n in range(28)]
    seconds = [Bucket(START + timedelta(seconds=10 * n), empty) for n in range(12)]

    assert texts(draw(day, HOUR, SHOWN)) == ["03:00", "08:00", "13:00", "18:00", "23:00"]
    assert texts(draw(week, 6 * HOUR, SHOWN))[-1] == "30 Nov 18:00"
    assert texts(draw(week, timedelta(days=1), SHOWN))[-1] == "30 Nov"
    assert texts(draw(seconds, timedelta(seconds=10), SHOWN))[-1] == "00:01:50"


def texts(chart: Chart) -> list[str]:
    return [label.text for label in chart.labels]


@given(st.integers(1, 60), st.sampled_from(STEPS))
def test_each_label_stands_under_the_bar_whose_time_it_says(number: int, step: timedelta) -> None:
    empty = dict.fromkeys(Outcome, 0)
    chart = draw([Bucket(START + n * step, empty) for n in range(number)], step, SHOWN)
    under = [
        next(bar for bar in chart.bars if bar.x <= label.x * WIDTH / 100 <= bar.x + bar.width)
        for label in chart.labels
    ]
    assert [chart.time_label(bar.bucket.starts_at) for bar in under] == texts(chart)
    assert under[-1] is chart.bars[-1]


def test_the_lines_across_say_how_many_outcomes_they_stand_for() -> None:
    counts = dict.fromkeys(Outcome, 0) | {Outcome.CREATED: 30}
    chart = draw([Bucket(START, counts)], timedelta(minutes=30), SHOWN)
    assert (chart.scale, chart.step_name) == ((40, 20, 0), "30 min")
    assert draw([], HOUR, SHOWN).scale == (1, 0)
    assert draw([], HOUR, SHOWN).step_name == "hour"
    assert draw([], timedelta(days=1), SHOWN).step_name == "day"

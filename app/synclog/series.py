"""Outcomes over time, for charts: hours and more from the totals, shorter steps from the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.records import Outcome
from app.synclog.models import Entry, Total

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What was logged from `starts_at` on, for one step."""

    starts_at: datetime
    counts: Mapping[Outcome, int]


async def first_logged_at(session: AsyncSession, store: Sequence[str] = ()) -> datetime | None:
    """When counting began: the first entry, or its hour where entries were dropped since."""
    hour, entry = select(func.min(Total.hour_at)), select(func.min(Entry.occurred_at))
    if store:
        hour, entry = hour.where(Total.store.in_(store)), entry.where(Entry.store.in_(store))
    first_hour, first_entry = await session.scalar(hour), await session.scalar(entry)
    if first_hour is None or first_entry is None:
        return first_hour
    found: datetime = first_entry if first_entry - first_hour < _HOUR else first_hour
    return found


async def series(
    session: AsyncSession,
    *,
    since: datetime,
    until: datetime,
    step: timedelta,
    store: Sequence[str] = (),
) -> list[Bucket]:
    """A bucket for each step that `since <= time < until` touches, empty ones included."""
    counted = _hours(step) if step >= _HOUR else _entries(step)
    source = Total if step >= _HOUR else Entry
    at = Total.hour_at if step >= _HOUR else Entry.occurred_at
    first = _number(since, step)
    counted = counted.where(at >= _moment(first, step), at < until)
    if store:
        counted = counted.where(source.store.in_(store))
    found: dict[int, dict[Outcome, int]] = {}
    for number, outcome, count in await session.execute(counted):
        found.setdefault(int(number), {})[Outcome(outcome)] = int(count)
    last = _number(until - timedelta.resolution, step)
    return [
        Bucket(
            _moment(number, step), {each: found.get(number, {}).get(each, 0) for each in Outcome}
        )
        for number in range(first, last + 1)
    ]


def _hours(step: timedelta) -> Select[Any]:
    number = _number_column(Total.hour_at, step)
    counted = select(number, Total.outcome, func.sum(Total.count))
    return counted.group_by(number, Total.outcome)


def _entries(step: timedelta) -> Select[Any]:
    number = _number_column(Entry.occurred_at, step)
    counted = select(number, Entry.outcome, func.count()).where(Entry.module.is_not(None))
    return counted.group_by(number, Entry.outcome)


def _number_column(column: Any, step: timedelta) -> Any:
    return cast(
        func.floor(func.extract("epoch", column) / int(step.total_seconds())), BigInteger
    ).label("number")


def _number(moment: datetime, step: timedelta) -> int:
    """Steps since 1970: those of a day begin at midnight UTC."""
    return int(moment.timestamp() // step.total_seconds())


def _moment(number: int, step: timedelta) -> datetime:
    return datetime.fromtimestamp(number * step.total_seconds(), UTC)

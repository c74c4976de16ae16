"""The shop's clock, time zone and address: what every rendered object depends on."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Site:
    """Where and when the shop is. `base_url` has no trailing slash and follows the last request.

    `wall_clock` is the clock that signatures are judged by, where the shop's life is played
    faster than the caller's.
    """

    clock: Clock = utc_now
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Paris"))
    base_url: str = "http://127.0.0.1/shop"
    wall_clock: Clock | None = None

    def now(self) -> datetime:
        """Aware UTC, to the second: WordPress stores no more."""
        return self.clock().astimezone(UTC).replace(microsecond=0)

    def wall_time(self) -> datetime:
        """Aware UTC."""
        return (self.wall_clock or self.clock)()

    def rest_url(self, path: str) -> str:
        return f"{self.base_url}/wp-json/wc/v3/{path}"

    def dates(self, name: str, moment: datetime | None) -> dict[str, str | None]:
        """The pair `name` (site-local) and `name_gmt`, both without a zone; null for None."""
        if moment is None:
            return {name: None, f"{name}_gmt": None}
        local = moment.astimezone(self.timezone)
        return {name: _text(local), f"{name}_gmt": _text(moment.astimezone(UTC))}


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


class Sequence:
    """Ids of one MySQL table: they only grow, past whatever was loaded."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = itertools.count(1)
        self._last = 0

    def next(self) -> int:
        self._last = next(self._numbers)
        return self._last

    def skip(self, used: int) -> None:
        """Make sure that the next id is larger than `used`."""
        if used > self._last:
            self._numbers = itertools.count(used + 1)
            self._last = used

"""What Vtiger Cloud says of its call limits in each answer: per day and per minute.

Vtiger's help, "Vtiger CRM API Limits": X-RateLimit-DailyLimit and -Remaining count the day,
X-FloodControl-MinuteLimit, -Remaining and -Reset (Unix seconds) the minute. HTTP 429 beyond.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

LOW_SHARE = 0.1
_LATEST = 4_102_444_800  # the year 2100: what is later is no time


@dataclass(frozen=True, slots=True)
class Quota:
    """Calls that are allowed and left; None where the answer did not tell."""

    daily_limit: int | None = None
    daily_left: int | None = None
    minute_limit: int | None = None
    minute_left: int | None = None
    minute_ends_at: datetime | None = None

    @property
    def is_low(self) -> bool:
        """Less than a tenth of the day's calls is left."""
        if self.daily_limit is None or self.daily_left is None:
            return False
        return self.daily_left < self.daily_limit * LOW_SHARE

    def wait_seconds(self, now: datetime) -> float:
        """Seconds until a call may be made; 0 while this minute has one left."""
        if self.minute_left != 0 or self.minute_ends_at is None:
            return 0.0
        return min(60.0, max(0.0, (self.minute_ends_at - now).total_seconds()))


def find_quota(headers: Mapping[str, str]) -> Quota | None:
    """The limits in an answer's headers; None if it has none of them."""
    numbers = {
        name: _number(headers.get(header, ""))
        for name, header in (
            ("daily_limit", "x-ratelimit-dailylimit"),
            ("daily_left", "x-ratelimit-remaining"),
            ("minute_limit", "x-floodcontrol-minutelimit"),
            ("minute_left", "x-floodcontrol-remaining"),
        )
    }
    if all(number is None for number in numbers.values()):
        return None
    return Quota(**numbers, minute_ends_at=_moment(headers.get("x-floodcontrol-reset", "")))


def _number(text: str) -> int | None:
    """ "1,200" is how the larger ones may be written."""
    plain = text.strip().replace(",", "")
    return int(plain) if re.fullmatch(r"\d{1,12}", plain, re.ASCII) else None


def _moment(text: str) -> datetime | None:
    seconds = _number(text)
    if seconds is None or seconds > _LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC)

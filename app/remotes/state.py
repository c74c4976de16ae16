"""What is known of one remote, and what it may get."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RemoteLimits:
    """`failures` in a row open the breaker; `calls_per_second` counts those of all workers
    together; `recovery_seconds` is the time in which a rate grows from nothing to that;
    `turn_seconds` is how long a call that is made alone keeps others from theirs if its process
    died, or gave up on it."""

    failures: int = 5
    probe_seconds: float = 5.0
    probe_max_seconds: float = 60.0
    calls_per_second: float = 100.0
    recovery_seconds: float = 300.0
    turn_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class RemoteState:
    """`opened_at` and `closed_at` are those of the last outage, which lasts while the latter is
    None; `probe_at` is when the next probe may go, or when one that never ended counts as dead;
    `booked_until` is the moment up to which calls are given out.

    `rejected_write` tells that the credentials were refused to a write, so that a read's answer
    does not mend it. `answered_at` is the last answer, a few seconds late at most; `silent_since`
    is when the first of the calls was made that got none since, None while the last one did;
    `slow_at` is since when the remote counts as slow, None while it does not.
    """

    failures: int = 0
    last_cause: str = ""
    last_error: str = ""
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    probe_at: datetime | None = None
    probes: int = 0
    rejected_at: datetime | None = None
    rate: float | None = None
    slowed_at: datetime | None = None
    paused_until: datetime | None = None
    booked_until: datetime | None = None
    answered_at: datetime | None = None
    silent_since: datetime | None = None
    slow_at: datetime | None = None
    rejected_write: bool = False

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None and self.closed_at is None

    @property
    def is_troubled(self) -> bool:
        """Whether a call that is answered is news."""
        troubles = (self.rejected_at, self.silent_since)
        return self.failures > 0 or any(moment is not None for moment in troubles)

    def is_paused(self, now: datetime) -> bool:
        return self.paused_until is not None and self.paused_until > now

"""How often a caller may try a token: a brake on guessing, kept by each process for itself."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MOST_FAILURES = 10
WINDOW = timedelta(minutes=5)
MOST_CALLERS = 10_000


@dataclass(slots=True)
class Attempts:
    """Failed sign-ins of the last minutes by address; the oldest addresses are forgotten first."""

    clock: Callable[[], datetime]
    _failures: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict)

    def wait_s(self, caller: str) -> int:
        """Seconds until the caller may try again; 0: now."""
        recent = self._recent(caller)
        if len(recent) < MOST_FAILURES:
            return 0
        return max(1, round((recent[0] + WINDOW - self.clock()).total_seconds()))

    def failed(self, caller: str) -> None:
        recent = self._failures.setdefault(caller, deque(maxlen=MOST_FAILURES))
        recent.append(self.clock())
        self._failures.move_to_end(caller)
        if len(self._failures) > MOST_CALLERS:
            self._failures.popitem(last=False)

    def _recent(self, caller: str) -> deque[datetime]:
        recent = self._failures.get(caller, deque())
        while recent and recent[0] + WINDOW <= self.clock():
            recent.popleft()
        return recent

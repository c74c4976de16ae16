"""How each system stands: whether it answers, when it last did, and what it is being asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from app.errors import System
from app.incidents.models import IncidentRow
from app.incidents.remedies import find_remedy
from app.remotes.news import remote_key
from app.remotes.repository import UnderWay
from app.remotes.state import RemoteState
from app.settings import Settings
from app.web.words import duration

NOTABLE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Standing:
    """One system at one moment."""

    system: System
    store: str
    address: str
    state: RemoteState
    under_way: UnderWay | None
    now: datetime

    @property
    def verdict(self) -> tuple[str, str]:
        """How it stands, as the class of a mark and in words."""
        state = self.state
        if state.opened_at is not None and state.is_open:
            return "failed", f"Out of reach for {self._ago(state.opened_at)}"
        if state.rejected_at is not None:
            return "failed", "Refuses writes" if state.rejected_write else "Refuses the key"
        if state.slow_at is not None:
            return "failed", f"No answer for {self._ago(state.slow_at)}"
        if self.owes_answer:
            return "skipped", f"No answer for {self._ago(self._owed_since)}"
        if state.is_paused(self.now):
            return "skipped", "Asked for fewer calls"
        return ("created", "Answers") if state.answered_at else ("unchanged", "Not called yet")

    @property
    def owes_answer(self) -> bool:
        """Whether a call is without an answer long enough to be told, and no incident tells it."""
        told = self.state.is_open or self.state.slow_at is not None
        return not told and self.now - self._owed_since >= NOTABLE

    @property
    def owed_for(self) -> float:
        """Seconds since the oldest call was made that is without an answer."""
        return (self.now - self._owed_since).total_seconds()

    @property
    def _owed_since(self) -> datetime:
        owed = [self.state.silent_since, self.under_way.oldest_at if self.under_way else None]
        return min((moment for moment in owed if moment is not None), default=self.now)

    @property
    def calls(self) -> str:
        if self.under_way is None:
            return "none"
        number = f"{self.under_way.calls} call{'' if self.under_way.calls == 1 else 's'}"
        return f"{number}, the oldest for {self._ago(self.under_way.oldest_at)}"

    def _ago(self, moment: datetime) -> str:
        return duration(max(0.0, (self.now - moment).total_seconds()))


def stand(
    settings: Settings,
    remotes: Mapping[str, RemoteState],
    calls: Mapping[str, UnderWay],
    now: datetime,
) -> list[Standing]:
    """Every shop and the CRM."""
    places = [(System.WOOCOMMERCE, store, shop.url) for store, shop in settings.stores.items()]
    if settings.vtiger is not None:
        address = f"{settings.vtiger.url}, user {settings.vtiger.username}"
        places.append((System.VTIGER, "", address))
    return [
        Standing(system, store, address, remotes.get(key, RemoteState()), calls.get(key), now)
        for system, store, address in places
        for key in [remote_key(system, store)]
    ]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Incidents of one kind and place, which one remedy mends."""

    kind: str
    system: System
    store: str
    rows: Sequence[IncidentRow]

    @property
    def remedy(self) -> str:
        return find_remedy(self.kind, self.system, self.store)

    @property
    def began_at(self) -> datetime:
        return min(row.began_at for row in self.rows)


def gather(rows: Sequence[IncidentRow]) -> list[Trouble]:
    """Incidents as people count them: those of one kind and place are one."""

    def place(row: IncidentRow) -> tuple[str, str, str]:
        return row.kind, row.system, row.store

    return [
        Trouble(kind, System(system), store, list(together))
        for (kind, system, store), together in groupby(sorted(rows, key=place), key=place)
    ]

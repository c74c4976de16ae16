"""The state that all processes share, as gauges: read from the database when Prometheus asks."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

from app.inbox.repository import count_open, find_oldest_due
from app.incidents.repository import count_lasting
from app.links.conflicts import count_undecided
from app.links.deletions import count_held
from app.links.repository import search_looks
from app.queue import count_workers
from app.runtime import Runtime

STATE = "woo_vtiger_deliveries"
OLDEST = "woo_vtiger_queue_oldest_seconds"
WORKERS = "woo_vtiger_workers"
POLLED = "woo_vtiger_poll_age_seconds"
INCIDENTS = "woo_vtiger_incidents"
DECISIONS = "woo_vtiger_decisions"


class Shared:
    """A Prometheus collector of figures that were read beforehand."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


async def read_shared(runtime: Runtime) -> Shared:
    """Raises what the database raises."""
    now = runtime.clock()
    async with runtime.sessions() as session:
        open_counts = await count_open(session)
        oldest = await find_oldest_due(session)
        workers = await count_workers(session, runtime.settings.worker.stalled_after)
        looks = await search_looks(session)
        incidents = await count_lasting(session)
        conflicts, held = await count_undecided(session), await count_held(session)
    return Shared(
        [
            _deliveries(open_counts),
            _plain(
                OLDEST, "Age of the oldest hint that is due and not in hand.", _age(now, oldest)
            ),
            _plain(WORKERS, "Workers that give a sign of life.", workers),
            _polls(now, looks),
            _incidents(incidents),
            _decisions(conflicts, sum(held.values())),
        ]
    )


def _plain(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _age(now: datetime, moment: datetime | None) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def _deliveries(counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(
        STATE, "Hints that want work or a person, by state.", labels=["state"]
    )
    for state, count in counts.items():
        family.add_metric([state], count)
    return family


def _polls(now: datetime, looks: dict[str, datetime]) -> Metric:
    labels = ["store", "module", "system"]
    meaning = "Seconds since the catch-up poll last looked at all that had changed."
    family = GaugeMetricFamily(POLLED, meaning, labels=labels)
    for key, looked_at in looks.items():
        parts = key.split(":")
        if len(parts) == len(labels):
            family.add_metric(parts, _age(now, looked_at))
    return family


def _incidents(counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(INCIDENTS, "Incidents that last, by kind.", labels=["kind"])
    for kind, count in counts.items():
        family.add_metric([kind], count)
    return family


def _decisions(conflicts: int, deletions: int) -> Metric:
    meaning = "Conflicts and held deletions that wait for a person, by kind."
    family = GaugeMetricFamily(DECISIONS, meaning, labels=["kind"])
    family.add_metric(["conflict"], conflicts)
    family.add_metric(["deletion"], deletions)
    return family

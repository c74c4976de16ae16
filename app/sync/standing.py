"""How things stand: each record for Vtiger's pages, and all processes as gauges."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from prometheus_client.core import GaugeMetricFamily, Metric

from app.db.session import Session
from app.domain import DeliveryState, Outcome, Record, System
from app.inbox.models import Delivery
from app.inbox.repository import count_open, find_oldest_due, search_unsettled
from app.links.conflicts import count_held, count_open_of, count_undecided
from app.links.models import Link
from app.links.repository import search_links, search_poll_times
from app.queue import count_workers
from app.remotes.incidents import count_lasting
from app.runtime import Runtime
from app.synclog.models import Entry
from app.synclog.repository import search_latest

# The state that all processes share, as gauges: read from the database when Prometheus asks.

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
        looks = await search_poll_times(session)
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


class Standing(StrEnum):
    """What a person has to know first. `held` is a deletion and `conflict` are fields that wait
    for a person's word; `waiting` is about to be tried, perhaps again."""

    HELD = "held"
    CONFLICT = "conflict"
    WAITING = "waiting"
    FAILED = "failed"
    SKIPPED = "skipped"
    DELETED = "deleted"
    IN_SYNC = "in_sync"


OUTCOMES = {
    Outcome.CREATED: Standing.IN_SYNC,
    Outcome.UPDATED: Standing.IN_SYNC,
    Outcome.UNCHANGED: Standing.IN_SYNC,
    Outcome.SKIPPED: Standing.SKIPPED,
    Outcome.DELETED: Standing.DELETED,
    Outcome.FAILED: Standing.FAILED,
}


@dataclass(frozen=True, slots=True)
class RecordStanding:
    """Of one record of Vtiger and one shop. `last` is the newest outcome of the record or its
    partner, without its lists; `unsettled` the delivery that waits, or the dead letter."""

    standing: Standing
    partner_id: str | None
    last: Entry | None
    unsettled: Delivery | None
    conflicts: int


async def search_standings(
    session: Session, records: Collection[Record]
) -> dict[Record, RecordStanding]:
    """Those of these records of Vtiger that something is known of; a record is one of one shop."""
    links = await _search_links(session, records)
    sides = {record: [record, *_partner(links.get(record))] for record in records}
    keys = [side.key for each in sides.values() for side in each]
    latest = await search_latest(session, [side for each in sides.values() for side in each])
    unsettled = await search_unsettled(session, keys)
    conflicts = await count_open_of(session, [link.id for link in links.values()])
    found = {}
    for record, both in sides.items():
        link = links.get(record)
        seen = _Seen(
            link=link,
            entries=[latest[side.key] for side in both if side.key in latest],
            deliveries=[unsettled[side.key] for side in both if side.key in unsettled],
            conflicts=conflicts.get(link.id, 0) if link is not None else 0,
        )
        if (standing := seen.standing) is not None:
            partner_id = link.woo_id if link is not None else None
            found[record] = RecordStanding(
                standing, partner_id, seen.last, seen.unsettled, seen.conflicts
            )
    return found


async def _search_links(session: Session, records: Collection[Record]) -> dict[Record, Link]:
    """Shop by shop, for shops share Vtiger's records."""
    found: dict[Record, Link] = {}
    for store in {record.store for record in records}:
        theirs = {record.id: record for record in records if record.store == store}
        links = await search_links(session, theirs.values())
        found |= {theirs[vtiger_id]: link for vtiger_id, link in links.items()}
    return found


def _partner(link: Link | None) -> list[Record]:
    """The record of the shop, if there is a pair."""
    if link is None:
        return []
    return [link.record(System.WOOCOMMERCE)]


@dataclass(frozen=True, slots=True)
class _Seen:
    """All that is known of a record and its partner."""

    link: Link | None
    entries: Sequence[Entry]
    deliveries: Sequence[Delivery]
    conflicts: int

    @property
    def last(self) -> Entry | None:
        return max(self.entries, key=lambda entry: (entry.occurred_at, entry.id), default=None)

    @property
    def unsettled(self) -> Delivery | None:
        """What will be tried says more than what was given up."""
        return max(
            self.deliveries,
            key=lambda delivery: (delivery.state != DeliveryState.DEAD, delivery.id),
            default=None,
        )

    @property
    def standing(self) -> Standing | None:
        """None where nothing is known."""
        if self.link is not None and self.link.delete_held_at is not None:
            return Standing.HELD
        if self.conflicts:
            return Standing.CONFLICT
        if self.unsettled is not None:
            is_dead = self.unsettled.state == DeliveryState.DEAD
            return Standing.FAILED if is_dead else Standing.WAITING
        if self.last is not None:
            return OUTCOMES[Outcome(self.last.outcome)]
        return Standing.IN_SYNC if self.link is not None else None

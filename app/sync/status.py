"""The sync status of single records, and gauges of the state shared by all processes."""

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

# Gauges of the shared state, read from the database at each scrape.

STATE = "woo_vtiger_deliveries"
OLDEST = "woo_vtiger_queue_oldest_seconds"
WORKERS = "woo_vtiger_workers"
POLLED = "woo_vtiger_poll_age_seconds"
INCIDENTS = "woo_vtiger_incidents"
DECISIONS = "woo_vtiger_decisions"


class Shared:
    """A Prometheus collector of metrics that were read beforehand."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


async def read_shared(runtime: Runtime) -> Shared:
    """Read all gauges. Raises the errors of the database."""
    now = runtime.clock()
    async with runtime.sessions() as session:
        open_counts = await count_open(session)
        oldest = await find_oldest_due(session)
        workers = await count_workers(session, runtime.settings.worker.stalled_after)
        polled_at = await search_poll_times(session)
        incidents = await count_lasting(session)
        conflicts, held = await count_undecided(session), await count_held(session)
    return Shared(
        [
            _deliveries(open_counts),
            _plain(
                OLDEST,
                "Age of the oldest hint that is due and not being processed.",
                _age(now, oldest),
            ),
            _plain(WORKERS, "Workers with a recent heartbeat.", workers),
            _polls(now, polled_at),
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
        STATE, "Hints that wait, are processed or are dead letters, by state.", labels=["state"]
    )
    for state, count in counts.items():
        family.add_metric([state], count)
    return family


def _polls(now: datetime, polled_at: dict[str, datetime]) -> Metric:
    labels = ["store", "module", "system"]
    meaning = "Seconds since the last complete catch-up poll."
    family = GaugeMetricFamily(POLLED, meaning, labels=labels)
    for key, moment in polled_at.items():
        parts = key.split(":")
        if len(parts) == len(labels):
            family.add_metric(parts, _age(now, moment))
    return family


def _incidents(counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(INCIDENTS, "Open incidents, by kind.", labels=["kind"])
    for kind, count in counts.items():
        family.add_metric([kind], count)
    return family


def _decisions(conflicts: int, deletions: int) -> Metric:
    meaning = "Conflicts and held deletions that wait for a decision, by kind."
    family = GaugeMetricFamily(DECISIONS, meaning, labels=["kind"])
    family.add_metric(["conflict"], conflicts)
    family.add_metric(["deletion"], deletions)
    return family


class SyncStatus(StrEnum):
    """The status shown for a record.

    `held` is a deletion that is held back, `conflict` are fields that wait for a decision, and
    `waiting` is a delivery that will be attempted.
    """

    HELD = "held"
    CONFLICT = "conflict"
    WAITING = "waiting"
    FAILED = "failed"
    SKIPPED = "skipped"
    DELETED = "deleted"
    IN_SYNC = "in_sync"


OUTCOMES = {
    Outcome.CREATED: SyncStatus.IN_SYNC,
    Outcome.UPDATED: SyncStatus.IN_SYNC,
    Outcome.UNCHANGED: SyncStatus.IN_SYNC,
    Outcome.SKIPPED: SyncStatus.SKIPPED,
    Outcome.DELETED: SyncStatus.DELETED,
    Outcome.FAILED: SyncStatus.FAILED,
}


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """The status of one record of Vtiger for one shop.

    `last` is the newest entry of the record or its partner, without its lists; `unsettled` is the
    waiting delivery or the dead letter.
    """

    status: SyncStatus
    partner_id: str | None
    last: Entry | None
    unsettled: Delivery | None
    conflicts: int


async def search_statuses(
    session: Session, records: Collection[Record]
) -> dict[Record, RecordStatus]:
    """The status of each of these records of Vtiger of which anything is known, per shop."""
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
        if (status := seen.status) is not None:
            partner_id = link.woo_id if link is not None else None
            found[record] = RecordStatus(
                status, partner_id, seen.last, seen.unsettled, seen.conflicts
            )
    return found


async def _search_links(session: Session, records: Collection[Record]) -> dict[Record, Link]:
    """Their links, queried per shop because shops share Vtiger's records."""
    found: dict[Record, Link] = {}
    for store in {record.store for record in records}:
        theirs = {record.id: record for record in records if record.store == store}
        links = await search_links(session, theirs.values())
        found |= {theirs[vtiger_id]: link for vtiger_id, link in links.items()}
    return found


def _partner(link: Link | None) -> list[Record]:
    """The record of the shop, if there is a link."""
    if link is None:
        return []
    return [link.record(System.WOOCOMMERCE)]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Everything that is known of a record and its partner."""

    link: Link | None
    entries: Sequence[Entry]
    deliveries: Sequence[Delivery]
    conflicts: int

    @property
    def last(self) -> Entry | None:
        return max(self.entries, key=lambda entry: (entry.occurred_at, entry.id), default=None)

    @property
    def unsettled(self) -> Delivery | None:
        """The newest waiting delivery, or else the newest dead letter."""
        return max(
            self.deliveries,
            key=lambda delivery: (delivery.state != DeliveryState.DEAD, delivery.id),
            default=None,
        )

    @property
    def status(self) -> SyncStatus | None:
        """The status; None if nothing is known of the record."""
        if self.link is not None and self.link.delete_held_at is not None:
            return SyncStatus.HELD
        if self.conflicts:
            return SyncStatus.CONFLICT
        if self.unsettled is not None:
            is_dead = self.unsettled.state == DeliveryState.DEAD
            return SyncStatus.FAILED if is_dead else SyncStatus.WAITING
        if self.last is not None:
            return OUTCOMES[Outcome(self.last.outcome)]
        return SyncStatus.IN_SYNC if self.link is not None else None

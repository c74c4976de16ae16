"""How records of Vtiger stand with each shop, in a few words: for those who look at them there."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.db.session import Session
from app.errors import System
from app.inbox.models import Delivery, DeliveryState
from app.inbox.repository import search_unsettled
from app.links.conflicts import count_open_of
from app.links.models import Link
from app.links.repository import search_links
from app.records import Outcome, Record
from app.synclog.latest import search_latest
from app.synclog.models import Entry


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

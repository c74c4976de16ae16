"""Hints that bring a record up again, whoever asks for it."""

from app.inbox.dedupe import replay_key
from app.inbox.models import Delivery
from app.inbox.repository import NewDelivery
from app.records import Event, Origin, Record


def hint_again(delivery: Delivery) -> NewDelivery:
    """Joins a replay of the same record that still waits."""
    note = f"replay of delivery {delivery.id}"
    return hint_record(delivery.record, Event(delivery.event), note=note)


def hint_record(record: Record, event: Event, *, note: str) -> NewDelivery:
    return NewDelivery(
        record, Origin.REPLAY, event, dedupe_key=replay_key(record.key), remote_note=note
    )

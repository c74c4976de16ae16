"""Hints as the receivers would make them."""

from app.domain import Event, Module, Origin, Record, System
from app.inbox.repository import NewDelivery

KEY = "main:contacts:woocommerce:{id}"


def hint(
    record_id: str = "5",
    dedupe_key: str = "",
    *,
    body: bytes | None = None,
    run_id: int | None = None,
) -> NewDelivery:
    record = Record("main", System.WOOCOMMERCE, Module.CONTACTS, record_id, "customer")
    return NewDelivery(
        record, Origin.WEBHOOK, Event.UPDATED, dedupe_key or record_id, body=body, run_id=run_id
    )

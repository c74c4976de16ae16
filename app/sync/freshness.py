"""When a webhook's body may stand in for reading the record. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.inbox.models import Delivery
from app.records import Event, Origin

SKEW = timedelta(minutes=1)


def find_fresh_body(
    deliveries: Sequence[Delivery],
    modified_at: datetime | None,
    *,
    known_at: datetime | None,
    within: timedelta,
) -> bytes | None:
    """The body of a record's only waiting hint, if nothing newer can be known.

    `modified_at` is the change that the body tells of, `known_at` the last change that was seen.
    A body is used only if it came alone and once, its change is later than what is known, and
    is younger than `within` (times have a second's resolution, so a tie is read again). Webhook
    bodies are built at delivery time, but arrive in any order (contract page WooCommerce §1).
    """
    if len(deliveries) != 1 or modified_at is None:
        return None
    delivery = deliveries[0]
    alone = delivery.duplicates == 0 and delivery.attempts == 1
    if not alone or delivery.origin != Origin.WEBHOOK or delivery.event == Event.DELETED:
        return None
    age = delivery.received_at - modified_at
    newer = known_at is None or modified_at > known_at
    return delivery.body if newer and -SKEW <= age <= within else None

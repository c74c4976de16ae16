"""When a webhook's body may stand in for reading the record. Pure.

Bodies are built when they are sent, but arrive in any order and may wait in the inbox (contract
page WooCommerce §1); so one is believed only about a living pair, alone, and while it is fresh.
What is to be written to the shop is never decided by a body: the record is read for that.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.inbox.models import Delivery
from app.links.models import Link
from app.records import Event, Origin

SKEW = timedelta(minutes=1)


def find_lone_body(deliveries: Sequence[Delivery], link: Link | None) -> bytes | None:
    """The body of a pair's only waiting hint, if it came once and no try at it broke off.

    None for a record without a pair: it may have vanished since, and its twin would be made
    for nobody.
    """
    if len(deliveries) != 1 or link is None or link.woo_deleted_at is not None:
        return None
    delivery = deliveries[0]
    lone = delivery.duplicates == 0 and delivery.attempts == 1
    told = delivery.origin == Origin.WEBHOOK and delivery.event != Event.DELETED
    return delivery.body if lone and told else None


def is_fresh(
    modified_at: datetime | None, *, known_at: datetime | None, now: datetime, within: timedelta
) -> bool:
    """Whether a body that tells of a change at `modified_at` is news.

    The change is later than the last one seen, at `known_at` (times have a second's resolution,
    so a tie is read again), and younger than `within`.
    """
    if modified_at is None or known_at is None:
        return False
    return modified_at > known_at and -SKEW <= now - modified_at <= within

"""When a webhook's body may stand in for reading the record. Pure.

Bodies are built when they are sent, but arrive in any order and may wait in the inbox (contract
page WooCommerce §1); so one is believed only alone, while it is fresh, and never about a record
that was deleted. What is to be written to the shop is never decided by a body: the record is read
for that.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.inbox.models import Delivery
from app.links.models import Link
from app.records import Event, Origin

SKEW = timedelta(minutes=1)


def find_lone_body(deliveries: Sequence[Delivery], link: Link | None) -> bytes | None:
    """The body that all waiting hints carry, if each came once and no try at it broke off.

    A shop tells of a new record twice, `created` and `updated`, in the same words.
    """
    bodies = {delivery.body for delivery in deliveries}
    if len(bodies) != 1 or (link is not None and link.woo_deleted_at is not None):
        return None
    return bodies.pop() if all(_is_plain(delivery) for delivery in deliveries) else None


def _is_plain(delivery: Delivery) -> bool:
    lone = delivery.duplicates == 0 and delivery.attempts == 1
    return lone and delivery.origin == Origin.WEBHOOK and delivery.event != Event.DELETED


def is_outdated(modified_at: datetime | None, *, known_at: datetime | None) -> bool:
    """Whether a body that tells of a change at `modified_at` was sent before what was seen last:
    it can tell nothing new, and what it does not tell has a hint of its own."""
    return modified_at is not None and known_at is not None and modified_at <= known_at


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

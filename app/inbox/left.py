"""Hints that are left to a run: what tells them from the others."""

from sqlalchemy import ColumnElement, and_, func

from app.inbox.models import Delivery, DeliveryState

LEFT = "waiting_for_run"


def is_left() -> ColumnElement[bool]:
    """Whether a hint waits for a run, which has given a sign of life lately."""
    return and_(
        Delivery.state == DeliveryState.PENDING,
        func.coalesce(Delivery.last_reason, "") == LEFT,
        Delivery.next_attempt_at > func.now(),
    )

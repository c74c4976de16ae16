"""Hints that wait for a run: what tells them from the others."""

from sqlalchemy import ColumnElement, and_, func

from app.inbox.models import Delivery, DeliveryState

WAITING_FOR_RUN = "waiting_for_run"


def is_waiting_for_run() -> ColumnElement[bool]:
    """Whether a hint waits for a run, which has given a sign of life lately."""
    return and_(
        Delivery.state == DeliveryState.PENDING,
        func.coalesce(Delivery.last_reason, "") == WAITING_FOR_RUN,
        Delivery.next_attempt_at > func.now(),
    )

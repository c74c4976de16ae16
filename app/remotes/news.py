"""What people are told of a remote: incidents, lines in the log, and why something waits."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from app.db.session import Session
from app.errors import System
from app.incidents.models import IncidentKind
from app.incidents.report import log_begin, log_end
from app.incidents.repository import Trouble, begin, end
from app.remotes.state import RemoteState

log = logging.getLogger(__name__)

Tell = Callable[[], None]

DOWN_AGAIN = "It answers again."
QUICK_AGAIN = "It answers in time again."
OUTAGE_INSTEAD = "It counts as out of reach now, which is an incident of its own."
KNOWN_AGAIN = "The credentials are accepted again."


def remote_key(system: System, store: str) -> str:
    """`vtiger`, for all stores share the CRM, or `woocommerce:<store>`."""
    return str(system) if system is System.VTIGER else f"{system}:{store}"


def keys_of(store: str) -> tuple[str, str]:
    """The remotes that a store's records need."""
    return remote_key(System.WOOCOMMERCE, store), remote_key(System.VTIGER, "")


def explain_hold(state: RemoteState, now: datetime) -> str:
    """Why no calls are made, "" if they are."""
    if state.is_open:
        return f"{state.failures} calls in a row failed, the last one so: {state.last_error}"
    return "it asked for fewer calls" if state.is_paused(now) else ""


def held_until(state: RemoteState, now: datetime) -> datetime | None:
    """When the next call is made, None if at once."""
    if state.is_open:
        return state.probe_at or now
    return state.paused_until if state.is_paused(now) else None


def describe(state: RemoteState, now: datetime) -> str:
    """The state in words that anybody may read: no address and no message of the remote's."""
    if state.is_open:
        return f"down since {_moment(state.opened_at)}; probed next at {_moment(state.probe_at)}"
    if state.slow_at is not None:
        return f"slow: without an answer since {_moment(state.slow_at)}"
    if state.rejected_at is not None:
        return f"refuses the credentials since {_moment(state.rejected_at)}"
    paused = state.is_paused(now)
    return f"asked for no calls until {_moment(state.paused_until)}" if paused else "ok"


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment is not None else "any moment"


async def record_news(
    session: Session, system: System, store: str, *, before: RemoteState, after: RemoteState
) -> list[Tell]:
    """Incidents that begin or end with a change; what is to be logged once that is committed."""
    down = Trouble(IncidentKind.REMOTE_DOWN, system, store)
    slow = Trouble(IncidentKind.REMOTE_SLOW, system, store)
    rejected = Trouble(IncidentKind.AUTH_REJECTED, system, store)
    news: list[Tell] = []
    if after.is_open and not before.is_open:
        news += await _begin(session, down, f"{system.label} is down: {after.last_error}")
    if before.is_open and not after.is_open:
        news += await _end(session, down, DOWN_AGAIN)
    if after.slow_at is not None and before.slow_at is None:
        moment = f"{after.slow_at.astimezone(UTC):%H:%M:%S} UTC"
        message = f"{system.label} has given no answer since {moment}."
        news += await _begin(session, slow, message)
    if before.slow_at is not None and after.slow_at is None:
        news += await _end(session, slow, OUTAGE_INSTEAD if after.is_open else QUICK_AGAIN)
    if after.rejected_at is not None and before.rejected_at is None:
        message = f"{system.label} refuses the credentials: {after.last_error}"
        news += await _begin(session, rejected, message)
    if before.rejected_at is not None and after.rejected_at is None:
        news += await _end(session, rejected, KNOWN_AGAIN)
    return news


async def _begin(session: Session, trouble: Trouble, message: str) -> list[Tell]:
    new = await begin(session, trouble, message)
    return [partial(log_begin, trouble, message)] if new else []


async def _end(session: Session, trouble: Trouble, mended: str) -> list[Tell]:
    ended = await end(session, trouble, mended)
    return [partial(log_end, trouble, mended)] if ended else []

"""What a delivery waits for while a system that it needs is left alone."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel

from app.api.fields import Time
from app.errors import CallsPaused, CircuitOpen
from app.remotes.news import explain_hold, held_until, keys_of
from app.remotes.state import RemoteState

Remotes = Mapping[str, RemoteState]


class Held(BaseModel):
    """Why a delivery that could be worked on is not: `remote` (`vtiger`, `woocommerce:<store>`) is
    not called before `until`, when it is probed or the pause that it asked for ends."""

    remote: str
    reason: str
    since: Time | None
    until: Time
    message: str


def find_hold(store: str, remotes: Remotes, now: datetime) -> Held | None:
    """The remote that makes a store's deliveries wait longest."""
    known = {key: remotes[key] for key in keys_of(store) if key in remotes}
    holds = [
        Held(
            remote=key,
            reason=(CircuitOpen if state.is_open else CallsPaused).reason,
            since=state.opened_at if state.is_open else state.slowed_at,
            until=until,
            message=explain_hold(state, now),
        )
        for key, state in known.items()
        if (until := held_until(state, now)) is not None
    ]
    return max(holds, key=lambda held: held.until, default=None)

"""A person's word on a conflict: written down, and brought to the pair like any other hint."""

from dataclasses import dataclass
from datetime import datetime

from app.db.session import transaction
from app.domain import Event, Origin, StaleState, System
from app.inbox.repository import NewDelivery, accept, decision_key
from app.links.conflicts import decide, find_for_decision
from app.links.models import FieldConflict
from app.runtime import Runtime

SETTLED = "The conflict is settled already: {resolution} was kept."
CHANGED = "A side changed again in between: look at the values once more, then decide."


@dataclass(frozen=True, slots=True)
class Decided:
    """The conflict with the decision, and the hint that will write it."""

    conflict: FieldConflict
    delivery_id: int


async def resolve(
    runtime: Runtime, conflict_id: int, *, keep: System, by: str, seen_at: datetime | None = None
) -> Decided | None:
    """The next merge of the pair keeps this side's value, as long as both are as shown now.

    `seen_at` is the conflict's `updated_at` as the person saw it. None if there is no such
    conflict; StaleState if it is settled, or has other values than the person saw.
    """
    async with transaction(runtime.sessions) as session:
        conflict = await find_for_decision(session, conflict_id)
        if conflict is None:
            return None
        _check(conflict, seen_at)
        decide(conflict, keep=keep, by=by)
        [accepted] = await accept(session, [_hint(conflict, keep)])
        await session.flush()
        await session.refresh(conflict)
    return Decided(conflict, accepted.id)


def _check(conflict: FieldConflict, seen_at: datetime | None) -> None:
    if conflict.applied_at is not None:
        raise StaleState(SETTLED.format(resolution=conflict.resolution))
    if seen_at is not None and seen_at != conflict.updated_at:
        raise StaleState(CHANGED)


def _hint(conflict: FieldConflict, keep: System) -> NewDelivery:
    """About the record whose value is kept, so that the log tells of the one that is written."""
    record = conflict.record(keep)
    return NewDelivery(
        record=record,
        origin=Origin.MANUAL,
        event=Event.CHANGED,
        dedupe_key=decision_key(record),
        remote_note=f"decision on conflict {conflict.id}: keep {keep}",
    )

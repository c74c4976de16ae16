"""Users' decisions on conflicts: stored, and applied by a hint on the pair."""

from dataclasses import dataclass
from datetime import datetime

from app.db.session import transaction
from app.domain import Event, Origin, StaleState, System
from app.inbox.repository import NewDelivery, accept, decision_key
from app.links.conflicts import decide, find_for_decision
from app.links.models import FieldConflict
from app.runtime import Runtime

SETTLED = "The conflict is settled already: {resolution} was kept."
CHANGED = "A side has changed in the meantime: check the values again, then decide."


@dataclass(frozen=True, slots=True)
class Decided:
    """The conflict with its decision, and the id of the delivery that will apply it."""

    conflict: FieldConflict
    delivery_id: int


async def resolve(
    runtime: Runtime, conflict_id: int, *, keep: System, by: str, seen_at: datetime | None = None
) -> Decided | None:
    """Decide that the next merge keeps this side's value, provided that neither side has changed.

    `seen_at` is the conflict's `updated_at` as the user saw it. Returns None if there is no such
    conflict. Raises StaleState if it is settled or has other values than the user saw.
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
    """A hint about the record whose value is kept, so that the log names the other as target."""
    record = conflict.record(keep)
    return NewDelivery(
        record=record,
        origin=Origin.MANUAL,
        event=Event.CHANGED,
        dedupe_key=decision_key(record),
        remote_note=f"decision on conflict {conflict.id}: keep {keep}",
    )

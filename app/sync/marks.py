"""Each record of a pair carries the other's id, where there is a field for it."""

from dataclasses import replace

from app.errors import WooVtigerError
from app.inbox.dedupe import mark_key
from app.inbox.repository import NewDelivery
from app.links.models import Link
from app.records import Event, Origin, Outcome, Record
from app.sync.sides import Side
from app.sync.stamps import stamp_written
from app.sync.work import Ending, Work


async def leave_ids(work: Work, ending: Ending, *sides: Side) -> Ending:
    """Leave each side's id in the other. What fails here is noted; where another try can help, a
    hint sees to it, which has nothing else to do and raises what fails: the RemoteError tree.

    Not for a side that shows an echo: an id that did not stick would be written again for ever.
    """
    if ending.link is None:
        return ending
    notes = [*ending.result.notes]
    for side in sides:
        partner = ending.link.side(side.system.other).id
        try:
            await _mark(work, ending.link, side, partner)
        except WooVtigerError as error:
            if error.retryable and ending.result.outcome is Outcome.UNCHANGED:
                raise
            if error.retryable:
                record = Record(work.record.store, side.system, work.adapter.module, side.id)
                await work.runtime.acceptor.accept([hint_again(record)])
            notes.append(mark_note(side, partner, error))
    return replace(ending, result=replace(ending.result, notes=notes))


async def _mark(work: Work, link: Link, side: Side, partner: str) -> None:
    if side.foreign_id == partner or not work.may_write(side.system):
        return
    work.lease.check()
    marked = await work.adapter.mark(side, partner)
    if marked is not side:
        stamp_written(link, marked)


def hint_again(record: Record) -> NewDelivery:
    """Have an id left that could not be left just now: nobody else needs the record for that."""
    return NewDelivery(record, Origin.REPLAY, Event.CHANGED, mark_key(record))


def mark_note(side: Side, partner: str, error: WooVtigerError) -> dict[str, str]:
    message = f"{side.system.label} did not take the other system's id: {error}"
    return {"field": "id", "reason": error.reason, "message": message, "value": partner}

"""Taking a record out of use where its partner was deleted, as the setting `deactivate` says, or is
not sold itself any more.

What that did is no edit of a person: when the deleted record comes back, it is what counts.
"""

from dataclasses import replace
from typing import Protocol, runtime_checkable

from app.errors import System
from app.inbox.waiting import was_tried
from app.links.models import Link
from app.mapping.bases import read_base, write_base
from app.mapping.values import Agreed, Base, Mapped, Value
from app.records import Outcome
from app.sync.outcome import Result, describe_changes, describe_notes
from app.sync.sides import Side, Written
from app.sync.stamps import stamp_written
from app.sync.work import LANDED, Work

STATUS = "status"
"""The field that says so, in every module that has it."""


@runtime_checkable
class Retires(Protocol):
    """An adapter of records that can be out of use: products and orders, not people or taxes."""

    async def retire(self, side: Side) -> Written:
        """The record made inactive, private or cancelled; `sent` is False if it was that."""
        ...


async def retire(work: Work, link: Link, gone: System) -> Result | None:
    """The partner of a record that is gone, out of use; None if there is nothing to do."""
    other = gone.other
    if not isinstance(work.adapter, Retires):
        return None
    before = await work.adapter.find(other, link.side(other).id)
    if before is None:
        return None
    work.lease.check()
    written = await work.adapter.retire(before)
    changes = _changes(before, written.after) if written.sent else await _lost(work, link, before)
    if not changes:
        return None
    rules = work.adapter.rules
    base = read_base(link.base, rules)
    old = before if written.sent else replace(before, values=_of(base, other))
    agreed = {name: Agreed(value, value) for name, value in changes.items()}
    link.base = write_base(base | agreed, rules)
    stamp_written(link, written.after)
    return Result(
        target=other,
        outcome=Outcome.UPDATED,
        source_id=link.side(gone).id,
        target_id=before.id,
        label=before.label,
        message="" if written.sent else LANDED,
        changes=describe_changes(old, changes, gone),
        notes=describe_notes(written.notes),
    )


async def _lost(work: Work, link: Link, before: Side) -> dict[str, Value]:
    """What an earlier try did to a record that is out of use already, though nobody heard so."""
    agreed = read_base(link.base, work.adapter.rules).get(STATUS)
    now = before.values.get(STATUS)
    if agreed is None or agreed.on(before.system) == now or not await _was_tried(work, link):
        return {}
    return {STATUS: now}


async def _was_tried(work: Work, link: Link) -> bool:
    """A hint of either record was tried before: the other's may have come to it first."""
    partner = link.record(work.record.system.other)
    async with work.runtime.sessions() as session:
        return work.is_retried or await was_tried(session, partner.key)


def _of(base: Base, system: System) -> Mapped:
    return Mapped({name: agreed.on(system) for name, agreed in base.items()})


def _changes(before: Side, after: Side) -> dict[str, Value]:
    return {
        name: value
        for name, value in after.values.values.items()
        if value != before.values.get(name)
    }

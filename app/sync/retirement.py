"""Taking a record out of use where its partner was deleted, as the setting `deactivate` says.

What that did is no edit of a person: when the deleted record comes back, it is what counts.
"""

from typing import Protocol, runtime_checkable

from app.errors import System
from app.links.models import Link
from app.mapping.bases import read_base, write_base
from app.mapping.values import Agreed, Value
from app.records import Outcome
from app.sync.marks import partner_id
from app.sync.outcome import Result, describe_changes, describe_notes
from app.sync.sides import Side, Written
from app.sync.stamps import stamp_written
from app.sync.work import Work


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
    before = await work.adapter.find(other, partner_id(link, other))
    if before is None:
        return None
    work.lease.check()
    written = await work.adapter.retire(before)
    if not written.sent:
        return None
    changes = _changes(before, written.after)
    rules = work.adapter.rules
    agreed = {name: Agreed(value, value) for name, value in changes.items()}
    link.base = write_base(read_base(link.base, rules) | agreed, rules)
    stamp_written(link, written.after)
    return Result(
        target=other,
        outcome=Outcome.UPDATED,
        source_id=partner_id(link, gone),
        target_id=before.id,
        label=before.label,
        changes=describe_changes(before, changes, gone),
        notes=describe_notes(written.notes),
    )


def _changes(before: Side, after: Side) -> dict[str, Value]:
    return {
        name: value
        for name, value in after.values.values.items()
        if value != before.values.get(name)
    }

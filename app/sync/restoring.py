"""Taking a record out of the shop's trash again, when its partner that was deleted is back.

Only what a deletion carried over by us put there: what a person deleted, a person restores. Vtiger
has no call that empties a recycle bin, and shops no trash for customers and rates.
"""

from dataclasses import replace
from typing import Protocol, runtime_checkable

from app.errors import System
from app.links.models import Link
from app.records import DeletePolicy, Outcome
from app.sync.pair import agree
from app.sync.sides import Side
from app.sync.stamps import stamp_written
from app.sync.work import Ending, Work

RESTORED = "Restored from the trash, as its partner was."


@runtime_checkable
class Restores(Protocol):
    """An adapter of records that the shop has a trash for: products and orders."""

    async def restore(self, record_id: str, twin: Side) -> Side | None:
        """The shop's record out of its trash, in the status that the twin has; None if it is
        gone for good."""
        ...


async def bring_back(work: Work, link: Link, source: Side) -> Ending | None:
    """The pair is whole again; None if its other record is not ours to restore, or cannot be."""
    ours = link.deleted_by_us_at is not None and work.target is System.WOOCOMMERCE
    wanted = work.policy.delete_policy is DeletePolicy.PROPAGATE and work.may_write(work.target)
    if not ours or not wanted or not isinstance(work.adapter, Restores):
        return None
    work.lease.check()
    restored = await work.adapter.restore(link.side(work.target).id, source)
    if restored is None:
        return None
    stamp_written(link, restored)
    link.deleted_by_us_at = None
    ending = await agree(work, link, source, restored)
    if ending.result.outcome is not Outcome.UNCHANGED:
        return ending
    told = replace(ending.result, outcome=Outcome.UPDATED, reason=None, message=RESTORED)
    return replace(ending, result=told)

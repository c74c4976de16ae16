"""What the end of one record does to the other: nothing, unless the settings say otherwise.

A deletion is believed only after a read has shown that the record is gone: WooCommerce sends
`product.deleted` for pages and coupons (contract page WooCommerce §1).
"""

from dataclasses import replace
from datetime import datetime

from app.db.session import transaction
from app.errors import System
from app.links.conflicts import Report
from app.links.models import Link
from app.links.repository import search_sightings, see
from app.records import DeletePolicy, Outcome
from app.sync.brake import hold_back
from app.sync.outcome import Result, skipped
from app.sync.restoring import Restores, bring_back
from app.sync.retirement import retire
from app.sync.sides import Side, Skip
from app.sync.work import Ending, Work
from app.synclog.repository import find_label

ABSENT = "absent"
"""What a record without a pair looked like that was hinted and not there."""

IGNORED = "The setting `delete_policy` is `{policy}`: the other record stays; the pair is marked."
RESTORE = "{system} {id} was deleted; restore it there to go on syncing this pair."
MAKE_AGAIN = (
    "{system} {id} was deleted and cannot be restored there: make it again, with the same e-mail "
    "or name, and it takes the place of the old one in this pair."
)
NEVER_PAIRED = "There is no such record in {system}, and it was never paired: nothing to do."
PERHAPS_MADE = (
    "The record is gone from {system}, and the answer to the call that was to create it in "
    "{other} was lost: look for it there."
)


async def end_of_source(work: Work, link: Link | None) -> Ending:
    """The hinted record is gone."""
    if link is None:
        await _see_absent(work)
        text = PERHAPS_MADE if await work.was_started() else NEVER_PAIRED
        names = {"system": work.record.system.label, "other": work.target.label}
        skip = Skip("not_found", text.format(**names))
        return Ending(skipped(work.target, work.record.id, skip))
    return await _carry_over(work, link, work.record.system)


async def _see_absent(work: Work) -> None:
    async with transaction(work.runtime.sessions) as session:
        await see(session, {work.record.key: ABSENT})


async def was_absent(work: Work) -> bool:
    """Whether a read has shown that a record without a pair is gone: a body that was sent before
    would make a twin for nobody."""
    async with work.runtime.sessions() as session:
        return (await search_sightings(session, [work.record.key])).get(work.record.key) == ABSENT


async def end_of_target(work: Work, link: Link, source: Side) -> Ending:
    """The hinted record lives, but its pair was deleted: it is not made again by surprise.

    Nobody told of that deletion yet, so it is carried over from here where the settings say so;
    one that was left alone before stays so, and one that we carried over is taken back.
    """
    known = link.side(work.target).deleted_at is not None
    if work.policy.delete_policy is not DeletePolicy.IGNORE and not known:
        return await _carry_over(work, link, work.target)
    if known and (back := await bring_back(work, link, source)):
        return back
    mark_deleted(link, work.target, work.runtime.clock())
    skip = Skip("delete_ignored", _how_to_restore(work, link))
    return await _end(work, link, skipped(work.target, source.id, skip, label=source.label))


def _how_to_restore(work: Work, link: Link) -> str:
    system = work.target
    restorable = system is System.VTIGER or isinstance(work.adapter, Restores)
    text = RESTORE if restorable else MAKE_AGAIN
    return text.format(system=system.label, id=link.side(system).id)


async def _end(work: Work, link: Link, result: Result) -> Ending:
    """A record that is gone has no name any more but the one that the log knows it by, and nobody
    has to decide what it shall say."""
    if not result.label:
        async with work.runtime.sessions() as session:
            result = replace(result, label=await find_label(session, link.id))
    return Ending(result, link, Report() if work.unsettled else None)


async def _carry_over(work: Work, link: Link, gone: System) -> Ending:
    """What the settings make of the record whose partner in `gone` is no more."""
    known = link.side(gone).deleted_at is not None
    mark_deleted(link, gone, work.runtime.clock())
    link.delete_held_at = None
    source_id, other = link.side(gone).id, gone.other
    retires = work.policy.delete_policy is DeletePolicy.DEACTIVATE and work.may_write(other)
    if retires and not known and (retired := await retire(work, link, gone)):
        return await _end(work, link, retired)
    if work.policy.delete_policy is not DeletePolicy.PROPAGATE or not work.may_write(other):
        message = IGNORED.format(policy=work.policy.delete_policy)
        return await _end(work, link, skipped(other, source_id, Skip("delete_ignored", message)))
    if link.side(other).deleted_at is None and (refused := await _delete(work, link, other)):
        return await _end(work, link, skipped(other, source_id, refused))
    deleted = Result(other, Outcome.DELETED, source_id, target_id=link.side(other).id)
    return await _end(work, link, deleted)


def mark_deleted(link: Link, system: System, now: datetime) -> None:
    gone = link.side(system)
    gone.deleted_at = gone.deleted_at or now


async def _delete(work: Work, link: Link, system: System) -> Skip | None:
    """The pair's record in `system` is deleted as well, or why not."""
    held = await hold_back(work, link)
    if isinstance(held, Skip):
        return held
    work.lease.check()
    refused = await work.adapter.delete(system, link.side(system).id)
    if refused is None:
        mark_deleted(link, system, work.runtime.clock())
        link.deleted_by_us_at = held
    return refused

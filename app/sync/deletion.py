"""What the end of one record does to the other: nothing, unless the settings say otherwise.

A deletion is believed only after a read has shown that the record is gone: WooCommerce sends
`product.deleted` for pages and coupons (contract page WooCommerce §1).
"""

from datetime import datetime

from app.db.session import transaction
from app.errors import System
from app.links.conflicts import Report
from app.links.deletions import within_brake
from app.links.models import Link
from app.records import DeletePolicy, Outcome
from app.sync.hold import PATIENCE
from app.sync.outcome import Result, skipped
from app.sync.retirement import retire
from app.sync.sides import Side, Skip
from app.sync.work import Ending, Work

IGNORED = "The setting `delete_policy` is `{policy}`: the other record stays; the pair is marked."
BRAKED = (
    "More than {percent} % of this module's pairs were deleted within an hour: nothing more is "
    "deleted until that hour has passed. Replay this delivery then, if the deletion is meant."
)
RESTORE = "{system} {id} was deleted; restore it there to go on syncing this pair."
NEVER_PAIRED = "There is no such record in {system}, and it was never paired: nothing to do."
PERHAPS_MADE = (
    "The record is gone from {system}, and the answer to the call that was to create it in "
    "{other} was lost: look for it there."
)


async def end_of_source(work: Work, link: Link | None) -> Ending:
    """The hinted record is gone."""
    if link is None:
        text = PERHAPS_MADE if await work.was_started() else NEVER_PAIRED
        names = {"system": work.record.system.label, "other": work.target.label}
        skip = Skip("not_found", text.format(**names))
        return Ending(skipped(work.target, work.record.id, skip))
    return await _carry_over(work, link, work.record.system)


async def end_of_target(work: Work, link: Link, source: Side) -> Ending:
    """The hinted record lives, but its pair was deleted: it is not made again by surprise.

    Nobody told of that deletion yet, so it is carried over from here where the settings say so;
    one that was left alone before stays so.
    """
    known = _is_deleted(link, work.target)
    if work.policy.delete_policy is not DeletePolicy.IGNORE and not known:
        return await _carry_over(work, link, work.target)
    mark_deleted(link, work.target, work.runtime.clock())
    message = RESTORE.format(system=work.target.label, id=_id_in(link, work.target))
    skip = Skip("delete_ignored", message)
    return _end(work, link, skipped(work.target, source.id, skip, label=source.label))


def _end(work: Work, link: Link, result: Result) -> Ending:
    """Nobody has to decide any more what a record shall say that is gone."""
    return Ending(result, link, Report() if work.unsettled else None)


async def _carry_over(work: Work, link: Link, gone: System) -> Ending:
    """What the settings make of the record whose partner in `gone` is no more."""
    known = _is_deleted(link, gone)
    mark_deleted(link, gone, work.runtime.clock())
    source_id, other = _id_in(link, gone), gone.other
    retires = work.policy.delete_policy is DeletePolicy.DEACTIVATE and work.may_write(other)
    if retires and not known and (retired := await retire(work, link, gone)):
        return _end(work, link, retired)
    if work.policy.delete_policy is not DeletePolicy.PROPAGATE or not work.may_write(other):
        message = IGNORED.format(policy=work.policy.delete_policy)
        return _end(work, link, skipped(other, source_id, Skip("delete_ignored", message)))
    if not _is_deleted(link, other):
        if not await _brake_allows(work):
            percent = work.runtime.settings.sync.delete_brake_percent
            skip = Skip("delete_brake", BRAKED.format(percent=percent))
            return _end(work, link, skipped(other, source_id, skip))
        work.lease.check()
        refused = await work.adapter.delete(other, _id_in(link, other))
        if refused is not None:
            return _end(work, link, skipped(other, source_id, refused))
        mark_deleted(link, other, work.runtime.clock())
    deleted = Result(other, Outcome.DELETED, source_id, target_id=_id_in(link, other))
    return _end(work, link, deleted)


def mark_deleted(link: Link, system: System, now: datetime) -> None:
    if system is System.WOOCOMMERCE:
        link.woo_deleted_at = link.woo_deleted_at or now
    else:
        link.vtiger_deleted_at = link.vtiger_deleted_at or now


def _is_deleted(link: Link, system: System) -> bool:
    moment = link.woo_deleted_at if system is System.WOOCOMMERCE else link.vtiger_deleted_at
    return moment is not None


def _id_in(link: Link, system: System) -> str:
    return link.woo_id if system is System.WOOCOMMERCE else link.vtiger_id


async def _brake_allows(work: Work) -> bool:
    """Deletions take turns, so that none is counted too late."""
    turn = f"deletions:{work.record.store}:{work.adapter.module}"
    await work.lease.extend([turn], patience=PATIENCE)
    async with transaction(work.runtime.sessions) as session:
        return await within_brake(
            session,
            work.record.store,
            work.adapter.module,
            percent=work.runtime.settings.sync.delete_brake_percent,
        )

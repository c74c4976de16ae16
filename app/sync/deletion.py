"""What the end of one record does to the other: nothing, unless the settings say otherwise.

A deletion is believed only after a read has shown that the record is gone: WooCommerce sends
`product.deleted` for pages and coupons (contract page WooCommerce §1).
"""

from datetime import datetime

from app.db.session import transaction
from app.errors import System
from app.links.deletions import within_brake
from app.links.models import Link
from app.records import DeletePolicy, Outcome
from app.sync.hold import PATIENCE
from app.sync.outcome import Result, skipped
from app.sync.sides import Side, Skip
from app.sync.work import Ending, Work

IGNORED = "The setting `delete_policy` is `{policy}`: the other record stays; the pair is marked."
BRAKED = (
    "More than {percent} % of this module's pairs were deleted within an hour: nothing more is "
    "deleted until that hour has passed. Replay this delivery then, if the deletion is meant."
)
NEVER_PAIRED = "There is no such record in {system}, and it was never paired: nothing to do."


async def end_of_source(work: Work, link: Link | None) -> Ending:
    """The hinted record is gone."""
    if link is None:
        skip = Skip("not_found", NEVER_PAIRED.format(system=work.record.system.label))
        return Ending(skipped(work.target, work.record.id, skip))
    mark_deleted(link, work.record.system, work.runtime.clock())
    if work.policy.delete_policy is not DeletePolicy.PROPAGATE or not work.may_write(work.target):
        return Ending(_left_alone(work), link)
    if _is_deleted(link, work.target):
        return Ending(_deleted(work, link), link)
    if not await _brake_allows(work):
        share = work.runtime.settings.sync.delete_brake_percent
        skip = Skip("delete_brake", BRAKED.format(percent=share))
        return Ending(skipped(work.target, work.record.id, skip), link)
    work.lease.check()
    await work.adapter.delete(work.target, _id_in(link, work.target))
    mark_deleted(link, work.target, work.runtime.clock())
    return Ending(_deleted(work, link), link)


def end_of_target(work: Work, link: Link, source: Side) -> Ending:
    """The hinted record lives, but its pair was deleted: it is not made again by surprise."""
    mark_deleted(link, work.target, work.runtime.clock())
    skip = Skip(
        "delete_ignored",
        f"{work.target.label} {_id_in(link, work.target)} was deleted; restore it there to "
        "go on syncing this pair.",
    )
    result = skipped(work.target, source.id, skip, label=source.label)
    return Ending(result, link)


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


def _left_alone(work: Work) -> Result:
    message = IGNORED.format(policy=work.policy.delete_policy)
    skip = Skip("delete_ignored", message)
    return skipped(work.target, work.record.id, skip)


def _deleted(work: Work, link: Link) -> Result:
    return Result(
        target=work.target,
        outcome=Outcome.DELETED,
        source_id=work.record.id,
        target_id=_id_in(link, work.target),
    )


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

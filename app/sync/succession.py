"""Finds the successor of a contact that was merged or deleted in Vtiger, and rebinds its pair.

A merge in Vtiger saves the remaining contact, moves the orders of the others to it without an
event, and deletes the others (modules/Vtiger/actions/ProcessDuplicates.php). The merge itself is
not reported, so the remaining contact is found by the values it has in common with the others."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

from app.db.session import transaction
from app.domain import MatchPolicy, Outcome, Record, System
from app.links.leases import LEASE_WAIT_SECONDS, lease_keys
from app.links.models import Link
from app.links.repository import find_link, remove_link
from app.mapping.rules import read_base, write_base
from app.mapping.values import Agreed
from app.modules.ports import Side, Skip, Successor
from app.sync.agreement import agree
from app.sync.creation import oldest_first
from app.sync.deletion import mark_deleted
from app.sync.work import Result, Settlement, Work, skipped, write_external_ids

REPLACED = "replaced"

MOVED = "Vtiger {gone} was merged or deleted; the pair now has {successor}, found by {means}."
NAMED = (
    "Vtiger {gone} was merged or deleted. {successor} took its place, found by {means}, and "
    "is paired with WooCommerce {other} already: later orders of this record refer to it."
)
RECREATED = "Vtiger {gone} was deleted; an order refers to it, so it was created again."


@runtime_checkable
class Succeeds(Protocol):
    """An adapter of records that users merge in Vtiger: contacts."""

    async def search_successors(self, woo: Side, gone_id: str) -> list[Successor]:
        """Records of Vtiger with the values that the deleted one shared with the shop's record."""
        ...


async def rebind_to_successor(work: Work, link: Link, source: Side | None) -> Settlement | None:
    """Rebind the pair to the successor of Vtiger's record; None if there is none or several.

    `source` is the shop's side if it was read already. Raises the RemoteError tree and LeaseLost.
    """
    if not isinstance(work.adapter, Succeeds) or link.deleted_by_us_at is not None:
        return None
    woo = source or await work.adapter.find(System.WOOCOMMERCE, link.woo_id)
    if woo is None:
        return None
    successors = await work.adapter.search_successors(woo, link.vtiger_id)
    successor = _choose(work, successors)
    if successor is None:
        return None
    record = Record(link.store, System.VTIGER, work.adapter.module, successor.side.id)
    await work.lease.extend(lease_keys(record), wait_seconds=LEASE_WAIT_SECONDS)
    async with work.runtime.sessions() as session:
        taken = await find_link(session, record)
    if taken is None:
        return await _rebind(work, link, woo, successor)
    return await _reference(work, link, woo, successor, taken)


def _choose(work: Work, successors: list[Successor]) -> Successor | None:
    if len(successors) < 2 or work.policy.ambiguous_match is not MatchPolicy.OLDEST:
        return successors[0] if len(successors) == 1 else None
    oldest = oldest_first([successor.side for successor in successors])[0]
    return next(successor for successor in successors if successor.side is oldest)


async def _rebind(work: Work, link: Link, woo: Side, successor: Successor) -> Settlement:
    """Bind the link to the successor and merge the pair.

    The successor's values are synced to the shop like any other edit, except for the e-mail, by
    which the shop's customer logs in.
    """
    gone = link.vtiger_id
    base = read_base(link.base, work.adapter.rules)
    base["email"] = Agreed(woo.values.get("email"), successor.side.values.get("email"))
    link.base = write_base(base, work.adapter.rules)
    link.vtiger_id, link.vtiger_deleted_at, link.replaced_by = successor.side.id, None, None
    link.vtiger_modified_at, link.vtiger_written_at, link.attempted = None, None, None
    link.delete_held_at = None
    link = await work.checkpoint(link)
    await work.read_conflicts(link)
    settlement = await agree(work, link, woo, successor.side)
    settlement = await write_external_ids(work, settlement, woo, successor.side)
    message = MOVED.format(gone=gone, successor=successor.side.id, means=successor.means)
    return replace(settlement, result=_with_notice(settlement.result, message))


async def _reference(
    work: Work, link: Link, woo: Side, successor: Successor, taken: Link
) -> Settlement:
    """Store the successor for later orders only, because it has a partner in this shop already."""
    link.replaced_by = successor.side.id
    mark_deleted(link, System.VTIGER, work.runtime.clock())
    link = await work.checkpoint(link)
    gone, other = link.vtiger_id, taken.woo_id
    message = NAMED.format(
        gone=gone, successor=successor.side.id, means=successor.means, other=other
    )
    source_id = woo.id if work.record.system is System.WOOCOMMERCE else gone
    result = skipped(work.target, source_id, Skip(REPLACED, message), label=woo.label)
    return Settlement(result, link)


def _with_notice(result: Result, message: str) -> Result:
    """Add the message to the result, unless it has a more severe reason."""
    if result.reason in (None, "no_difference", "echo"):
        return replace(result, reason=REPLACED, message=message)
    return result


async def remove_pair(work: Work, link: Link) -> None:
    """Delete the link, so that the shop's record counts as never paired."""
    async with transaction(work.runtime.sessions) as session:
        await work.lease.confirm(session)
        await remove_link(session, link)
    work.dependencies.remember(work.record, None)


def recreated_result(settlement: Settlement, gone: str) -> Settlement:
    """Note on a creation that it replaces the deleted record `gone` of Vtiger."""
    if settlement.result.outcome is not Outcome.CREATED:
        return settlement
    return replace(settlement, result=_with_notice(settlement.result, RECREATED.format(gone=gone)))

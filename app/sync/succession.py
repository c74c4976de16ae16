"""A contact that is gone from Vtiger, merged into another one or deleted: who takes its place.

A merge in Vtiger saves the contact that stays, moves the orders of the other ones to it without a
word, and deletes those (modules/Vtiger/actions/ProcessDuplicates.php). Nobody tells of the merge,
so the contact that stayed is looked for by what it has of the others."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

from app.db.session import transaction
from app.domain import MatchPolicy, Outcome, Record, System
from app.links.models import Link
from app.links.repository import find_link, remove_link
from app.mapping.rules import read_base, write_base
from app.mapping.values import Agreed
from app.modules.ports import PATIENCE, Side, Skip, Successor, lease_keys
from app.sync.agreement import agree
from app.sync.creation import oldest_first
from app.sync.deletion import mark_deleted
from app.sync.work import Ending, Result, Work, skipped, write_external_ids

REPLACED = "replaced"

MOVED = (
    "Vtiger {gone} is gone, merged or deleted; the pair went over to {successor}, found by {means}."
)
NAMED = (
    "Vtiger {gone} is gone, merged or deleted. {successor} took its place, found by {means}, and "
    "is paired with WooCommerce {other} already: later orders of this record name it."
)
MADE_AGAIN = "Vtiger {gone} was deleted; an order named it, so it was made again."


@runtime_checkable
class Succeeds(Protocol):
    """An adapter of records that people merge in Vtiger: contacts."""

    async def search_successors(self, woo: Side, gone_id: str) -> list[Successor]:
        """Vtiger's records that have what the one that is gone had of this record of the shop."""
        ...


async def hand_over(work: Work, link: Link, source: Side | None) -> Ending | None:
    """The pair with the one that took the place of Vtiger's record; None if there is none, or
    nobody can tell which. `source` is the shop's side, if it was read."""
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
    await work.lease.extend(lease_keys(record), wait_seconds=PATIENCE)
    async with work.runtime.sessions() as session:
        taken = await find_link(session, record)
    if taken is None:
        return await _move(work, link, woo, successor)
    return await _name(work, link, woo, successor, taken)


def _choose(work: Work, successors: list[Successor]) -> Successor | None:
    if len(successors) < 2 or work.policy.ambiguous_match is not MatchPolicy.OLDEST:
        return successors[0] if len(successors) == 1 else None
    oldest = oldest_first([successor.side for successor in successors])[0]
    return next(successor for successor in successors if successor.side is oldest)


async def _move(work: Work, link: Link, woo: Side, successor: Successor) -> Ending:
    """What a person chose in the merge goes to the shop like any other edit, but for the e-mail,
    by which the shop's customer logs in."""
    gone = link.vtiger_id
    base = read_base(link.base, work.adapter.rules)
    base["email"] = Agreed(woo.values.get("email"), successor.side.values.get("email"))
    link.base = write_base(base, work.adapter.rules)
    link.vtiger_id, link.vtiger_deleted_at, link.replaced_by = successor.side.id, None, None
    link.vtiger_modified_at, link.vtiger_written_at, link.attempted = None, None, None
    link.delete_held_at = None
    link = await work.keep(link)
    await work.read_conflicts(link)
    ending = await agree(work, link, woo, successor.side)
    ending = await write_external_ids(work, ending, woo, successor.side)
    message = MOVED.format(gone=gone, successor=successor.side.id, means=successor.means)
    return replace(ending, result=_told(ending.result, message))


async def _name(work: Work, link: Link, woo: Side, successor: Successor, taken: Link) -> Ending:
    """A record of Vtiger has one partner in a shop, so that orders alone go over."""
    link.replaced_by = successor.side.id
    mark_deleted(link, System.VTIGER, work.runtime.clock())
    link = await work.keep(link)
    gone, other = link.vtiger_id, taken.woo_id
    message = NAMED.format(
        gone=gone, successor=successor.side.id, means=successor.means, other=other
    )
    source_id = woo.id if work.record.system is System.WOOCOMMERCE else gone
    result = skipped(work.target, source_id, Skip(REPLACED, message), label=woo.label)
    return Ending(result, link)


def _told(result: Result, message: str) -> Result:
    """The row says so, unless there is something graver to say."""
    if result.reason in (None, "no_difference", "echo"):
        return replace(result, reason=REPLACED, message=message)
    return result


async def part(work: Work, link: Link) -> None:
    """The pair is no more: its record of the shop is as one that never had a partner."""
    async with transaction(work.runtime.sessions) as session:
        await work.lease.confirm(session)
        await remove_link(session, link)


def recreated_result(ending: Ending, gone: str) -> Ending:
    if ending.result.outcome is not Outcome.CREATED:
        return ending
    return replace(ending, result=_told(ending.result, MADE_AGAIN.format(gone=gone)))

"""What the end of one record does to the other, as the settings say: nothing, deletion, retirement,
restoring; and the brake on many deletions.

A deletion is believed only after a read has shown that the record is gone: WooCommerce sends
`product.deleted` for pages and coupons (contract page WooCommerce §1)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from time import monotonic
from typing import Protocol, runtime_checkable
from uuid import uuid4

from app.db.session import transaction
from app.domain import DeletePolicy, Event, LeaseLost, Module, Origin, Outcome, System
from app.inbox.repository import NewDelivery, accept, confirmation_key, was_attempted
from app.links.conflicts import Report, check_brake, confirm_held, search_held
from app.links.leases import STEP_SECONDS, hold
from app.links.models import Link
from app.links.repository import save_sightings, search_sightings
from app.mapping.rules import read_base, write_base
from app.mapping.values import Agreed, Base, Mapped, Value
from app.modules.ports import PATIENCE, Side, Skip, Written, pair_keys, stamp_written
from app.runtime import Runtime
from app.sync.agreement import agree
from app.sync.work import RECOVERED, Ending, Result, Work, describe_changes, describe_notes, skipped
from app.synclog.repository import find_label

# Deletions that the brake holds back, and the word of a person who means them.

BRAKED = (
    "More than {percent} % of this module's pairs would be deleted within an hour, so this "
    "deletion waits. If it is meant, “They are meant” under Conflicts or "
    "`woo-vtiger deletions --confirm` lets it through; if not, restore the record."
)
MOST_AT_ONCE = 500
CONFIRM_PATIENCE = 20.0
"""Seconds to wait for pairs in other hands."""


async def hold_back(work: Work, link: Link) -> Skip | datetime:
    """Why the pair's other record is not deleted now, or the moment from which it may be.

    Deletions take turns, so that none is counted too late.
    """
    store, module = work.record.store, work.adapter.module
    await work.lease.extend([f"deletions:{store}:{module}"], wait_seconds=PATIENCE)
    percent = work.runtime.settings.sync.delete_brake_percent
    async with work.runtime.sessions() as session:
        brake = await check_brake(session, store, module, percent=percent)
    if brake.allows or link.delete_confirmed_at is not None:
        return brake.now
    link.delete_held_at = brake.now
    return Skip("delete_brake", BRAKED.format(percent=percent))


async def confirm_deletions(runtime: Runtime, store: str, module: Module) -> int:
    """Bring all deletions that wait up again, past the brake; how many those are.

    A pair that a worker has in hand is waited for: what it writes down at its end was read before
    the confirmation. One that it does not leave for long stays held, and is not counted.
    """
    confirmed, give_up_at = 0, monotonic() + CONFIRM_PATIENCE
    while True:
        done, busy = await _confirm_free(runtime, store, module)
        confirmed += done
        if not busy or monotonic() >= give_up_at:
            return confirmed
        await asyncio.sleep(STEP_SECONDS)


async def _confirm_free(runtime: Runtime, store: str, module: Module) -> tuple[int, int]:
    """How many were confirmed, and how many are in other hands."""
    confirmed, busy, after = 0, 0, 0
    while True:
        async with runtime.sessions() as session:
            held = await search_held(session, store, module, after=after, most=MOST_AT_ONCE)
        if held:
            done = await _confirm(runtime, held)
            confirmed, busy, after = confirmed + done[0], busy + done[1], held[-1].id
        if len(held) < MOST_AT_ONCE:
            return confirmed, busy


async def _confirm(runtime: Runtime, held: Sequence[Link]) -> tuple[int, int]:
    seconds = runtime.settings.worker.lease_seconds
    async with hold(runtime.sessions, [], owner=uuid4().hex, seconds=seconds) as lease:
        free = await lease.take_free({str(link.id): pair_keys(link) for link in held})
        chosen = [link.id for link in held if str(link.id) in free]
        try:
            async with transaction(runtime.sessions) as session:
                await lease.confirm(session)
                links = await confirm_held(session, chosen)
                if links:
                    await accept(session, [_hint(link) for link in links])
        except LeaseLost:
            return 0, len(held)
    return len(links), len(held) - len(free)


def _hint(link: Link) -> NewDelivery:
    """About the record that is gone, as its deletion was told first."""
    gone = System.VTIGER if link.woo_deleted_at is None else System.WOOCOMMERCE
    record = link.record(gone)
    return NewDelivery(
        record=record,
        origin=Origin.MANUAL,
        event=Event.DELETED,
        dedupe_key=confirmation_key(record),
        remote_note="deletion confirmed",
    )


# Taking a record out of the shop's trash again, when its partner that was deleted is back.
#
# Only what a deletion carried over by us put there: what a person deleted, a person restores.
# Vtiger has no call that empties a recycle bin, and shops no trash for customers and rates.

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


# Taking a record out of use where its partner was deleted, as the setting `deactivate` says, or is
# not sold itself any more.
#
# What that did is no edit of a person: when the deleted record comes back, it is what counts.

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
        message="" if written.sent else RECOVERED,
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
        return work.is_retried or await was_attempted(session, partner.key)


def _of(base: Base, system: System) -> Mapped:
    return Mapped({name: agreed.on(system) for name, agreed in base.items()})


def _changes(before: Side, after: Side) -> dict[str, Value]:
    return {
        name: value
        for name, value in after.values.values.items()
        if value != before.values.get(name)
    }


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
        await save_sightings(session, {work.record.key: ABSENT})


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

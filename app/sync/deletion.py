"""Applies the delete policy to the partner of a deleted record, and limits mass deletions.

Depending on the policy the partner is kept, deleted, retired or restored. A deletion is processed
only after a read has confirmed it: WooCommerce sends `product.deleted` for pages and coupons
(contract page WooCommerce §1)."""

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
from app.links.leases import LEASE_WAIT_SECONDS, STEP_SECONDS, hold, pair_keys
from app.links.models import Link
from app.links.repository import save_sightings
from app.mapping.rules import read_base, write_base
from app.mapping.values import Agreed, Base, Mapped, Value
from app.modules.ports import Side, Skip, Written
from app.runtime import Runtime
from app.sync.agreement import agree
from app.sync.work import (
    RECOVERED,
    Result,
    Settlement,
    Work,
    describe_changes,
    describe_notes,
    skipped,
)
from app.synclog.repository import find_label

# The delete brake: deletions that are held back, and their confirmation.

BRAKED = (
    "More than {percent} % of this module's pairs would be deleted within an hour, so this "
    "deletion is held back. To confirm it, use “Confirm” under Conflicts or "
    "`woo-vtiger deletions --confirm`; otherwise restore the record."
)
BATCH_SIZE = 500
CONFIRM_TIMEOUT = 20.0
"""Seconds to wait for pairs that other workers have leased."""


async def hold_back(work: Work, link: Link) -> Skip | datetime:
    """Skip if the brake holds the deletion back; otherwise the time of the check.

    The checks of a module are serialised by a lease, so that each counts all earlier deletions.
    """
    store, module = work.record.store, work.adapter.module
    await work.lease.extend([f"deletions:{store}:{module}"], wait_seconds=LEASE_WAIT_SECONDS)
    percent = work.runtime.settings.sync.delete_brake_percent
    async with work.runtime.sessions() as session:
        brake = await check_brake(session, store, module, percent=percent)
    if brake.allows or link.delete_confirmed_at is not None:
        return brake.now
    link.delete_held_at = brake.now
    return Skip("delete_brake", BRAKED.format(percent=percent))


async def confirm_deletions(runtime: Runtime, store: str, module: Module) -> int:
    """Confirm all deletions that are held back and hint them again; returns their number.

    Waits for pairs that another worker has leased, because that worker read its link before the
    confirmation. Pairs that are not released in time stay held back and are not counted.
    """
    confirmed, give_up_at = 0, monotonic() + CONFIRM_TIMEOUT
    while True:
        count, busy = await _confirm_free(runtime, store, module)
        confirmed += count
        if not busy or monotonic() >= give_up_at:
            return confirmed
        await asyncio.sleep(STEP_SECONDS)


async def _confirm_free(runtime: Runtime, store: str, module: Module) -> tuple[int, int]:
    """The number of confirmed pairs, and of pairs that other workers have leased."""
    confirmed, busy, after = 0, 0, 0
    while True:
        async with runtime.sessions() as session:
            held = await search_held(session, store, module, after=after, most=BATCH_SIZE)
        if held:
            counts = await _confirm(runtime, held)
            confirmed, busy, after = confirmed + counts[0], busy + counts[1], held[-1].id
        if len(held) < BATCH_SIZE:
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
    """A hint about the deleted record."""
    gone = System.VTIGER if link.woo_deleted_at is None else System.WOOCOMMERCE
    record = link.record(gone)
    return NewDelivery(
        record=record,
        origin=Origin.MANUAL,
        event=Event.DELETED,
        dedupe_key=confirmation_key(record),
        remote_note="deletion confirmed",
    )


# Restoring a record from the shop's trash when its deleted partner is back.
#
# Only records that the sync itself deleted are restored; a user's deletion is undone by a user.
# Vtiger has no call that restores from its recycle bin, and shops have no trash for customers and
# tax rates.

RESTORED = "Restored from the trash, because its partner was restored."


@runtime_checkable
class Restores(Protocol):
    """An adapter of records with a trash in the shop: products and orders."""

    async def restore(self, record_id: str, twin: Side) -> Side | None:
        """Restore the shop's record with the status of its twin; None if it was permanently
        deleted."""
        ...


async def restore_partner(work: Work, link: Link, source: Side) -> Settlement | None:
    """Restore the partner and merge the pair; None if it may not or cannot be restored."""
    deleted_by_us = link.deleted_by_us_at is not None and work.target is System.WOOCOMMERCE
    is_allowed = work.policy.delete_policy is DeletePolicy.PROPAGATE and work.may_write(work.target)
    if not deleted_by_us or not is_allowed or not isinstance(work.adapter, Restores):
        return None
    work.lease.check()
    restored = await work.adapter.restore(link.side(work.target).id, source)
    if restored is None:
        return None
    link.stamp_written(restored.system, restored.modified_at)
    link.deleted_by_us_at = None
    settlement = await agree(work, link, source, restored)
    if settlement.result.outcome is not Outcome.UNCHANGED:
        return settlement
    result = replace(settlement.result, outcome=Outcome.UPDATED, reason=None, message=RESTORED)
    return replace(settlement, result=result)


# Retiring a record: its partner was deleted (policy `deactivate`), or is not sold any more.
#
# The change of status is added to the base, so that it is not synced back as a user's edit.

STATUS = "status"
"""The name of the status field in every module that has one."""


@runtime_checkable
class Retires(Protocol):
    """An adapter of records that can be retired: products and orders."""

    async def retire(self, side: Side) -> Written:
        """Make the record inactive, private or cancelled; `sent` is False if it was so already."""
        ...


async def retire(work: Work, link: Link, gone: System) -> Result | None:
    """Retire the partner of the record that is gone; None if there is nothing to do."""
    other = gone.other
    if not isinstance(work.adapter, Retires):
        return None
    before = await work.adapter.find(other, link.side(other).id)
    if before is None:
        return None
    work.lease.check()
    written = await work.adapter.retire(before)
    changes = (
        _changes(before, written.after)
        if written.sent
        else await _find_lost_retirement(work, link, before)
    )
    if not changes:
        return None
    rules = work.adapter.rules
    base = read_base(link.base, rules)
    old = before if written.sent else replace(before, values=_values_on(base, other))
    agreed = {name: Agreed(value, value) for name, value in changes.items()}
    link.base = write_base(base | agreed, rules)
    link.stamp_written(written.after.system, written.after.modified_at)
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


async def _find_lost_retirement(work: Work, link: Link, before: Side) -> dict[str, Value]:
    """The status that an earlier attempt wrote although its response was lost."""
    agreed = read_base(link.base, work.adapter.rules).get(STATUS)
    now = before.values.get(STATUS)
    if agreed is None or agreed.on(before.system) == now or not await _was_attempted(work, link):
        return {}
    return {STATUS: now}


async def _was_attempted(work: Work, link: Link) -> bool:
    """Whether a delivery of either record was attempted before."""
    partner = link.record(work.record.system.other)
    async with work.runtime.sessions() as session:
        return work.is_retried or await was_attempted(session, partner.key)


def _values_on(base: Base, system: System) -> Mapped:
    return Mapped({name: agreed.on(system) for name, agreed in base.items()})


def _changes(before: Side, after: Side) -> dict[str, Value]:
    return {
        name: value
        for name, value in after.values.values.items()
        if value != before.values.get(name)
    }


ABSENT = "absent"
"""The digest of a hinted record that has no link and does not exist."""

IGNORED = "The setting `delete_policy` is `{policy}`: the other record is kept; the pair is marked."
RESTORE = "{system} {id} was deleted; restore it there to continue the sync of this pair."
RECREATE = (
    "{system} {id} was deleted and cannot be restored there: create it again, with the same e-mail "
    "or name, and it takes the place of the old one in this pair."
)
NEVER_PAIRED = "There is no such record in {system}, and it was never paired: nothing to do."
POSSIBLY_CREATED = (
    "The record is gone from {system}, and the response to the call that was to create it in "
    "{other} was lost: check whether it exists there."
)


async def handle_deleted_source(work: Work, link: Link | None) -> Settlement:
    """Process a hinted record that does not exist."""
    if link is None:
        await _record_absence(work)
        text = POSSIBLY_CREATED if work.intent is not None else NEVER_PAIRED
        names = {"system": work.record.system.label, "other": work.target.label}
        skip = Skip("not_found", text.format(**names))
        return Settlement(skipped(work.target, work.record.id, skip))
    return await _propagate(work, link, work.record.system)


async def _record_absence(work: Work) -> None:
    async with transaction(work.runtime.sessions) as session:
        await save_sightings(session, {work.record.key: ABSENT})


def is_known_absent(work: Work) -> bool:
    """Whether a read has shown that a record without a link does not exist.

    An older webhook body must not create a twin of it.
    """
    return work.state.sighting == ABSENT


async def handle_deleted_target(work: Work, link: Link, source: Side) -> Settlement:
    """Process a hinted record whose partner was deleted; the partner is not created again.

    A deletion that is not known yet is propagated if the policy says so. A known one is left as it
    is, unless the sync itself deleted the partner: then the partner is restored.
    """
    known = link.side(work.target).deleted_at is not None
    if work.policy.delete_policy is not DeletePolicy.IGNORE and not known:
        return await _propagate(work, link, work.target)
    if known and (restored := await restore_partner(work, link, source)):
        return restored
    mark_deleted(link, work.target, work.runtime.clock())
    skip = Skip("delete_ignored", _how_to_restore(work, link))
    return await _settle(work, link, skipped(work.target, source.id, skip, label=source.label))


def _how_to_restore(work: Work, link: Link) -> str:
    system = work.target
    restorable = system is System.VTIGER or isinstance(work.adapter, Restores)
    text = RESTORE if restorable else RECREATE
    return text.format(system=system.label, id=link.side(system).id)


async def _settle(work: Work, link: Link, result: Result) -> Settlement:
    """The settlement of a deletion: the label is taken from the log, open conflicts are closed."""
    if not result.label:
        async with work.runtime.sessions() as session:
            result = replace(result, label=await find_label(session, link.id))
    return Settlement(result, link, Report() if work.unsettled else None)


async def _propagate(work: Work, link: Link, gone: System) -> Settlement:
    """Apply the delete policy to the record whose partner in `gone` was deleted."""
    known = link.side(gone).deleted_at is not None
    mark_deleted(link, gone, work.runtime.clock())
    link.delete_held_at = None
    source_id, other = link.side(gone).id, gone.other
    retires = work.policy.delete_policy is DeletePolicy.DEACTIVATE and work.may_write(other)
    if retires and not known and (retired := await retire(work, link, gone)):
        return await _settle(work, link, retired)
    if work.policy.delete_policy is not DeletePolicy.PROPAGATE or not work.may_write(other):
        message = IGNORED.format(policy=work.policy.delete_policy)
        return await _settle(work, link, skipped(other, source_id, Skip("delete_ignored", message)))
    if link.side(other).deleted_at is None and (refused := await _delete(work, link, other)):
        return await _settle(work, link, skipped(other, source_id, refused))
    deleted = Result(other, Outcome.DELETED, source_id, target_id=link.side(other).id)
    return await _settle(work, link, deleted)


def mark_deleted(link: Link, system: System, now: datetime) -> None:
    gone = link.side(system)
    gone.deleted_at = gone.deleted_at or now


async def _delete(work: Work, link: Link, system: System) -> Skip | None:
    """Delete the pair's record in `system`; returns the reason if it is not deleted."""
    held = await hold_back(work, link)
    if isinstance(held, Skip):
        return held
    work.lease.check()
    refused = await work.adapter.delete(system, link.side(system).id)
    if refused is None:
        mark_deleted(link, system, work.runtime.clock())
        link.deleted_by_us_at = held
    return refused

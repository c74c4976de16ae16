"""Reconciles one record: reads it and its partner, pairs or creates the partner, and merges."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain import Event, InvalidInput, Origin, Outcome, RemoteError, System
from app.inbox.models import Delivery
from app.links.models import Link
from app.mapping.rules import holds, read_base, write_base
from app.mapping.values import Agreed
from app.modules.ports import Side, Skip, direction_skip
from app.modules.shop_creation import ShopCreation
from app.parsing import parse_json
from app.sync.agreement import agree, merge_pair
from app.sync.creation import EPOCH, Twin, claim_twin, create, find_twin
from app.sync.deletion import handle_deleted_source, handle_deleted_target, is_known_absent, retire
from app.sync.succession import Succeeds, rebind_to_successor, recreated_result, remove_pair
from app.sync.work import (
    Result,
    Settlement,
    Work,
    hint_dependents,
    skipped,
    with_notes,
    write_external_ids,
)
from app.woocommerce.webhook_delivery import NO_RECORD

# When a webhook's body replaces a read of the record. Pure functions.
#
# Bodies are built when they are sent, but arrive in any order and may wait in the inbox (contract
# page WooCommerce §1). A body is used only if it is the only one, fresh, and its record was not
# deleted. A write to the shop is never based on a body: the record is read first.

MAX_CLOCK_SKEW = timedelta(minutes=1)


def find_sole_body(deliveries: Sequence[Delivery], link: Link | None) -> bytes | None:
    """The body that all deliveries share, if each was received and attempted once only.

    A shop reports a new record twice, as `created` and `updated`, with the same body.
    """
    bodies = {delivery.body for delivery in deliveries}
    if len(bodies) != 1 or (link is not None and link.woo_deleted_at is not None):
        return None
    return bodies.pop() if all(_is_plain(delivery) for delivery in deliveries) else None


def _is_plain(delivery: Delivery) -> bool:
    lone = delivery.duplicates == 0 and delivery.attempts == 1
    return lone and delivery.origin == Origin.WEBHOOK and delivery.event != Event.DELETED


def is_outdated(modified_at: datetime | None, *, known_at: datetime | None) -> bool:
    """Whether a body of the state at `modified_at` is not newer than the last state read.

    Such a body holds nothing new; any later change has a hint of its own.
    """
    return modified_at is not None and known_at is not None and modified_at <= known_at


def is_fresh(
    modified_at: datetime | None, *, known_at: datetime | None, now: datetime, within: timedelta
) -> bool:
    """Whether a body of the state at `modified_at` may replace a read.

    It must be newer than the last state read, at `known_at`, and younger than `within`. Times have
    a resolution of one second, so on a tie the record is read.
    """
    if modified_at is None or known_at is None:
        return False
    return modified_at > known_at and -MAX_CLOCK_SKEW <= now - modified_at <= within


async def reconcile(work: Work, link: Link | None) -> Settlement:
    """Sync one record. Raises the RemoteError tree and LeaseLost; the caller retries."""
    if not work.record.id:
        return _skip_unidentified(work)
    source = await _read_source(work, link)
    if source is None:
        return await _handle_missing_source(work, link)
    refused = work.adapter.objection(source)
    if refused is not None:
        await hint_dependents(work, source)
        if link is not None and refused.retires:
            return await _retire_partner(work, link, source, refused)
        return _skip(work, source, refused)
    settlement = await (
        _sync_unpaired(work, source) if link is None else _sync_pair(work, link, source)
    )
    return with_notes(settlement, source)


async def _retire_partner(work: Work, link: Link, former: Side, refused: Skip) -> Settlement:
    """Take the partner of a record out of use that may not be synced any more.

    An example is a product that became variable. Nothing else is synced.
    """
    target = former.system.other
    if work.may_write(target) and (retired := await retire(work, link, former.system)):
        return Settlement(replace(retired, message=retired.message or refused.message), link)
    return Settlement(skipped(work.target, work.record.id, refused, label=former.label))


async def _handle_missing_source(work: Work, link: Link | None) -> Settlement:
    """The hinted record was deleted; in Vtiger a successor may have taken its place."""
    if link is not None and work.record.system is System.VTIGER:
        rebound = await rebind_to_successor(work, link, None)
        if rebound is not None:
            return rebound
    return await handle_deleted_source(work, link)


async def _handle_missing_target(work: Work, link: Link, source: Side) -> Settlement:
    """The partner was deleted: a successor in Vtiger takes its place, or it is created again if
    an order depends on it."""
    if work.target is System.VTIGER and isinstance(work.adapter, Succeeds):
        rebound = await rebind_to_successor(work, link, source)
        if rebound is not None:
            return rebound
        if work.is_needed and work.may_write(work.target):
            await remove_pair(work, link)
            return recreated_result(await _sync_unpaired(work, source), link.vtiger_id)
    return await handle_deleted_target(work, link, source)


def _skip_unidentified(work: Work) -> Settlement:
    note = work.deliveries[-1].remote_note
    if note.startswith(NO_RECORD):
        skip = Skip("unreadable", note)
    else:
        skip = Skip("not_found", f"The shop could not read the record when it sent this: {note}")
    return Settlement(skipped(work.target, "", skip))


async def _read_source(work: Work, link: Link | None) -> Side | None:
    side = await _read_from_body(work, link)
    return side or await work.adapter.find(work.record.system, work.record.id)


async def _read_from_body(work: Work, link: Link | None) -> Side | None:
    """The source as in its webhook's body, if that is fresh or equals the base; otherwise None."""
    body = find_sole_body(work.deliveries, link)
    side = await _parse_body(work, body) if body is not None else None
    if side is None or work.record.system is not System.WOOCOMMERCE:
        return None
    if link is not None and _is_stale_body(work, link, side):
        return side
    if link is None and is_known_absent(work):
        return None
    known_at = EPOCH if link is None else link.woo_modified_at
    within = timedelta(seconds=work.runtime.settings.sync.fresh_body_seconds)
    now = work.runtime.clock()
    fresh = is_fresh(side.modified_at, known_at=known_at, now=now, within=within)
    return side if fresh else None


def _is_stale_body(work: Work, link: Link, side: Side) -> bool:
    old = is_outdated(side.modified_at, known_at=link.woo_modified_at)
    pending = work.unsettled or link.attempted
    return old and not pending and _matches_base(work, link, side)


async def _parse_body(work: Work, body: bytes) -> Side | None:
    """The record in a body; None if the body holds none, as for a deletion or an action."""
    try:
        data = parse_json(body)
        return await work.adapter.read_body(data) if isinstance(data, Mapping) else None
    except (ValueError, RemoteError, InvalidInput):
        return None


async def _sync_pair(work: Work, link: Link, source: Side) -> Settlement:
    """Sync a record that has a link.

    If the hinted side equals the base, the partner is not read, unless a conflict or an
    unconfirmed write is open.
    """
    is_recovered = work.intent is not None
    is_quiet = not is_recovered and not work.unsettled and not link.attempted
    if is_quiet and _is_event_driven(work) and _matches_base(work, link, source):
        return await write_external_ids(
            work, _unchanged(work, link, source), *_edited(link, source)
        )
    other = await work.adapter.find(work.target, link.side(work.target).id)
    if other is None:
        return await _handle_missing_target(work, link, source)
    refused = work.adapter.objection(other)
    if refused is not None and refused.retires:
        return await _retire_partner(work, link, other, refused)
    merged = await merge_pair(work, link, source, other) if source.from_webhook_body else None
    if merged is not None and merged.to_woo:  # which a body must not decide
        read = await work.adapter.find(source.system, source.id)
        if read is None:
            return await handle_deleted_source(work, link)
        source, merged = read, None
    edited = _edited(link, source, other)
    settlement = await agree(work, link, source, other, is_recovered=is_recovered, merged=merged)
    return await write_external_ids(work, settlement, *edited)


def _edited(link: Link, *sides: Side) -> list[Side]:
    return [
        side
        for side in sides
        if not link.is_echo(side.system, side.modified_at) and not _is_outdated_body(link, side)
    ]


def _is_outdated_body(link: Link, side: Side) -> bool:
    return side.from_webhook_body and is_outdated(side.modified_at, known_at=link.woo_modified_at)


def _is_event_driven(work: Work) -> bool:
    origins = {delivery.origin for delivery in work.deliveries}
    return origins <= {Origin.WEBHOOK, Origin.CALLBACK}


def _matches_base(work: Work, link: Link, side: Side) -> bool:
    base, values = read_base(link.base, work.adapter.rules), side.values
    marked = link.woo_deleted_at or link.vtiger_deleted_at
    return not marked and all(
        holds(
            rule,
            base,
            values.get(rule.name),
            system=side.system,
            exact=values.exact.get(rule.name),
        )
        for rule in work.adapter.rules
    )


def _unchanged(work: Work, link: Link, side: Side) -> Settlement:
    echo = link.is_echo(side.system, side.modified_at)
    _complete_base(work, link, side)
    if not side.from_webhook_body:
        link.stamp_read(side.system, side.modified_at)
    result = Result(
        target=work.target,
        outcome=Outcome.UNCHANGED,
        source_id=side.id,
        target_id=link.side(work.target).id,
        reason="echo" if echo else "no_difference",
        label=side.label,
    )
    return Settlement(result, link)


def _complete_base(work: Work, link: Link, side: Side) -> None:
    """Add what the shop's record holds in its own terms to a base of an earlier version."""
    if side.system is System.VTIGER or not side.values.exact:
        return
    base = read_base(link.base, work.adapter.rules)
    lacking = {
        name: replace(base[name], woo_exact=exact)
        for name, exact in side.values.exact.items()
        if name in base and base[name].woo_exact is None
    }
    if lacking:
        link.base = write_base({**base, **lacking}, work.adapter.rules)


async def _sync_unpaired(work: Work, source: Side) -> Settlement:
    """Sync a record without a link: find its twin, or create it."""
    found = await find_twin(work, source)
    if isinstance(found, Skip):
        return _skip(work, source, found)
    if found is not None:
        return await _pair(work, source, found)
    if not work.may_write(work.target):
        return _skip(work, source, direction_skip(work.policy.direction, work.target))
    refused = await _shop_refusal(work, source) or work.adapter.creation_objection(source)
    if refused is not None:
        return _skip(work, source, refused)
    created = await create(work, source)
    if isinstance(created, Settlement):
        return created
    return await _pair_with_existing(work, source, created)


async def _shop_refusal(work: Work, source: Side) -> Skip | None:
    """Why the settings do not allow to create the record in the shop, if so."""
    store, module = work.record.store, work.adapter.module
    creation = ShopCreation(work.runtime, store, module, work.policy)
    return (await creation.refuse([source], is_needed=work.is_needed)).get(source.id)


async def _pair_with_existing(work: Work, source: Side, holder: Side) -> Settlement:
    """Pair with the record that already has the unique value, as the target reported it."""
    taken = await claim_twin(work, source, holder)
    if isinstance(taken, Skip):
        return _skip(work, source, taken)
    return await _pair(work, source, taken)


def _skip(work: Work, source: Side, skip: Skip) -> Settlement:
    result = skipped(work.target, source.id, skip, label=source.label)
    return Settlement(result)


async def _pair(work: Work, source: Side, twin: Twin) -> Settlement:
    """Pair two existing records; the link is saved before anything is written.

    Both sides may be written to, so a source from a webhook's body is read first.
    """
    if source.from_webhook_body:
        read = await work.adapter.find(source.system, source.id)
        if read is None:
            return await handle_deleted_source(work, None)
        source = read
    if twin.is_recovered and twin.side.made is not None:
        unedited = _unedited(source, twin.side, twin.side.made)
        twin.link.base = write_base(unedited, work.adapter.rules)
    link = await work.checkpoint(twin.link)
    await work.read_conflicts(link)
    settlement = await agree(work, link, source, twin.side, is_recovered=twin.is_recovered)
    return await write_external_ids(work, settlement, source, twin.side)


def _unedited(source: Side, created: Side, names: Collection[str]) -> dict[str, Agreed]:
    """The base of a twin from an interrupted attempt: differences are the source's changes."""
    found = {name: created.values.get(name) for name in names}
    shown = {
        name: source.values.get(name) if value is None else value for name, value in found.items()
    }
    if created.system is System.VTIGER:
        return {name: Agreed(shown[name], found[name]) for name in names}
    return {name: Agreed(found[name], shown[name]) for name in names}

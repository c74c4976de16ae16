"""One record and its link: read, paired or created if need be, and brought into agreement."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain import Event, InvalidInput, Origin, Outcome, RemoteError, System
from app.inbox.models import Delivery
from app.links.models import Link
from app.mapping.rules import holds, read_base, write_base
from app.mapping.values import Agreed
from app.modules.ports import Side, Skip, is_echo, stamp_read
from app.modules.shop_creation import ShopCreation
from app.parsing import parse_json
from app.sync.agreement import agree, needs_reading
from app.sync.creation import EPOCH, Twin, create, find_twin, take
from app.sync.deletion import end_of_source, end_of_target, retire, was_absent
from app.sync.succession import Succeeds, hand_over, part, recreated_result
from app.sync.work import (
    Ending,
    Result,
    Work,
    hint_dependents,
    skipped,
    with_notes,
    write_external_ids,
)
from app.woocommerce.webhook import NO_RECORD

# When a webhook's body may stand in for reading the record. Pure.
#
# Bodies are built when they are sent, but arrive in any order and may wait in the inbox (contract
# page WooCommerce §1); so one is believed only alone, while it is fresh, and never about a record
# that was deleted. What is to be written to the shop is never decided by a body: the record is
# read for that.

SKEW = timedelta(minutes=1)


def find_lone_body(deliveries: Sequence[Delivery], link: Link | None) -> bytes | None:
    """The body that all waiting hints carry, if each came once and no try at it broke off.

    A shop tells of a new record twice, `created` and `updated`, in the same words.
    """
    bodies = {delivery.body for delivery in deliveries}
    if len(bodies) != 1 or (link is not None and link.woo_deleted_at is not None):
        return None
    return bodies.pop() if all(_is_plain(delivery) for delivery in deliveries) else None


def _is_plain(delivery: Delivery) -> bool:
    lone = delivery.duplicates == 0 and delivery.attempts == 1
    return lone and delivery.origin == Origin.WEBHOOK and delivery.event != Event.DELETED


def is_outdated(modified_at: datetime | None, *, known_at: datetime | None) -> bool:
    """Whether a body that tells of a change at `modified_at` was sent before what was seen last:
    it can tell nothing new, and what it does not tell has a hint of its own."""
    return modified_at is not None and known_at is not None and modified_at <= known_at


def is_fresh(
    modified_at: datetime | None, *, known_at: datetime | None, now: datetime, within: timedelta
) -> bool:
    """Whether a body that tells of a change at `modified_at` is news.

    The change is later than the last one seen, at `known_at` (times have a second's resolution,
    so a tie is read again), and younger than `within`.
    """
    if modified_at is None or known_at is None:
        return False
    return modified_at > known_at and -SKEW <= now - modified_at <= within


DIRECTION_OFF = "The direction is {direction}: {system} is not written from this side."


async def reconcile(work: Work, link: Link | None) -> Ending:
    """How the hint ends. Raises the RemoteError tree and LeaseLost; the caller tries again."""
    if not work.record.id:
        return _nameless(work)
    source = await _read_source(work, link)
    if source is None:
        return await _lose_source(work, link)
    refused = work.adapter.objection(source)
    if refused is not None:
        await hint_dependents(work, source)
        if link is not None and refused.retires:
            return await _retire_partner(work, link, source, refused)
        return _skip(work, source, refused)
    ending = await (_begin(work, source) if link is None else _go_on(work, link, source))
    return with_notes(ending, source)


async def _retire_partner(work: Work, link: Link, former: Side, refused: Skip) -> Ending:
    """A record that had a pair is none any more, such as a product that became variable: its
    partner is taken out of use, once, and nothing else is carried over."""
    target = former.system.other
    if work.may_write(target) and (retired := await retire(work, link, former.system)):
        return Ending(replace(retired, message=retired.message or refused.message), link)
    return Ending(skipped(work.target, work.record.id, refused, label=former.label))


async def _lose_source(work: Work, link: Link | None) -> Ending:
    """The hinted record is gone; another one of Vtiger's may have taken its place."""
    if link is not None and work.record.system is System.VTIGER:
        handed = await hand_over(work, link, None)
        if handed is not None:
            return handed
    return await end_of_source(work, link)


async def _lose_target(work: Work, link: Link, source: Side) -> Ending:
    """The pair's other record is gone: another one of Vtiger's takes its place, or it is made
    again if an order asks for it."""
    if work.target is System.VTIGER and isinstance(work.adapter, Succeeds):
        handed = await hand_over(work, link, source)
        if handed is not None:
            return handed
        if work.is_needed and work.may_write(work.target):
            await part(work, link)
            return recreated_result(await _begin(work, source), link.vtiger_id)
    return await end_of_target(work, link, source)


def _nameless(work: Work) -> Ending:
    note = work.deliveries[-1].remote_note
    if note.startswith(NO_RECORD):
        skip = Skip("unreadable", note)
    else:
        skip = Skip("not_found", f"The shop could not show the record when it sent this: {note}")
    return Ending(skipped(work.target, "", skip))


async def _read_source(work: Work, link: Link | None) -> Side | None:
    told = await _told_by_body(work, link)
    return told or await work.adapter.find(work.record.system, work.record.id)


async def _told_by_body(work: Work, link: Link | None) -> Side | None:
    """The source as its webhook carried it: news, or an old tale of what was agreed."""
    body = find_lone_body(work.deliveries, link)
    side = await _parse_body(work, body) if body is not None else None
    if side is None or work.record.system is not System.WOOCOMMERCE:
        return None
    if link is not None and _tells_nothing(work, link, side):
        return side
    if link is None and await was_absent(work):
        return None
    known_at = EPOCH if link is None else link.woo_modified_at
    within = timedelta(seconds=work.runtime.settings.sync.fresh_body_seconds)
    now = work.runtime.clock()
    fresh = is_fresh(side.modified_at, known_at=known_at, now=now, within=within)
    return side if fresh else None


def _tells_nothing(work: Work, link: Link, side: Side) -> bool:
    old = is_outdated(side.modified_at, known_at=link.woo_modified_at)
    pending = work.unsettled or link.attempted
    return old and not pending and _as_agreed(work, link, side)


async def _parse_body(work: Work, body: bytes) -> Side | None:
    """A body that is no record (a deletion, an action) is only a hint."""
    try:
        data = parse_json(body)
        return await work.adapter.read_body(data) if isinstance(data, Mapping) else None
    except (ValueError, RemoteError, InvalidInput):
        return None


async def _go_on(work: Work, link: Link, source: Side) -> Ending:
    """A known pair. A hint about a side that holds what was agreed needs no look at the other,
    unless the other's edit waits in a conflict."""
    ours = await work.was_started()
    calm = not ours and not work.unsettled and not link.attempted
    if calm and _is_told_by_event(work) and _as_agreed(work, link, source):
        return await write_external_ids(
            work, _unchanged(work, link, source), *_edited(link, source)
        )
    other = await work.adapter.find(work.target, link.side(work.target).id)
    if other is None:
        return await _lose_target(work, link, source)
    refused = work.adapter.objection(other)
    if refused is not None and refused.retires:
        return await _retire_partner(work, link, other, refused)
    if await needs_reading(work, link, source, other):
        read = await work.adapter.find(source.system, source.id)
        if read is None:
            return await end_of_source(work, link)
        source = read
    edited = _edited(link, source, other)
    return await write_external_ids(
        work, await agree(work, link, source, other, ours=ours), *edited
    )


def _edited(link: Link, *sides: Side) -> list[Side]:
    return [side for side in sides if not is_echo(link, side) and not _is_old_tale(link, side)]


def _is_old_tale(link: Link, side: Side) -> bool:
    return side.from_webhook_body and is_outdated(side.modified_at, known_at=link.woo_modified_at)


def _is_told_by_event(work: Work) -> bool:
    told = {delivery.origin for delivery in work.deliveries}
    return told <= {Origin.WEBHOOK, Origin.CALLBACK}


def _as_agreed(work: Work, link: Link, side: Side) -> bool:
    base = read_base(link.base, work.adapter.rules)
    marked = link.woo_deleted_at or link.vtiger_deleted_at
    return not marked and all(
        holds(rule, base, side.values.get(rule.name), system=side.system)
        for rule in work.adapter.rules
    )


def _unchanged(work: Work, link: Link, side: Side) -> Ending:
    echo = is_echo(link, side)
    if not side.from_webhook_body:
        stamp_read(link, side)
    result = Result(
        target=work.target,
        outcome=Outcome.UNCHANGED,
        source_id=side.id,
        target_id=link.side(work.target).id,
        reason="echo" if echo else "no_difference",
        label=side.label,
    )
    return Ending(result, link)


async def _begin(work: Work, source: Side) -> Ending:
    """A record without a pair: its twin is found, or made."""
    found = await find_twin(work, source)
    if isinstance(found, Skip):
        return _skip(work, source, found)
    if found is not None:
        return await _join(work, source, found)
    if not work.may_write(work.target):
        text = DIRECTION_OFF.format(direction=work.policy.direction, system=work.target.label)
        return _skip(work, source, Skip("direction_off", text))
    refused = await _shop_refusal(work, source) or work.adapter.creation_objection(source)
    if refused is not None:
        return _skip(work, source, refused)
    made = await create(work, source)
    return made if isinstance(made, Ending) else await _take(work, source, made)


async def _shop_refusal(work: Work, source: Side) -> Skip | None:
    """Why the settings do not have it made in the shop, if so."""
    store, module = work.record.store, work.adapter.module
    creation = ShopCreation(work.runtime, store, module, work.policy)
    return (await creation.refuse([source], is_needed=work.is_needed)).get(source.id)


async def _take(work: Work, source: Side, holder: Side) -> Ending:
    """The target refused a second one of a unique value, and told who has it."""
    taken = await take(work, source, holder)
    if isinstance(taken, Skip):
        return _skip(work, source, taken)
    return await _join(work, source, taken)


def _skip(work: Work, source: Side, skip: Skip) -> Ending:
    result = skipped(work.target, source.id, skip, label=source.label)
    return Ending(result)


async def _join(work: Work, source: Side, twin: Twin) -> Ending:
    """Two records that exist already become a pair, kept before anything is written: they may
    both be, so a body does not do."""
    if source.from_webhook_body:
        read = await work.adapter.find(source.system, source.id)
        if read is None:
            return await end_of_source(work, None)
        source = read
    if twin.ours and twin.side.made is not None:
        unedited = _unedited(source, twin.side, twin.side.made)
        twin.link.base = write_base(unedited, work.adapter.rules)
    link = await work.keep(twin.link)
    await work.read_conflicts(link)
    ending = await agree(work, link, source, twin.side, ours=twin.ours)
    return await write_external_ids(work, ending, source, twin.side)


def _unedited(source: Side, made: Side, names: Collection[str]) -> dict[str, Agreed]:
    """What our own broken create wrote is nobody's edit: where it differs, the source changed."""
    found = {name: made.values.get(name) for name in names}
    shown = {
        name: source.values.get(name) if value is None else value for name, value in found.items()
    }
    if made.system is System.VTIGER:
        return {name: Agreed(shown[name], found[name]) for name in names}
    return {name: Agreed(found[name], shown[name]) for name in names}

"""One record and its link: read, paired or created if need be, and brought into agreement."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import orjson

from app.db.session import transaction
from app.errors import InvalidInput, RemoteError, RemoteUnavailable, System, WooVtigerError
from app.inbox.models import Delivery
from app.links.models import Link
from app.links.repository import close_intent, find_intent, open_intent
from app.mapping.values import Agreed, base_from_json, base_to_json
from app.records import Origin, Outcome
from app.sync.deletion import end_of_source, end_of_target
from app.sync.freshness import find_fresh_body
from app.sync.match import Twin, find_twin, new_link
from app.sync.outcome import Result, describe_changes, describe_notes, skipped
from app.sync.pair import agree, stamp_read, stamp_written
from app.sync.sides import Side, Skip, Written
from app.sync.work import Ending, Work

DIRECTION_OFF = "The direction is {direction}: {system} is not written from this side."


async def reconcile(work: Work, link: Link | None) -> Ending:
    """How the hint ends. Raises the RemoteError tree and LeaseLost; the caller tries again."""
    if not work.record.id:
        return _nameless(work)
    source = await _read_source(work, link)
    if source is None:
        return await end_of_source(work, link)
    refused = work.adapter.objection(source)
    if refused is not None:
        return _skip(work, source, refused)
    if link is not None:
        return await _go_on(work, link, source)
    return await _begin(work, source)


def _nameless(work: Work) -> Ending:
    note = work.deliveries[-1].remote_note
    skip = Skip("not_found", f"The shop could not show the record when it sent this: {note}")
    return Ending(skipped(work.target, "", skip))


async def _read_source(work: Work, link: Link | None) -> Side | None:
    return _fresh_side(work, link) or await work.adapter.find(work.record.system, work.record.id)


def _fresh_side(work: Work, link: Link | None) -> Side | None:
    delivery = work.deliveries[-1]
    if work.record.system is not System.WOOCOMMERCE or delivery.body is None:
        return None
    side = _parse_body(work, delivery)
    if side is None:
        return None
    known_at = link.woo_modified_at if link is not None else None
    if (
        link is not None
        and side.modified_at == link.woo_written_at
        and _as_agreed(work, link, side)
    ):
        return side
    within = timedelta(seconds=work.runtime.settings.sync.fresh_body_seconds)
    body = find_fresh_body(work.deliveries, side.modified_at, known_at=known_at, within=within)
    return side if body is not None else None


def _parse_body(work: Work, delivery: Delivery) -> Side | None:
    """A body that is no record (a deletion, an action) is only a hint."""
    try:
        body = orjson.loads(delivery.body or b"")
        return work.adapter.read_body(body) if isinstance(body, Mapping) else None
    except (ValueError, RemoteError, InvalidInput):
        return None


async def _go_on(work: Work, link: Link, source: Side) -> Ending:
    """A known pair. A hint about a side that holds what was agreed needs no look at the other."""
    if _is_told_by_event(work) and _as_agreed(work, link, source):
        return await _marked(work, _unchanged(work, link, source), source)
    other = await work.adapter.find(work.target, _partner_id(link, work.target))
    if other is None:
        return end_of_target(work, link, source)
    return await _marked(work, await agree(work, link, source, other), source, other)


def _is_told_by_event(work: Work) -> bool:
    told = {delivery.origin for delivery in work.deliveries}
    return told <= {Origin.WEBHOOK, Origin.CALLBACK}


def _as_agreed(work: Work, link: Link, side: Side) -> bool:
    base = base_from_json(link.base)
    woo = side.system is System.WOOCOMMERCE
    marked = link.woo_deleted_at or link.vtiger_deleted_at
    return not marked and all(
        rule.name in base and rule.same(side.values.get(rule.name), _held(base[rule.name], woo=woo))
        for rule in work.adapter.rules
    )


def _held(agreed: Agreed, *, woo: bool) -> str | None:
    return agreed.woo if woo else agreed.vtiger


def _unchanged(work: Work, link: Link, side: Side) -> Ending:
    woo = side.system is System.WOOCOMMERCE
    written_at = link.woo_written_at if woo else link.vtiger_written_at
    echo = written_at is not None and written_at == side.modified_at
    stamp_read(link, side)
    result = Result(
        target=work.target,
        outcome=Outcome.UNCHANGED,
        source_id=side.id,
        target_id=_partner_id(link, work.target),
        reason="echo" if echo else "no_difference",
        label=side.label,
    )
    return Ending(result, link)


def _partner_id(link: Link, system: System) -> str:
    return link.woo_id if system is System.WOOCOMMERCE else link.vtiger_id


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
    refused = work.adapter.creation_objection(source)
    if refused is not None:
        return _skip(work, source, refused)
    return await _create(work, source)


def _skip(work: Work, source: Side, skip: Skip) -> Ending:
    result = skipped(work.target, source.id, skip, label=source.label)
    return Ending(result)


async def _join(work: Work, source: Side, twin: Twin) -> Ending:
    """Two records that exist already become a pair, kept before anything is written."""
    link = await work.keep(twin.link)
    ending = await agree(work, link, source, twin.side, ours=twin.ours)
    return await _marked(work, ending, source, twin.side)


async def _marked(work: Work, ending: Ending, *sides: Side) -> Ending:
    """Leave each side's id in the other. What fails here is noted, and tried on the next hint."""
    if ending.link is None:
        return ending
    notes = [*ending.result.notes]
    for side in sides:
        partner = _partner_id(ending.link, side.system.other)
        try:
            await _mark(work, ending.link, side, partner)
        except WooVtigerError as error:
            notes.append(_mark_note(side, partner, error))
    return replace(ending, result=replace(ending.result, notes=notes))


async def _mark(work: Work, link: Link, side: Side, partner: str) -> None:
    if side.foreign_id == partner or not work.may_write(side.system):
        return
    work.lease.check()
    marked = await work.adapter.mark(side, partner)
    if marked is not side:
        stamp_written(link, marked)


def _mark_note(side: Side, partner: str, error: WooVtigerError) -> dict[str, str]:
    message = f"{side.system.label} did not take the other system's id: {error}"
    return {"field": "id", "reason": error.reason, "message": message, "value": partner}


async def _create(work: Work, source: Side) -> Ending:
    await _wait_for_broken_call(work)
    async with transaction(work.runtime.sessions) as session:
        natural = ",".join(work.adapter.natural_keys(source))
        await open_intent(session, work.record, natural)
    work.lease.check()
    try:
        written = await work.adapter.create(work.target, source)
    except RemoteError as error:
        if not error.ambiguous:
            async with transaction(work.runtime.sessions) as session:
                await close_intent(session, work.record)
        raise
    return await _created(work, source, written)


async def _wait_for_broken_call(work: Work) -> None:
    """An earlier create may still be under way over there: give it time to show itself."""
    async with work.runtime.sessions() as session:
        found = await find_intent(session, work.record)
    wait = work.runtime.settings.sync.ambiguous_wait_seconds
    if found is not None and found[1] < wait:
        raise RemoteUnavailable(
            work.target, "an earlier create had no answer; looking again before repeating it"
        )


async def _created(work: Work, source: Side, written: Written) -> Ending:
    """The link is kept the moment the answer arrives; then the source learns the new id."""
    link = new_link(work, source, written.after.id)
    link.base = base_to_json(_first_base(work, source, written))
    stamp_read(link, source)
    stamp_written(link, written.after)
    link = await work.keep(link)
    return await _marked(work, Ending(_creation(work, source, written), link), source)


def _first_base(work: Work, source: Side, written: Written) -> dict[str, Agreed]:
    """What the source held beside what the target made of it.

    A field that was not sent counts as empty in the target: what a default or a workflow put
    there is an edit of the target and goes back to the source.
    """
    base = {}
    for rule in work.adapter.rules:
        mine, theirs = source.values.get(rule.name), written.after.values.get(rule.name)
        if not mine and theirs and rule.name not in written.unwritten:
            theirs = ""
        woo = source.system is System.WOOCOMMERCE
        base[rule.name] = Agreed(mine, theirs) if woo else Agreed(theirs, mine)
    return base


def _creation(work: Work, source: Side, written: Written) -> Result:
    values = {
        name: value
        for name, value in source.values.values.items()
        if value and name not in written.unwritten
    }
    return replace(
        Result(work.target, Outcome.CREATED, source.id, written.after.id),
        label=source.label,
        changes=describe_changes(None, values, source.system),
        notes=describe_notes(written.notes),
    )

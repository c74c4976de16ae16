"""Bringing one pair into agreement: both sides read, merged, written, and told."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from app.errors import System, WooVtigerError
from app.links.conflicts import Both, ConflictState, Report
from app.links.models import FieldConflict, Link, LinkSide
from app.mapping.bases import read_base, write_base
from app.mapping.values import Agreed
from app.records import ConflictPolicy, Module
from app.sync.agreement import Agreement, entry_for, result_of
from app.sync.attempts import Landing, find_landings, hear, may_have_landed, write_down
from app.sync.merge import Decision, Merge, merge, next_base
from app.sync.sides import Side, Written
from app.sync.stamps import stamp_read, stamp_written
from app.sync.work import Ending, Work, with_notes
from app.tasks import run_aside

LINES = "lines"
"""The field that holds an order's lines, as a JSON text with an object for each."""
JUST_TYPED = timedelta(days=1)
"""How long after it was made a record is still being entered."""


async def needs_reading(work: Work, link: Link, source: Side, other: Side) -> bool:
    """Whether the shop would be written on the word of a webhook's body."""
    if not source.is_hearsay:
        return False
    sides = {source.system: source, other.system: other}
    return bool((await _merge(work, link, sides)).to_woo)


async def agree(work: Work, link: Link, source: Side, other: Side, *, ours: bool = False) -> Ending:
    """Merge and write, one target after the other; each write is kept at once."""
    sides = {source.system: source, other.system: other}
    landings = _take_in_landings(work, link, sides)
    merged = await _merge(work, link, sides)
    agreement = Agreement(work, link, sides, merged, landings, ours=ours)
    await _write_down(agreement)
    for target in agreement.targets:
        work.lease.check()
        agreement.written[target] = await _write(agreement, target)
        if target != agreement.targets[-1]:
            await _keep_first(agreement, target)
    _refresh(agreement)
    agreement.link.attempted = None
    return with_notes(Ending(result_of(agreement), agreement.link, _report(agreement)), other)


async def _write_down(agreement: Agreement) -> None:
    """What is to be written is on record before it is sent."""
    attempts = {target: agreement.changes(target) for target in agreement.targets}
    if attempts:
        write_down(agreement.link, attempts, agreement.work.adapter.rules)
        agreement.link = await agreement.work.keep(agreement.link)


async def _write(agreement: Agreement, target: System) -> Written:
    """A failure says which of the two systems did not take what; one that surely wrote nothing
    leaves nothing on record."""
    current, source = agreement.sides[target], agreement.sides[target.other]
    try:
        return await agreement.work.adapter.update(current, agreement.changes(target), source)
    except WooVtigerError as error:
        error.target, error.source_id = target, source.id
        if not may_have_landed(error):
            hear(agreement.link, target)
            await agreement.work.keep(agreement.link)
        raise


def _report(agreement: Agreement) -> Report | None:
    """What became of the pair's conflicts; None if there is, and was, nothing to tell."""
    conflicts, policy = agreement.merged.conflicts, agreement.work.policy
    if not agreement.is_open and not agreement.work.unsettled:
        return None
    woo, vtiger = (agreement.sides[system] for system in System)
    asked = policy.conflict_policy is ConflictPolicy.ASK
    return Report(
        label=woo.label or vtiger.label,
        open=agreement.opened,
        settled={each.field: each.winner for each in conflicts if each.winner},
        now={rule.name: _both(woo, vtiger, rule.name) for rule in agreement.work.adapter.rules},
        woo_modified_at=woo.modified_at,
        vtiger_modified_at=vtiger.modified_at,
        by="direction" if asked else policy.conflict_policy,
    )


def _both(woo: Side, vtiger: Side, name: str) -> Both:
    return woo.values.get(name), vtiger.values.get(name)


async def _merge(work: Work, link: Link, sides: Mapping[System, Side]) -> Merge:
    text = sides[System.WOOCOMMERCE].values.get(LINES) or ""
    lines = text.count("{")
    return await run_aside(partial(_merged, work, link, sides), lines=lines)


def _merged(work: Work, link: Link, sides: Mapping[System, Side]) -> Merge:
    return merge(
        _believed(work, link, sides),
        sides[System.WOOCOMMERCE].values,
        sides[System.VTIGER].values,
        rules=work.adapter.rules,
        direction=work.policy.direction,
        policy=work.policy.conflict_policy,
        newer=newer_side(link, sides),
        carried=work.adapter.carried(sides[System.WOOCOMMERCE], sides[System.VTIGER]),
        decided=_decisions(work.unsettled),
    )


def _decisions(unsettled: Sequence[FieldConflict]) -> dict[str, Decision]:
    return {
        row.field: Decision(System(row.resolution), row.woo, row.vtiger)
        for row in unsettled
        if row.state == ConflictState.RESOLVED and row.resolution is not None
    }


def _take_in_landings(work: Work, link: Link, sides: Mapping[System, Side]) -> list[Landing]:
    """What unheard updates of ours did is agreed from now on: the base is kept with whatever is
    sent next, which takes their place on record."""
    base = read_base(link.base, work.adapter.rules)
    landings = find_landings(link, sides, base, work.adapter)
    for landing in landings:
        base |= landing.now
    if landings:
        link.base = write_base(base, work.adapter.rules)
    return landings


def _believed(work: Work, link: Link, sides: Mapping[System, Side]) -> dict[str, Agreed]:
    """The base without the fields that are half-written on a side: the other's go there again."""
    torn = frozenset().union(*(side.torn for side in sides.values()))
    base = read_base(link.base, work.adapter.rules)
    return {name: both for name, both in base.items() if name not in torn}


def newer_side(link: Link, sides: Mapping[System, Side]) -> System:
    """The side a person changed last; a stamp that our own write left says nothing.

    Of a product that is paired for the first time, a record typed into Vtiger just now is no news
    for the shop, which sells the product already.
    """
    woo, vtiger = (_edited_at(sides[system], link.side(system)) for system in System)
    if vtiger is None or _is_just_typed(link, sides):
        return System.WOOCOMMERCE
    return System.VTIGER if woo is None or vtiger > woo else System.WOOCOMMERCE


def _is_just_typed(link: Link, sides: Mapping[System, Side]) -> bool:
    if link.module != Module.PRODUCTS or link.base:
        return False
    woo, vtiger = sides[System.WOOCOMMERCE], sides[System.VTIGER]
    if woo.created_at is None or vtiger.created_at is None or vtiger.modified_at is None:
        return False
    young = vtiger.modified_at - vtiger.created_at < JUST_TYPED
    return young and vtiger.created_at > woo.created_at


def _edited_at(side: Side, known: LinkSide) -> datetime | None:
    return None if side.modified_at == known.written_at else side.modified_at


async def _keep_first(agreement: Agreement, target: System) -> None:
    """The first of two writes is on record before the second is tried."""
    _refresh(agreement)
    hear(agreement.link, target)
    agreement.link = await agreement.work.keep(agreement.link, entry_for(agreement, target))


def _refresh(agreement: Agreement) -> None:
    """The link's base and stamps after the writes so far."""
    link, written = agreement.link, agreement.written
    woo, vtiger = written.get(System.WOOCOMMERCE), written.get(System.VTIGER)
    unwritten = frozenset().union(*(each.unwritten for each in written.values()))
    rules = agreement.work.adapter.rules
    base = next_base(
        read_base(link.base, rules),
        agreement.merged,
        woo_after=woo.after.values if woo else None,
        vtiger_after=vtiger.after.values if vtiger else None,
        unwritten=unwritten,
        deferred=frozenset().union(*(each.deferred for each in written.values())),
    )
    link.base, link.forgotten_at = write_base(base, rules), None
    for side in agreement.sides.values():
        stamp_read(link, side)
    for each in written.values():
        if each.sent:
            stamp_written(link, each.after)

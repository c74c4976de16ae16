"""Finding the twin of a record that has no link yet, without ever taking somebody else's."""

from dataclasses import dataclass
from datetime import UTC, datetime

from app.db.session import transaction
from app.errors import System
from app.links.models import Link
from app.links.repository import close_intent, find_link
from app.policies.schemas import SyncPolicy
from app.records import MatchPolicy, Module, Record, is_guest
from app.sync.hold import PATIENCE, lease_keys
from app.sync.keys import takes_key
from app.sync.sides import Adapter, Side, Skip
from app.sync.work import Work

EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Twin:
    """The other side of a new pair; `ours` if an unfinished create of ours made it."""

    side: Side
    link: Link
    ours: bool


async def find_twin(work: Work, source: Side) -> Twin | Skip | None:
    """The twin with a link to be filled; Skip if it cannot be told; None if there is none.

    Takes leases on the natural keys and on the twin, so that a pair is made by one worker. A
    retry of an unfinished create looks here first: what it made is found by its key, or by the
    natural key where it was sent without one.
    """
    await work.lease.extend(work.adapter.natural_keys(source))
    begun = await work.find_begun()
    token = begun[0].token if begun is not None else None
    if token is None or not await takes_key(work.runtime, work.target, work.adapter.module):
        ours = begun is not None
        chosen = await choose_twin(work.adapter, work.policy, source, ours=ours)
    else:
        chosen = await choose_twin(work.adapter, work.policy, source)
        ours, chosen = await _told_by_key(work, token, chosen)
    return await take(work, source, chosen, ours=ours) if isinstance(chosen, Side) else chosen


async def _told_by_key(
    work: Work, token: str, found: Side | Skip | None
) -> tuple[bool, Side | Skip | None]:
    """Whether the twin is the one that the create with this key made, and the twin.

    Asked after the look: what the look saw and the key does not know is somebody else's.
    """
    made_id = await work.runtime.vtiger.find_saved(token)
    if made_id is None:
        if isinstance(found, Side):
            async with transaction(work.runtime.sessions) as session:
                await work.lease.confirm(session)
                await close_intent(session, work.record)
        return False, found
    if isinstance(found, Side) and found.id == made_id:
        return True, found
    return True, await work.adapter.find(work.target, made_id)


async def take(work: Work, source: Side, chosen: Side, *, ours: bool = False) -> Twin | Skip:
    """The twin with a link to be filled; Skip if it is not to be synced, or another's already."""
    await work.lease.extend(lease_keys(_record_of(work, chosen)), patience=_patience(work, source))
    return await _pair(work, source, chosen, ours=ours)


def _patience(work: Work, source: Side) -> float:
    """Where no natural key tells who is first, the shop's end of the pair waits."""
    waits = work.adapter.natural_keys(source) or source.system is System.WOOCOMMERCE
    return PATIENCE if waits else 0.0


async def choose_twin(
    adapter: Adapter, policy: SyncPolicy, source: Side, *, ours: bool = False
) -> Side | Skip | None:
    """The record that is meant, among those that match; it may be paired with another already.

    `ours`: an unfinished create of ours may have made one of them, the newest.
    """
    candidates = await adapter.search_twins(source)
    if isinstance(candidates, Skip):
        return candidates
    if not _know_each_other(source, candidates):
        rivals = await adapter.search_rivals(source)
        if rivals and not _is_chosen(policy, source, rivals):
            return _ambiguous(source.system, [source, *rivals])
    return _choose(policy, candidates, ours=ours)


def _know_each_other(source: Side, candidates: list[Side]) -> bool:
    """Each carries the other's id: no natural key has to tell."""
    return any(side.foreign_id == source.id and source.foreign_id == side.id for side in candidates)


def _is_chosen(policy: SyncPolicy, source: Side, rivals: list[Side]) -> bool:
    """Whether the setting picks the record among those that share its natural key."""
    oldest = oldest_first([source, *rivals])[0]
    return policy.ambiguous_match is MatchPolicy.OLDEST and oldest is source


def oldest_first(sides: list[Side]) -> list[Side]:
    return sorted(sides, key=lambda side: (side.created_at or EPOCH, len(side.id), side.id))


def _ambiguous(system: System, sides: list[Side]) -> Skip:
    ids = ", ".join(side.id for side in oldest_first(sides))
    return Skip(
        "ambiguous_match",
        f"{len(sides)} records in {system.label} match ({ids}): merge them there, or set "
        "`ambiguous_match` to `oldest`.",
    )


def _choose(policy: SyncPolicy, candidates: list[Side], *, ours: bool) -> Side | Skip | None:
    if not candidates:
        return None
    ordered = oldest_first(candidates)
    if len(candidates) == 1 or policy.ambiguous_match is MatchPolicy.OLDEST:
        return ordered[0]
    return ordered[-1] if ours else _ambiguous(candidates[0].system, candidates)


def _record_of(work: Work, side: Side) -> Record:
    return Record(work.record.store, side.system, work.adapter.module, side.id)


async def _pair(work: Work, source: Side, twin: Side, *, ours: bool) -> Twin | Skip:
    refused = work.adapter.objection(twin)
    if refused is not None:
        return refused
    async with transaction(work.runtime.sessions) as session:
        taken = await find_link(session, _record_of(work, twin))
    if taken is None:
        link = new_link(work.record.store, work.adapter.module, source, twin.id)
        link.made_in = twin.system if ours else None
        return Twin(twin, link, ours)
    partner = taken.side(source.system).id
    if not is_guest(partner) and await work.adapter.find(source.system, partner) is not None:
        return Skip(
            "ambiguous_match",
            f"{twin.system.label} {twin.id} matches, but is paired with {source.system.label} "
            f"{partner}: merge the two in {source.system.label}, or change what they share.",
        )
    return Twin(twin, _moved(taken, source), ours)


def new_link(store: str, module: Module, source: Side, twin_id: str) -> Link:
    link = Link(store=store, module=module, base={})
    link.side(source.system).id, link.side(source.system.other).id = source.id, twin_id
    return link


def _moved(link: Link, source: Side) -> Link:
    """The old partner is gone and a new record took its place: the pair starts afresh."""
    moved = link.side(source.system)
    moved.id, moved.deleted_at = source.id, None
    link.base, link.made_in = {}, None
    return link

"""A record without a link: its twin found, or made so that a broken call or a crash never makes it
twice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app.db.session import GroupCommit, Sessions, transaction
from app.domain import (
    MatchPolicy,
    Module,
    Outcome,
    Record,
    RemoteError,
    RemoteUnavailable,
    System,
    WooVtigerError,
    is_guest,
)
from app.links.leases import PairLease
from app.links.models import Link
from app.links.repository import add_links, close_intent, find_link, open_intent, renew_intent
from app.mapping.rules import write_base
from app.mapping.values import Agreed
from app.module_facts import FACTS
from app.modules.dependencies import hint_waiting_for
from app.modules.ports import (
    PATIENCE,
    Adapter,
    Side,
    Skip,
    Written,
    lease_keys,
    stamp_read,
    stamp_written,
)
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.sync.agreement import vanished
from app.sync.work import (
    Ending,
    Result,
    Work,
    describe_changes,
    describe_notes,
    skipped,
    with_headline,
    write_external_ids,
)
from app.vtiger.addon import new_key

# Which creates are sent with a key, so that none is made twice (decision 24).


async def takes_key(runtime: Runtime, target: System, module: Module) -> bool:
    """Whether the target makes nothing twice that is sent with one key. Raises the RemoteError
    tree where Vtiger cannot be asked what its add-on can."""
    return target is System.VTIGER and await runtime.vtiger.saves(FACTS[module].vtiger_name)


# Stores new pairs the moment their answers arrive, those that come together in one transaction.


class LinkWriter:
    """A pair is on disk before `keep` returns; raises LeaseLost and what the database raised."""

    def __init__(self, sessions: Sessions, lease: PairLease) -> None:
        self._sessions = sessions
        self._lease = lease
        self._links = GroupCommit(self._commit)

    async def keep(self, link: Link) -> None:
        await self._links.store(link)

    async def _commit(self, links: Sequence[Link]) -> Sequence[None]:
        async with transaction(self._sessions) as session:
            await self._lease.confirm(session)
            await add_links(session, links)
            await hint_waiting_for(session, links)
        return [None] * len(links)


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
    await work.lease.extend(
        lease_keys(_record_of(work, chosen)), wait_seconds=_patience(work, source)
    )
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


# Making the twin of a record, so that a broken call or a crash never makes it twice.
#
# The intent is written down before the call and stays until the outcome is logged. Where the add-
# on writes in Vtiger, the call carries the intent's token as its key: whoever comes after a crash
# asks by it, or sends it again, and nothing is made twice. Elsewhere it looks first, and knows
# that what it finds may be ours. Architecture, "Exactly one effect"; decision 24.


async def create(work: Work, source: Side) -> Ending | Side:
    """The twin is made; a Side is one that was there already, though no look had found it."""
    keyed = await takes_key(work.runtime, work.target, work.adapter.module)
    await _wait_for_broken_call(work, keyed=keyed)
    async with transaction(work.runtime.sessions) as session:
        await work.lease.confirm(session)
        natural = ",".join(work.adapter.natural_keys(source))
        key = await open_intent(session, work.record, natural, token=new_key() if keyed else None)
    work.lease.check()
    try:
        written = await work.adapter.create(work.target, source, key or "")
    except WooVtigerError as error:
        await note_failure(work.runtime, work.record, lease=work.lease, error=error)
        raise
    if isinstance(written, Written):
        return await _created(work, source, written)
    async with transaction(work.runtime.sessions) as session:
        await work.lease.confirm(session)
        await close_intent(session, work.record)
    if isinstance(written, Side):
        return written
    return Ending(skipped(work.target, source.id, written, label=source.label))


async def note_failure(
    runtime: Runtime, record: Record, *, lease: PairLease, error: WooVtigerError
) -> None:
    """A create that surely did not happen leaves nothing; one that may have is looked for from
    now on, for it may show itself late. What followed one that did changes nothing.

    LeaseLost if the intent is another worker's by now.
    """
    if error.made:
        return
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        if isinstance(error, RemoteError) and error.ambiguous:
            await renew_intent(session, record)
        else:
            await close_intent(session, record)


async def _wait_for_broken_call(work: Work, *, keyed: bool) -> None:
    """An earlier create may still be under way over there: give it time to show itself. One that
    is sent again with its key need not wait: what is under way is waited for over there."""
    found = await work.find_begun()
    wait = work.runtime.settings.sync.ambiguous_wait_seconds
    if found is not None and found[1] < wait and not (keyed and found[0].token):
        raise RemoteUnavailable(
            work.target, "an earlier create had no answer; looking again before repeating it"
        )


async def _created(work: Work, source: Side, written: Written) -> Ending:
    """The link is kept the moment the answer arrives; then the source learns the new id."""
    link = await work.keep(paired(work.adapter, work.record.store, source, written=written))
    ending = Ending(created_result(work.adapter, source, written), link)
    return await write_external_ids(work, ending, source)


def paired(adapter: Adapter, store: str, source: Side, *, written: Written) -> Link:
    """The link of a record with the twin that was made of it."""
    link = new_link(store, adapter.module, source, written.after.id)
    link.made_in = written.after.system
    link.base = write_base(_first_base(adapter, source, written), adapter.rules)
    stamp_read(link, source)
    stamp_written(link, written.after)
    return link


def _first_base(adapter: Adapter, source: Side, written: Written) -> dict[str, Agreed]:
    """What the source held beside what the target made of it.

    A field that was not sent counts as empty in the target: what a default or a workflow put
    there is an edit of the target and goes back to the source.
    """
    base = {}
    for rule in adapter.rules:
        mine, theirs = source.values.get(rule.name), written.after.values.get(rule.name)
        if not mine and theirs and rule.name not in written.unwritten:
            theirs = ""
        woo = source.system is System.WOOCOMMERCE
        if rule.custom and None in (mine, theirs):
            continue
        base[rule.name] = Agreed(mine, theirs) if woo else Agreed(theirs, mine)
    return base


def created_result(adapter: Adapter, source: Side, written: Written) -> Result:
    target = source.system.other
    wanted = {
        rule.name: value
        for rule in adapter.rules
        if (value := source.values.get(rule.name)) and rule.direction.allows(target)
    }
    gone = [
        vanished(rule.name, target, wanted[rule.name])
        for rule in adapter.rules
        if rule.custom and rule.name in wanted and written.after.values.get(rule.name) is None
    ]
    left_out = written.unwritten | {note.field for note in gone}
    values = {name: value for name, value in wanted.items() if name not in left_out}
    notes = [*written.notes, *gone]
    told = replace(
        Result(target, Outcome.CREATED, source.id, written.after.id),
        label=source.label,
        changes=describe_changes(None, values, source.system),
        notes=describe_notes(notes),
    )
    return with_headline(told, notes)

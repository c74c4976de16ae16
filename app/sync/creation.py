"""Finds the twin of a record without a link, or creates it exactly once despite lost responses."""

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
from app.links.leases import LEASE_WAIT_SECONDS, PairLease, lease_keys
from app.links.models import Intent, Link
from app.links.repository import add_links, close_intent, find_link, open_intent, renew_intent
from app.mapping.rules import write_base
from app.mapping.values import Agreed
from app.module_facts import FACTS
from app.modules.dependencies import hint_waiting_for
from app.modules.ports import Adapter, Side, Skip, Written
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.sync.agreement import field_gone_note
from app.sync.work import (
    Result,
    Settlement,
    Work,
    describe_changes,
    describe_notes,
    record_of,
    skipped,
    with_headline,
    write_external_ids,
)
from app.vtiger.addon import new_key

# Create keys (decision 24).


async def supports_create_key(runtime: Runtime, target: System, module: Module) -> bool:
    """Whether the target creates a record once for a create key, however often it is sent.

    Raises the RemoteError tree if Vtiger cannot be asked for the features of its add-on.
    """
    return target is System.VTIGER and await runtime.vtiger.saves(FACTS[module].vtiger_name)


class LinkWriter:
    """Stores new links; those that arrive together share one transaction.

    A link is committed before `save` returns. Raises LeaseLost and the database's errors.
    """

    def __init__(self, sessions: Sessions, lease: PairLease) -> None:
        self._sessions = sessions
        self._lease = lease
        self._links = GroupCommit(self._commit)

    async def save(self, link: Link) -> None:
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
    """The partner of a new pair; `is_recovered` if an interrupted attempt of ours created it."""

    side: Side
    link: Link
    is_recovered: bool


async def find_twin(work: Work, source: Side) -> Twin | Skip | None:
    """The twin and a new link; Skip if it is ambiguous or not synced; None if there is none.

    Leases the natural keys and the twin, so that only one worker creates the pair. After an
    interrupted create the twin is found by its create key, or by its natural key if it was sent
    without one.
    """
    await work.lease.extend(work.adapter.natural_keys(source))
    intent = work.intent
    token = intent.token if intent is not None else None
    target, module = work.target, work.adapter.module
    if token is None or not await supports_create_key(work.runtime, target, module):
        is_recovered = intent is not None
        chosen = await choose_twin(work.adapter, work.policy, source, is_recovered=is_recovered)
    else:
        chosen = await choose_twin(work.adapter, work.policy, source)
        is_recovered, chosen = await _resolve_by_key(work, token, chosen)
    if not isinstance(chosen, Side):
        return chosen
    return await claim_twin(work, source, chosen, is_recovered=is_recovered)


async def _resolve_by_key(
    work: Work, token: str, found: Side | Skip | None
) -> tuple[bool, Side | Skip | None]:
    """Whether the create with this key created the twin, and the twin.

    The key is queried after the search, so a record that the search found and the key does not
    name was created by somebody else.
    """
    made_id = await work.runtime.vtiger.find_saved(token)
    if made_id is None:
        if isinstance(found, Side):
            await _close_intent(work)
        return False, found
    if isinstance(found, Side) and found.id == made_id:
        return True, found
    return True, await work.adapter.find(work.target, made_id)


async def claim_twin(
    work: Work, source: Side, chosen: Side, *, is_recovered: bool = False
) -> Twin | Skip:
    """The twin and a new link; Skip if it may not be synced or has another partner."""
    await work.lease.extend(
        lease_keys(record_of(work, chosen)), wait_seconds=_max_wait(work, source)
    )
    return await _pair(work, source, chosen, is_recovered=is_recovered)


def _max_wait(work: Work, source: Side) -> float:
    """Seconds to wait for the lease: without a natural key only a source of the shop waits."""
    waits = work.adapter.natural_keys(source) or source.system is System.WOOCOMMERCE
    return LEASE_WAIT_SECONDS if waits else 0.0


async def choose_twin(
    adapter: Adapter, policy: SyncPolicy, source: Side, *, is_recovered: bool = False
) -> Side | Skip | None:
    """Choose the twin among the records that match; it may already have another partner.

    With `is_recovered`, an interrupted attempt of ours may have created the newest of them. Returns
    Skip if the match is ambiguous, None if nothing matches.
    """
    candidates = await adapter.search_twins(source)
    if isinstance(candidates, Skip):
        return candidates
    if not _reference_each_other(source, candidates):
        rivals = await adapter.search_rivals(source)
        if rivals and not _is_chosen(policy, source, rivals):
            return _ambiguous(source.system, [source, *rivals])
    return _choose(policy, candidates, is_recovered=is_recovered)


def _reference_each_other(source: Side, candidates: list[Side]) -> bool:
    """Whether a candidate and the source carry each other's id."""
    return any(side.foreign_id == source.id and source.foreign_id == side.id for side in candidates)


def _is_chosen(policy: SyncPolicy, source: Side, rivals: list[Side]) -> bool:
    """Whether `ambiguous_match` selects the source among the records with its natural key."""
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


def _choose(
    policy: SyncPolicy, candidates: list[Side], *, is_recovered: bool
) -> Side | Skip | None:
    if not candidates:
        return None
    ordered = oldest_first(candidates)
    if len(candidates) == 1 or policy.ambiguous_match is MatchPolicy.OLDEST:
        return ordered[0]
    return ordered[-1] if is_recovered else _ambiguous(candidates[0].system, candidates)


async def _pair(work: Work, source: Side, twin: Side, *, is_recovered: bool) -> Twin | Skip:
    refused = work.adapter.objection(twin)
    if refused is not None:
        return refused
    async with transaction(work.runtime.sessions) as session:
        taken = await find_link(session, record_of(work, twin))
    if taken is None:
        link = new_link(work.record.store, work.adapter.module, source, twin.id)
        link.made_in = twin.system if is_recovered else None
        return Twin(twin, link, is_recovered)
    partner = taken.side(source.system).id
    if not is_guest(partner) and await work.adapter.find(source.system, partner) is not None:
        return Skip(
            "ambiguous_match",
            f"{twin.system.label} {twin.id} matches, but is paired with {source.system.label} "
            f"{partner}: merge the two in {source.system.label}, or change what they share.",
        )
    return Twin(twin, _rebind(taken, source), is_recovered)


def new_link(store: str, module: Module, source: Side, twin_id: str) -> Link:
    """A link with an empty base, not stored yet."""
    link = Link(store=store, module=module, base={})
    link.side(source.system).id, link.side(source.system.other).id = source.id, twin_id
    return link


def _rebind(link: Link, source: Side) -> Link:
    """Bind the link to a new record that replaces a deleted partner, with an empty base."""
    moved = link.side(source.system)
    moved.id, moved.deleted_at = source.id, None
    link.base, link.made_in = {}, None
    return link


# Creating the twin exactly once.
#
# The intent is stored before the call and stays open until the outcome is logged. If the add-on
# writes in Vtiger, the call carries the intent's token as create key: after a crash the next worker
# queries the key or repeats the call. Elsewhere the next worker searches first, and what it finds
# may be the result of the interrupted call. Decisions 15 and 24.


async def create(work: Work, source: Side) -> Settlement | Side:
    """Create the twin. Returns a Side if it exists already, although the search did not find it."""
    keyed = await supports_create_key(work.runtime, work.target, work.adapter.module)
    _wait_for_interrupted_call(work, keyed=keyed)
    async with transaction(work.runtime.sessions) as session:
        await work.lease.confirm(session)
        natural = ",".join(work.adapter.natural_keys(source))
        key = await open_intent(session, work.record, natural, token=new_key() if keyed else None)
    work.intent = Intent(record_key=work.record.key, token=key)
    work.lease.check()
    try:
        written = await work.adapter.create(work.target, source, key or "")
    except WooVtigerError as error:
        await record_failed_create(work.runtime, work.record, lease=work.lease, error=error)
        raise
    if isinstance(written, Written):
        return await _created(work, source, written)
    await _close_intent(work)
    if isinstance(written, Side):
        return written
    return Settlement(skipped(work.target, source.id, written, label=source.label))


async def _close_intent(work: Work) -> None:
    async with transaction(work.runtime.sessions) as session:
        await work.lease.confirm(session)
        await close_intent(session, work.record)
    work.intent = None


async def record_failed_create(
    runtime: Runtime, record: Record, *, lease: PairLease, error: WooVtigerError
) -> None:
    """Close the intent if the create was certainly not applied; renew it if it may have been.

    An ambiguous create may become visible late, so its waiting time starts anew. An error after a
    successful create changes nothing. Raises LeaseLost if another worker has the intent by now.
    """
    if error.record_created:
        return
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        if isinstance(error, RemoteError) and error.ambiguous:
            await renew_intent(session, record)
        else:
            await close_intent(session, record)


def _wait_for_interrupted_call(work: Work, *, keyed: bool) -> None:
    """Raise RemoteUnavailable while an earlier create may still be in progress in the target.

    A create that is repeated with its key need not wait: the add-on serialises the two calls.
    """
    found, wait = work.intent, work.runtime.settings.sync.ambiguous_wait_seconds
    if found is not None and work.intent_age < wait and not (keyed and found.token):
        raise RemoteUnavailable(
            work.target, "an earlier create had no response; searching again before repeating it"
        )


async def _created(work: Work, source: Side, written: Written) -> Settlement:
    """Save the link when the response arrives, then write the new id into the source."""
    link = await work.checkpoint(
        build_link(work.adapter, work.record.store, source, written=written)
    )
    settlement = Settlement(created_result(work.adapter, source, written), link)
    return await write_external_ids(work, settlement, source)


def build_link(adapter: Adapter, store: str, source: Side, *, written: Written) -> Link:
    """The link of a record and the twin created from it."""
    link = new_link(store, adapter.module, source, written.after.id)
    link.made_in = written.after.system
    link.base = write_base(_first_base(adapter, source, written), adapter.rules)
    link.stamp_read(source.system, source.modified_at)
    link.stamp_written(written.after.system, written.after.modified_at)
    return link


def _first_base(adapter: Adapter, source: Side, written: Written) -> dict[str, Agreed]:
    """The base of a new pair: the source's values beside those that the target stored.

    A field that was not sent counts as empty in the target, so that the value of a default or a
    workflow is synced to the source like an edit.
    """
    base = {}
    for rule in adapter.rules:
        mine, theirs = source.values.get(rule.name), written.after.values.get(rule.name)
        if not mine and theirs and rule.name not in written.unwritten:
            theirs = ""
        woo = source.system is System.WOOCOMMERCE
        if rule.custom and None in (mine, theirs):
            continue
        exact = (
            source.values.exact.get(rule.name),
            written.after.values.exact.get(rule.name),
        )
        found = Agreed(mine, theirs, *exact) if woo else Agreed(theirs, mine, *reversed(exact))
        base[rule.name] = found
    return base


def created_result(adapter: Adapter, source: Side, written: Written) -> Result:
    """The result of a create: the values written, and notes on those that were not."""
    target = source.system.other
    wanted = {
        rule.name: value
        for rule in adapter.rules
        if (value := source.values.get(rule.name)) and rule.direction.allows(target)
    }
    gone_notes = [
        field_gone_note(rule.name, target, wanted[rule.name])
        for rule in adapter.rules
        if rule.custom and rule.name in wanted and written.after.values.get(rule.name) is None
    ]
    omitted = written.unwritten | {note.field for note in gone_notes}
    values = {name: value for name, value in wanted.items() if name not in omitted}
    notes = [*written.notes, *gone_notes]
    result = replace(
        Result(target, Outcome.CREATED, source.id, written.after.id),
        label=source.label,
        changes=describe_changes(None, values, source.system),
        notes=describe_notes(notes),
    )
    return with_headline(result, notes)

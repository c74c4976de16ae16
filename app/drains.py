"""What drains read from and write to the database, together: those of one process that begin at
about the same time are opened in one transaction, and what they write down shares one
(decision 30).

Tables are locked in the order of decision 16."""

import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from app.db.session import (
    Driver,
    GroupCommit,
    Session,
    Sessions,
    driver_of,
    driver_transaction,
    transaction,
)
from app.domain import (
    DeliveryState,
    Event,
    LeaseLost,
    Module,
    Origin,
    Record,
    System,
    bounded_key,
    guest_id_of,
)
from app.inbox.models import Delivery
from app.inbox.repository import (
    Hinted,
    NewDelivery,
    Settled,
    accept,
    claim_each,
    clear_wakeups,
    missing_key,
    peek_each,
    settle_groups,
)
from app.links.conflicts import Report, note
from app.links.leases import (
    TAKEN,
    TAKEN_OVER,
    Holding,
    PairLease,
    confirm_each,
    free_each,
    lease_keys,
    pair_keys,
    renewed,
    take_each,
)
from app.links.models import Link
from app.links.repository import (
    CHANGED,
    PairState,
    close_intents,
    mark_saved,
    read_pairs,
    save_link,
    take_missing,
    update_links,
)
from app.mapping.values import base_from_json
from app.module_facts import FACTS
from app.synclog.repository import NewEntry, append_each

MOST_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Opened:
    """What a drain begins with. Without `deliveries` there is nothing to do.

    `pair` is None if the record has another partner than when its keys were read, so that the lease
    of the new one is still to be taken. `chosen` is the cache of what users chose (`Runtime`).
    """

    lease: PairLease
    chosen: dict[str, Any]
    deliveries: Sequence[Delivery] = ()
    pair: PairState | None = None


@dataclass(slots=True)
class _Opening:
    """A record to open; `keys` are those of its lease, empty while it is not taken."""

    record_key: str
    lease: PairLease
    keys: set[str] = field(default_factory=set)
    deliveries: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True)
class WriteDown:
    """What a drain writes down in one transaction, in which its lease is confirmed.

    `entries` builds the log rows from the stored link. `deliveries` are settled as `settled_as`, if
    that is given, with the row `entry_id` or else the first of the new rows; the lease is released
    then, unless `keeps_lease`. The intent of `closed_intent` is deleted. `needs` are the keys of
    records that are available now: those that wait for one of them are hinted.
    """

    lease: PairLease
    link: Link | None = None
    conflicts: Report | None = None
    entries: Callable[[Link | None], Sequence[NewEntry]] = lambda _: ()
    deliveries: Sequence[int] = ()
    settled_as: DeliveryState | None = None
    ended: Collection[str] = ()
    entry_id: int | None = None
    closed_intent: str | None = None
    needs: Collection[str] = ()
    keeps_lease: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What was written down: the stored link, and the log rows with their ids."""

    link: Link | None
    entries: Sequence[tuple[int, NewEntry]]


class Drains:
    """Opens the drains of one process, and writes down their steps and results.

    Methods raise LeaseLost and the database's errors; an error of one drain fails no other."""

    def __init__(self, sessions: Sessions, lease_seconds: float) -> None:
        self._sessions = sessions
        self._lease_seconds = lease_seconds
        self._settings_version = 0
        self._chosen: dict[str, Any] = {}
        self._openings = GroupCommit(self._open, most_at_once=MOST_AT_ONCE)
        self._steps = GroupCommit(self._write, most_at_once=MOST_AT_ONCE)
        self._ends = GroupCommit(self._write, most_at_once=MOST_AT_ONCE)

    @asynccontextmanager
    async def open(self, record_key: str, owner: str) -> AsyncIterator[Opened]:
        """Lease the pair of a record, claim its open deliveries and read what is stored about it.

        The lease is renewed during the body and released afterwards. LeaseLost if another worker
        holds one of the keys."""
        lease = PairLease(self._sessions, owner, self._lease_seconds)
        opened = _raised(await self._openings.store(_Opening(record_key, lease)))
        if not opened.deliveries:
            yield opened
            return
        async with renewed(lease):
            yield opened

    async def write(self, step: WriteDown) -> Written:
        """Store a step of a drain, or its result."""
        group = self._steps if step.settled_as is None else self._ends
        return _raised(await group.store(step))

    async def _open(self, openings: Sequence[_Opening]) -> list[Opened | LeaseLost]:
        taken_at = time.monotonic()
        for each in openings:  # the group's transaction may have failed before
            each.keys, each.deliveries = set(), ()
        async with driver_transaction(self._sessions) as driver:
            hinted = await peek_each(driver, [each.record_key for each in openings])
            chosen = self._choices_at({each.settings_version for each in hinted.values()})
            refused = await self._lease(driver, openings, hinted)
            leased = [each for each in openings if each.keys]
            claimed = await claim_each(driver, [each.record_key for each in leased])
            for each in leased:
                each.deliveries = claimed[each.record_key]
            records = [hinted[each.record_key].record for each in leased if each.deliveries]
            pairs = await read_pairs(driver, records) if records else {}
            idle = [each for each in openings if not each.deliveries]
            useless = [(key, each.lease.owner) for each in idle for key in each.keys]
            if useless:
                await free_each(driver, useless)
            if idle_keys := {each.record_key for each in idle} - refused:
                await clear_wakeups(driver, sorted(idle_keys))
        return [
            LeaseLost(TAKEN)
            if each.record_key in refused and not each.keys
            else _opened(each, pairs.get(each.record_key), chosen, taken_at)
            for each in openings
        ]

    def _choices_at(self, versions: Collection[int]) -> dict[str, Any]:
        """The cache of what users chose: a new one after each change. What is read into it later
        than the version may be newer, and is read again with the next version."""
        if versions and max(versions) != self._settings_version:
            self._settings_version, self._chosen = max(versions), {}
        return self._chosen

    async def _lease(
        self, driver: Driver, openings: Iterable[_Opening], hinted: Mapping[str, Hinted]
    ) -> set[str]:
        """Lease the records with open deliveries and their partners; return the keys of records of
        which another drain holds a key. Of two openings that share a key the first one gets it."""
        owners: dict[str, str] = {}
        wanted: list[tuple[_Opening, set[str]]] = []
        refused: set[str] = set()
        for each in openings:
            keys = _keys_to_lease(each.record_key, hinted.get(each.record_key))
            if keys.isdisjoint(owners):
                wanted.append((each, keys))
                owners |= dict.fromkeys(keys, each.lease.owner)
            else:
                refused.add(each.record_key)
        taken = dict(await take_each(driver, owners, self._lease_seconds) if owners else ())
        for each, keys in wanted:
            if keys <= taken.keys():
                each.keys = keys
            else:
                refused.add(each.record_key)
        kept = set().union(*(each.keys for each, _ in wanted))
        if useless := taken.keys() - kept:
            await free_each(driver, [(key, taken[key]) for key in useless])
        return refused

    async def _write(self, steps: Sequence[WriteDown]) -> list[Written | LeaseLost]:
        items = [_Item(each) for each in steps]
        async with transaction(self._sessions) as session:
            driver = await driver_of(session)
            await _confirm(driver, items)
            await _save_links(session, items)
            await _append(session, items)
            await _settle(session, items)
        for item in items:
            if item.error is None and item.link is not None and item.link is item.step.link:
                mark_saved(item.link)
            if item.error is None and item.is_end:
                item.step.lease.mark_released()
        return [item.error or Written(item.link, item.logged) for item in items]


def _keys_to_lease(record_key: str, hinted: Hinted | None) -> set[str]:
    """The lease keys of a record with open deliveries and of its partner."""
    if hinted is None:
        return set()
    record, partner_id = hinted.record, hinted.partner_id
    records = [record] if record.module is not None else []
    if partner_id is not None:
        records.append(replace(record, system=record.system.other, id=partner_id))
    return {record_key, *map(bounded_key, lease_keys(*records))}


def _opened(
    opening: _Opening, pair: PairState | None, chosen: dict[str, Any], taken_at: float
) -> Opened:
    opening.lease.adopt(opening.keys, taken_at=taken_at)
    link = pair.link if pair is not None else None
    is_leased = link is None or opening.keys.issuperset(map(bounded_key, pair_keys(link)))
    return Opened(opening.lease, chosen, opening.deliveries, pair if is_leased else None)


@dataclass(slots=True)
class _Item:
    """A step that is being written down, with what became of it."""

    step: WriteDown
    link: Link | None = None
    logged: list[tuple[int, NewEntry]] = field(default_factory=list)
    error: LeaseLost | None = None
    holdings: set[Holding] = field(default_factory=set)

    @property
    def is_end(self) -> bool:
        return self.step.settled_as is not None and not self.step.keeps_lease


def _sound(items: Iterable[_Item]) -> list[_Item]:
    return [item for item in items if item.error is None]


async def _confirm(driver: Driver, items: Sequence[_Item]) -> None:
    """Lock the leases; a step whose lease is lost has an error afterwards."""
    for item in items:
        try:
            item.holdings = item.step.lease.holdings
        except LeaseLost as error:
            item.error = error
    held = await confirm_each(driver, set().union(*(item.holdings for item in items)))
    for item in _sound(items):
        if not item.holdings <= held:
            item.error = LeaseLost(TAKEN_OVER)


async def _save_links(session: Session, items: Sequence[_Item]) -> None:
    """Store the links and what is known of their conflicts; a step whose link was changed
    meanwhile has an error afterwards."""
    sound = [item for item in _sound(items) if item.step.link is not None]
    known = [item.step.link for item in sound if item.step.link and item.step.link.id is not None]
    stale = await update_links(await driver_of(session), known) if known else []
    for item in sound:
        if item.step.link in stale:
            item.error = LeaseLost(CHANGED)
        elif item.step.link in known:
            item.link = item.step.link
        elif item.step.link is not None:
            item.link = await save_link(session, item.step.link)
    for item in _sound(sound):
        if item.link is not None and item.step.conflicts is not None:
            await note(session, item.link, item.step.conflicts)


async def _append(session: Session, items: Sequence[_Item]) -> None:
    """Write the log rows, and close the intents of what they tell."""
    driver = await driver_of(session)
    entries = [(item, entry) for item in _sound(items) for entry in item.step.entries(item.link)]
    if entries:
        ids = await append_each(driver, [(entry, item.step.deliveries) for item, entry in entries])
        for number, (item, entry) in zip(ids, entries, strict=True):
            item.logged.append((number, entry))
    if closed := [item.step.closed_intent for item in _sound(items) if item.step.closed_intent]:
        await close_intents(session, closed)


async def _settle(session: Session, items: Sequence[_Item]) -> None:
    """Hint what waited, settle the deliveries and release the leases."""
    driver = await driver_of(session)
    needs = set().union(*(item.step.needs for item in _sound(items)))
    if needs:
        await hint_waiting(session, needs)
    settled = [
        Settled(
            item.step.deliveries,
            item.step.entry_id or item.logged[0][0],
            item.step.settled_as,
            item.step.ended,
        )
        for item in _sound(items)
        if item.step.settled_as is not None
    ]
    if settled:
        await settle_groups(driver, settled)
    if ended := set().union(*(item.holdings for item in _sound(items) if item.is_end)):
        await free_each(driver, ended)


def keys_of(link: Link) -> set[str]:
    """The record keys by which other records refer to the pair; none if it is deleted, or if no
    module refers to it. A guest who has an account now was referred to by the e-mail before."""
    is_gone = link.woo_deleted_at or (link.vtiger_deleted_at and not link.replaced_by)
    module = Module(link.module)
    if is_gone or not FACTS[module].is_referenced:
        return set()
    keys = {link.record(system).key for system in System}
    agreed = base_from_json(link.base).get("email") if module is Module.CONTACTS else None
    if agreed is not None and agreed.woo:
        keys.add(Record(link.store, System.WOOCOMMERCE, module, guest_id_of(agreed.woo)).key)
    return keys


async def hint_waiting(session: Session, needs: Collection[str]) -> int:
    """Hint the records that wait for one of `needs`; return how many there were."""
    records = await take_missing(session, needs)
    if records:
        await accept(session, [_hint(record) for record in records])
    return len(records)


def _hint(record: Record) -> NewDelivery:
    return NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, missing_key(record))


Answer = TypeVar("Answer")


def _raised(answer: Answer | LeaseLost) -> Answer:
    if isinstance(answer, LeaseLost):
        raise answer
    return answer

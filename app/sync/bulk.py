"""Bulk creation: creates the twins of a page of new records with the guarantees of a single one.

As for a single record, the leases are taken, existing twins are searched, the intent is stored, the
call is made, and the link is saved when its response arrives. Records that the target rejects as
duplicates are settled singly."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from app.db.session import OUTAGES, store_rows, transaction
from app.domain import (
    Duplicate,
    LeaseLost,
    Record,
    Rejected,
    RemoteError,
    System,
    WooVtigerError,
    is_guest,
    key_in_logs,
)
from app.http.client import calling_for
from app.inbox.models import Delivery
from app.inbox.replay import claim_backlog
from app.inbox.repository import (
    NewDelivery,
    Postponement,
    accept,
    postpone,
    settle_each,
    store_claimed,
)
from app.links.leases import PairLease, lease_keys
from app.links.models import Link
from app.links.repository import (
    close_intents,
    open_intents,
    search_intents,
    search_links,
    stamp_links,
)
from app.modules.ports import Bulk, CreateResult, IdWriteResult, Side, Skip, Written, whole_error
from app.modules.shop_creation import ShopCreation
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.sync.creation import LinkWriter, build_link, created_result, record_failed_create
from app.sync.pipeline import end_after_error, fail_unprocessable
from app.sync.work import (
    Result,
    build_entry,
    describe_notes,
    external_id_hint,
    external_id_note,
    record_outcomes,
    skipped,
)
from app.tasks import run_together
from app.vtiger.addon import new_key

# Choosing the records: no link, no twin, no open intent, no objection.


@dataclass(frozen=True, slots=True)
class BulkChoice:
    """Chooses the records that can be created in bulk, and leases them.

    All sides are of one system. `refused` are those that the settings keep out of the shop.
    """

    runtime: Runtime
    store: str
    policy: SyncPolicy
    bulk: Bulk
    lease: PairLease
    refused: dict[str, Skip] = field(default_factory=dict)

    async def choose(self, sides: Sequence[Side]) -> list[Side]:
        """The leased records to create. Raises the RemoteError tree."""
        eligible = self._distinct_by_natural_key(
            [side for side in sides if self._is_eligible(side)]
        )
        held = await self.lease.take_free({side.id: self._keys(side) for side in eligible})
        started = await self._search_started([side for side in eligible if side.id in held])
        new = [side for side in eligible if side.id in held - started]
        creation = ShopCreation(self.runtime, self.store, self.bulk.adapter.module, self.policy)
        self.refused.update(await creation.refuse(new))
        new = [side for side in new if side.id not in self.refused]
        taken = await self.bulk.search_taken(new) if new else frozenset[str]()
        return [side for side in new if side.id not in taken]

    def _is_eligible(self, side: Side) -> bool:
        adapter, target = self.bulk.adapter, side.system.other
        return (
            side.foreign_id is None
            and self.policy.direction.allows(target)
            and adapter.objection(side) is None
            and adapter.creation_objection(side) is None
        )

    def _distinct_by_natural_key(self, sides: Sequence[Side]) -> list[Side]:
        """The first record with each natural key; the others are settled singly."""
        seen: set[str] = set()
        found = []
        for side in sides:
            keys = set(self.bulk.adapter.natural_keys(side))
            if not keys & seen:
                found.append(side)
            seen |= keys
        return found

    def _keys(self, side: Side) -> list[str]:
        return [*lease_keys(self.record(side)), *self.bulk.adapter.natural_keys(side)]

    async def _search_started(self, sides: Sequence[Side]) -> set[str]:
        """The ids of records that have a link by now, or an open intent."""
        records = {self.record(side).key: side.id for side in sides}
        async with self.runtime.sessions() as session:
            links = await search_links(session, [self.record(side) for side in sides])
            open_keys = await search_intents(session, records.keys())
        return set(links) | {records[key] for key in open_keys}

    def record(self, side: Side) -> Record:
        return Record(self.store, side.system, self.bulk.adapter.module, side.id)


RETRY_SINGLY = Postponement(
    0, "ambiguous_match", "It may exist already, so it is synced singly.", False
)

Wait = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Item:
    """One record of a bulk creation.

    `result` or `error` is set when it has ended. `is_made` is True if the twin was created, even if
    a later step failed; `lacks_external_id` if its id is still to be written into the source.
    `key` is the create key; `others` are deliveries of the record that were left to the run.
    """

    side: Side
    delivery: Delivery
    others: Sequence[Delivery] = ()
    started: float = field(default_factory=monotonic)
    link: Link | None = None
    result: Result | None = None
    error: Exception | None = None
    key: str = ""
    is_made: bool = False
    lacks_external_id: bool = False

    @property
    def hints(self) -> list[Delivery]:
        return [*self.others, self.delivery]

    @property
    def is_undecided(self) -> bool:
        """Whether the record has to be settled singly."""
        return self.result is None and self.error is None

    @property
    def twin_id(self) -> str:
        return self.link.side(self.side.system.other).id if self.link is not None else ""

    def note_missing_external_id(self, error: WooVtigerError) -> None:
        """Add a note that the twin's id was not written into the source."""
        if self.result is not None:
            note = external_id_note(self.side, self.twin_id, error)
            self.result = replace(self.result, notes=[*self.result.notes, note])
            self.lacks_external_id = error.retryable


@dataclass(frozen=True, slots=True)
class BulkCreation:
    """Creates the chosen records.

    `wait` is awaited before each write, so that live hints go first. `portion` is the number of
    single creates whose intents are opened together, `at_once` limits those in progress. `turn` is
    held while twins are created and `names`, the leases of Accounts, until they are: one page of a
    run creates at a time, and the next page needs the same Accounts. `keyed` says whether creates
    carry create keys.
    """

    choice: BulkChoice
    link_writer: LinkWriter
    wait: Wait
    turn: asyncio.Lock
    names: PairLease
    at_once: asyncio.Semaphore
    portion: int
    keyed: bool = False

    async def claim(self, hints: Mapping[str, NewDelivery], sides: Sequence[Side]) -> list[Item]:
        """Store the hints, by record id, as claimed deliveries.

        A hint that the database refuses is not among the items. Raises LeaseLost, with nothing
        claimed.
        """
        items: list[Item] = []

        async def store(batch: Sequence[Side]) -> None:
            async with transaction(self.choice.runtime.sessions) as session:
                await self.choice.lease.confirm(session)
                taken = await store_claimed(session, [hints[side.id] for side in batch], attempts=1)
                backlog = await claim_backlog(session, [each.record_key for each in taken])
            items.extend(
                Item(side, delivery, backlog.get(delivery.record_key, ()))
                for side, delivery in zip(batch, taken, strict=True)
            )

        await store_rows(sides, store)
        return items

    async def settle(self, items: Sequence[Item]) -> None:
        """Create the twins and log the results. Failed items are postponed or become dead letters;
        undecided ones are reopened. Raises LeaseLost."""
        if not items:
            return
        async with self.turn:
            await self._prepare(items)
            await self._create(items)
            await self.names.release()
        await self._write_external_ids([item for item in items if item.link is not None])
        await self._record_outcomes([item for item in items if item.result is not None])
        for item in items:
            if item.result is None:
                await self._reopen_guarded(item)

    async def _prepare(self, items: Sequence[Item]) -> None:
        """Read shared data in bulk; after an error each create reads its own, and fails singly."""
        with contextlib.suppress(RemoteError):
            await self.choice.bulk.prepare([item.side for item in items])

    async def _create(self, items: Sequence[Item]) -> None:
        """Create the twins; each intent is opened shortly before its call."""
        if items[0].side.system is System.WOOCOMMERCE:
            for start in range(0, len(items), self.portion):
                part = await self._open_intents(items[start : start + self.portion])
                await run_together(self._create_singly(item) for item in part)
            return
        await self.wait()
        items = await self._open_intents(items)
        if not items:
            return
        self.choice.lease.check()
        with calling_for(key_in_logs(items[0].delivery.record_key)):
            response = await self.choice.bulk.create_in_shop([item.side for item in items])
        error = whole_error(response)
        if isinstance(error, Rejected) and len(items) > 1:  # one item made the whole call fail
            await run_together(self._create_singly(item) for item in items)
            return
        await run_together(
            self._record_created(*each) for each in zip(items, response, strict=True)
        )

    async def _open_intents(self, items: Sequence[Item]) -> list[Item]:
        """Open the intents; returns the items whose intent is stored."""
        for item in items if self.keyed else ():
            item.key = new_key()

        async def store(batch: Sequence[Item]) -> None:
            natural = {self.choice.record(item.side): self._natural_key(item) for item in batch}
            tokens = {self.choice.record(item.side): item.key for item in batch if item.key}
            async with transaction(self.choice.runtime.sessions) as session:
                await self.choice.lease.confirm(session)
                await open_intents(session, natural, tokens)

        for item, error in await store_rows(items, store):
            item.error = error
        return [item for item in items if item.error is None]

    def _natural_key(self, item: Item) -> str:
        return ",".join(self.choice.bulk.adapter.natural_keys(item.side))

    async def _create_singly(self, item: Item) -> None:
        async with self.at_once:
            await self.wait()
            try:
                self.choice.lease.check()
                adapter = self.choice.bulk.adapter
                with calling_for(key_in_logs(item.delivery.record_key)):
                    target = item.side.system.other
                    response: CreateResult = await adapter.create(target, item.side, item.key)
            except OUTAGES:
                raise
            except Exception as error:
                item.error = error
            else:
                await self._record_created(item, response)

    async def _record_created(self, item: Item, response: CreateResult) -> None:
        """Record the result of a create; a Duplicate is left undecided, to be settled singly."""
        if isinstance(response, Written):
            await self._save_link(item, response)
        elif isinstance(response, Skip):
            target = item.side.system.other
            item.result = skipped(target, item.side.id, response, label=item.side.label)
        elif isinstance(response, WooVtigerError) and not isinstance(response, Duplicate):
            item.error = response

    async def _save_link(self, item: Item, written: Written) -> None:
        """Save the link when the response arrives."""
        link = build_link(self.choice.bulk.adapter, self.choice.store, item.side, written=written)
        item.is_made = True
        try:
            await self.link_writer.save(link)
        except OUTAGES:
            raise
        except Exception as error:
            item.error = error
        else:
            result = created_result(self.choice.bulk.adapter, item.side, written)
            notes = [*result.notes, *describe_notes(item.side.notes)]
            item.link, item.result = link, replace(result, notes=notes)

    async def _write_external_ids(self, items: Sequence[Item]) -> None:
        """Write the twins' ids into the sources that may be written; a guest has no record."""
        items = [item for item in items if not is_guest(item.side.id)]
        system = items[0].side.system if items else System.VTIGER
        if not items or not self.choice.policy.direction.allows(system):
            return
        if system is System.VTIGER:
            await run_together(self._write_external_id_alone(item) for item in items)
            return
        await self.wait()
        self.choice.lease.check()
        marks = [(item.side, item.twin_id) for item in items]
        with calling_for(key_in_logs(items[0].delivery.record_key)):
            marked = await self.choice.bulk.write_external_ids_in_shop(marks)
        if isinstance(whole_error(marked), Rejected) and len(items) > 1:
            await run_together(self._write_external_id_alone(item) for item in items)
            return
        for item, each in zip(items, marked, strict=True):
            _note_external_id(item, each)

    async def _write_external_id_alone(self, item: Item) -> None:
        async with self.at_once:
            await self.wait()
            try:
                self.choice.lease.check()
                marked = await self.choice.bulk.adapter.write_external_id(item.side, item.twin_id)
            except WooVtigerError as error:
                item.note_missing_external_id(error)
            else:
                if marked is not item.side and item.link is not None:
                    item.link.stamp_written(marked.system, marked.modified_at)

    async def _record_outcomes(self, items: Sequence[Item]) -> None:
        for item, error in await store_rows(items, self._record_outcomes_together):
            item.result, item.error = None, error

    async def _record_outcomes_together(self, items: Sequence[Item]) -> None:
        """Save stamps and log entries, close intents and settle deliveries, in one transaction."""
        entries = [
            (
                build_entry(
                    self.choice.record(item.side),
                    item.hints,
                    item.result,
                    item.link,
                    item.started,
                ),
                [hint.id for hint in item.hints],
            )
            for item in items
            if item.result is not None
        ]
        async with transaction(self.choice.runtime.sessions) as session:
            await self.choice.lease.confirm(session)
            await stamp_links(session, [item.link for item in items if item.link is not None])
            await close_intents(session, [self.choice.record(item.side).key for item in items])
            ids = await record_outcomes(session, entries)
            settled = {
                delivery: entry_id
                for (_, deliveries), entry_id in zip(entries, ids, strict=True)
                for delivery in deliveries
            }
            records = [self.choice.record(item.side) for item in items]
            ended = {record.key for record in records}
            ended |= {
                item.link.record(record.system.other).key
                for item, record in zip(items, records, strict=True)
                if item.link is not None
            }
            if lacking := [item.side for item in items if item.lacks_external_id]:
                await accept(
                    session, [external_id_hint(self.choice.record(side)) for side in lacking]
                )
            await settle_each(session, settled, ended=ended)

    async def _reopen_guarded(self, item: Item) -> None:
        """Reopen an item; an error in that concerns this item only."""
        try:
            await self._reopen(item)
        except LeaseLost:
            raise
        except OUTAGES:
            raise
        except Exception as error:
            await fail_unprocessable(self.choice.runtime, item.delivery.record_key, error)

    async def _reopen(self, item: Item) -> None:
        runtime, lease = self.choice.runtime, self.choice.lease
        record = self.choice.record(item.side)
        if item.error is not None:
            if isinstance(item.error, WooVtigerError) and not item.is_made:
                await record_failed_create(runtime, record, lease=lease, error=item.error)
            await end_after_error(runtime, item.hints, lease, error=item.error)
            return
        async with transaction(runtime.sessions) as session:
            await lease.confirm(session)
            await close_intents(session, [record.key])
            await postpone(session, [hint.id for hint in item.hints], RETRY_SINGLY)


def _note_external_id(item: Item, marked: IdWriteResult) -> None:
    if isinstance(marked, RemoteError):
        item.note_missing_external_id(marked)
    elif item.link is not None:
        item.link.stamp_external_id(marked)

"""Twins for the new records of a page, made together, with the promises of a single creation.

As with one record its leases are held, what exists is looked for, the intent is written down,
then the call is made, and the pair is kept the moment its answer arrives. What the target knows
better (a value is taken after all) goes the single way."""

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
from app.links.leases import PairLease
from app.links.models import Link
from app.links.repository import (
    close_intents,
    open_intents,
    search_intents,
    search_links,
    stamp_links,
)
from app.modules.ports import (
    Bulk,
    IdsWritten,
    Made,
    Side,
    Skip,
    Written,
    lease_keys,
    stamp_external_id,
    stamp_written,
    whole_error,
)
from app.modules.shop_creation import ShopCreation
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.sync.creation import LinkWriter, created_result, note_failure, paired
from app.sync.pipeline import end_surely, fail_unworkable
from app.sync.work import (
    Result,
    describe_notes,
    entry_of,
    external_id_note,
    hint_again,
    record_outcomes,
    skipped,
)
from app.tasks import run_together
from app.vtiger.addon import new_key

# Which records of a page are plainly new: no pair, no twin, nothing begun, nothing against it.


@dataclass(frozen=True, slots=True)
class BulkChoice:
    """Takes the leases of what it chooses. All sides are of one system. `refused` are those that
    the shop does not get, by the settings."""

    runtime: Runtime
    store: str
    policy: SyncPolicy
    bulk: Bulk
    lease: PairLease
    refused: dict[str, Skip] = field(default_factory=dict)

    async def choose(self, sides: Sequence[Side]) -> list[Side]:
        """Raises the RemoteError tree."""
        fit = self._one_of_each_kind([side for side in sides if self._is_fit(side)])
        held = await self.lease.take_free({side.id: self._keys(side) for side in fit})
        begun = await self._begun([side for side in fit if side.id in held])
        new = [side for side in fit if side.id in held - begun]
        creation = ShopCreation(self.runtime, self.store, self.bulk.adapter.module, self.policy)
        self.refused.update(await creation.refuse(new))
        new = [side for side in new if side.id not in self.refused]
        taken = await self.bulk.search_taken(new) if new else frozenset[str]()
        return [side for side in new if side.id not in taken]

    def _is_fit(self, side: Side) -> bool:
        adapter, target = self.bulk.adapter, side.system.other
        return (
            side.foreign_id is None
            and self.policy.direction.allows(target)
            and adapter.objection(side) is None
            and adapter.creation_objection(side) is None
        )

    def _one_of_each_kind(self, sides: Sequence[Side]) -> list[Side]:
        """Two with one natural key are no matter for a page that makes all at once."""
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

    async def _begun(self, sides: Sequence[Side]) -> set[str]:
        """Those that have a pair by now, or of which a create broke off."""
        records = {self.record(side).key: side.id for side in sides}
        async with self.runtime.sessions() as session:
            links = await search_links(session, [self.record(side) for side in sides])
            broken = await search_intents(session, records.keys())
        return set(links) | {records[key] for key in broken}

    def record(self, side: Side) -> Record:
        return Record(self.store, side.system, self.bulk.adapter.module, side.id)


AGAIN = Postponement(0, "ambiguous_match", "It may be there already: looked at alone.", False)

Wait = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Item:
    """One new record on its way to a twin; `error` or `result` tell how it went, `is_made` that
    the twin is there whatever came after, `is_unmarked` that its id is still to be left. `key` is
    what its create is sent with; `others` are hints of the record that had been left to the run."""

    side: Side
    delivery: Delivery
    others: Sequence[Delivery] = ()
    started: float = field(default_factory=monotonic)
    link: Link | None = None
    result: Result | None = None
    error: Exception | None = None
    key: str = ""
    is_made: bool = False
    is_unmarked: bool = False

    @property
    def hints(self) -> list[Delivery]:
        return [*self.others, self.delivery]

    @property
    def is_undecided(self) -> bool:
        """It is to be looked at alone."""
        return self.result is None and self.error is None

    @property
    def twin_id(self) -> str:
        return self.link.side(self.side.system.other).id if self.link is not None else ""

    def note_unmarked(self, error: WooVtigerError) -> None:
        if self.result is not None:
            note = external_id_note(self.side, self.twin_id, error)
            self.result = replace(self.result, notes=[*self.result.notes, note])
            self.is_unmarked = error.retryable


@dataclass(frozen=True, slots=True)
class BulkCreation:
    """`wait` is awaited before each single write, so that live hints go first; `portion` is how
    many single creates are begun together, `at_once` of how many the answer is awaited at a time.
    `turn` is held while twins are made, and `names` of Accounts until they are: of a run's pages
    one makes twins at a time, and the next one needs the same Accounts. `keyed`: twins are sent
    with keys."""

    choice: BulkChoice
    keeper: LinkWriter
    wait: Wait
    turn: asyncio.Lock
    names: PairLease
    at_once: asyncio.Semaphore
    portion: int
    keyed: bool = False

    async def store_claimed(
        self, hints: Mapping[str, NewDelivery], sides: Sequence[Side]
    ) -> list[Item]:
        """`hints` by the records' ids; one that the database refuses is not among the items.
        Raises LeaseLost, with nothing taken."""
        items: list[Item] = []

        async def store(some: Sequence[Side]) -> None:
            async with transaction(self.choice.runtime.sessions) as session:
                await self.choice.lease.confirm(session)
                taken = await store_claimed(session, [hints[side.id] for side in some], attempts=1)
                backlog = await claim_backlog(session, [each.record_key for each in taken])
            items.extend(
                Item(side, delivery, backlog.get(delivery.record_key, ()))
                for side, delivery in zip(some, taken, strict=True)
            )

        await store_rows(sides, store)
        return items

    async def settle(self, items: Sequence[Item]) -> None:
        """Make the twins and tell of them; what broke off is tried again or buried, and what is
        `is_undecided` is open once more. Raises LeaseLost."""
        if not items:
            return
        async with self.turn:
            await self._prepare(items)
            await self._make(items)
            await self.names.release()
        await self._write_external_ids([item for item in items if item.link is not None])
        await self._tell([item for item in items if item.result is not None])
        for item in items:
            if item.result is None:
                await self._give_back_surely(item)

    async def _prepare(self, items: Sequence[Item]) -> None:
        """What cannot be looked for together each create looks for itself, and fails alone."""
        with contextlib.suppress(RemoteError):
            await self.choice.bulk.prepare([item.side for item in items])

    async def _make(self, items: Sequence[Item]) -> None:
        """An intent says that a call may have been made, so it is not opened long before."""
        if items[0].side.system is System.WOOCOMMERCE:
            for start in range(0, len(items), self.portion):
                part = await self._open_intents(items[start : start + self.portion])
                await run_together(self._make_alone(item) for item in part)
            return
        await self.wait()
        items = await self._open_intents(items)
        if not items:
            return
        self.choice.lease.check()
        with calling_for(key_in_logs(items[0].delivery.record_key)):
            made = await self.choice.bulk.create_in_shop([item.side for item in items])
        error = whole_error(made)
        if isinstance(error, Rejected) and len(items) > 1:  # one item spoilt it for all
            await run_together(self._make_alone(item) for item in items)
            return
        await run_together(self._made(*each) for each in zip(items, made, strict=True))

    async def _open_intents(self, items: Sequence[Item]) -> list[Item]:
        """Those whose intent is written down."""
        for item in items if self.keyed else ():
            item.key = new_key()

        async def store(some: Sequence[Item]) -> None:
            natural = {self.choice.record(item.side): self._natural_key(item) for item in some}
            tokens = {self.choice.record(item.side): item.key for item in some if item.key}
            async with transaction(self.choice.runtime.sessions) as session:
                await self.choice.lease.confirm(session)
                await open_intents(session, natural, tokens)

        for item, error in await store_rows(items, store):
            item.error = error
        return [item for item in items if item.error is None]

    def _natural_key(self, item: Item) -> str:
        return ",".join(self.choice.bulk.adapter.natural_keys(item.side))

    async def _make_alone(self, item: Item) -> None:
        async with self.at_once:
            await self.wait()
            try:
                self.choice.lease.check()
                adapter = self.choice.bulk.adapter
                with calling_for(key_in_logs(item.delivery.record_key)):
                    target = item.side.system.other
                    made: Made = await adapter.create(target, item.side, item.key)
            except OUTAGES:
                raise
            except Exception as error:
                item.error = error
            else:
                await self._made(item, made)

    async def _made(self, item: Item, made: Made) -> None:
        """A value that is taken after all is the single way's to sort out."""
        if isinstance(made, Written):
            await self._keep(item, made)
        elif isinstance(made, Skip):
            target = item.side.system.other
            item.result = skipped(target, item.side.id, made, label=item.side.label)
        elif isinstance(made, WooVtigerError) and not isinstance(made, Duplicate):
            item.error = made

    async def _keep(self, item: Item, written: Written) -> None:
        """The link is kept the moment the answer arrives."""
        link = paired(self.choice.bulk.adapter, self.choice.store, item.side, written=written)
        item.is_made = True
        try:
            await self.keeper.keep(link)
        except OUTAGES:
            raise
        except Exception as error:
            item.error = error
        else:
            told = created_result(self.choice.bulk.adapter, item.side, written)
            notes = [*told.notes, *describe_notes(item.side.notes)]
            item.link, item.result = link, replace(told, notes=notes)

    async def _write_external_ids(self, items: Sequence[Item]) -> None:
        """Each source learns its twin's id, where it may be written; a guest is no record."""
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
            _note_mark(item, each)

    async def _write_external_id_alone(self, item: Item) -> None:
        async with self.at_once:
            await self.wait()
            try:
                self.choice.lease.check()
                marked = await self.choice.bulk.adapter.mark(item.side, item.twin_id)
            except WooVtigerError as error:
                item.note_unmarked(error)
            else:
                if marked is not item.side and item.link is not None:
                    stamp_written(item.link, marked)

    async def _tell(self, items: Sequence[Item]) -> None:
        for item, error in await store_rows(items, self._tell_together):
            item.result, item.error = None, error

    async def _tell_together(self, items: Sequence[Item]) -> None:
        """One transaction: stamps, log rows, intents closed, hints settled."""
        entries = [
            (
                entry_of(
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
            if unmarked := [item.side for item in items if item.is_unmarked]:
                await accept(session, [hint_again(self.choice.record(side)) for side in unmarked])
            await settle_each(session, settled, ended=ended)

    async def _give_back_surely(self, item: Item) -> None:
        """What goes wrong here is the item's alone, too."""
        try:
            await self._give_back(item)
        except LeaseLost:
            raise
        except OUTAGES:
            raise
        except Exception as error:
            await fail_unworkable(self.choice.runtime, item.delivery.record_key, error)

    async def _give_back(self, item: Item) -> None:
        runtime, lease = self.choice.runtime, self.choice.lease
        record = self.choice.record(item.side)
        if item.error is not None:
            if isinstance(item.error, WooVtigerError) and not item.is_made:
                await note_failure(runtime, record, lease=lease, error=item.error)
            await end_surely(runtime, item.hints, lease, error=item.error)
            return
        async with transaction(runtime.sessions) as session:
            await lease.confirm(session)
            await close_intents(session, [record.key])
            await postpone(session, [hint.id for hint in item.hints], AGAIN)


def _note_mark(item: Item, marked: IdsWritten) -> None:
    if isinstance(marked, RemoteError):
        item.note_unmarked(marked)
    elif item.link is not None:
        stamp_external_id(item.link, marked)

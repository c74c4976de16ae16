"""Twins for the new records of a page, made together, with the promises of a single create.

As with one record its leases are held, what exists is looked for, the intent is written down,
then the call is made, and the pair is kept the moment its answer arrives. What the target knows
better (a value is taken after all) goes the single way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from app.db.outage import OUTAGES
from app.db.row_by_row import store_rows
from app.db.session import transaction
from app.errors import Duplicate, LeaseLost, Rejected, RemoteError, System, WooVtigerError
from app.gate import calling_for
from app.inbox.backlog import take_backlog
from app.inbox.models import Delivery
from app.inbox.repository import NewDelivery, Postponement, accept, postpone
from app.inbox.taking import settle_each, take_in
from app.links.models import Link
from app.links.repository import close_intents, open_intents, stamp_links
from app.records import key_in_logs
from app.sync.bulk import Made, Marked, whole_error
from app.sync.bulk_choice import BulkChoice
from app.sync.creation import note_failure, paired, told_as_created
from app.sync.link_keeper import LinkKeeper
from app.sync.marks import hint_again, mark_note
from app.sync.outcome import Result, describe_notes, skipped
from app.sync.pipeline import end_surely, fail_unworkable
from app.sync.sides import Side, Skip, Written
from app.sync.stamps import stamp_mark, stamp_written
from app.sync.telling import tell_each
from app.sync.work import entry_of
from app.tasks import run_together
from app.vtiger.batches import new_key

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
            note = mark_note(self.side, self.twin_id, error)
            self.result = replace(self.result, notes=[*self.result.notes, note])
            self.is_unmarked = error.retryable


@dataclass(frozen=True, slots=True)
class BulkCreation:
    """`wait` is awaited before each single write, so that live hints go first; `portion` is how
    many single creates are begun together, `at_once` of how many the answer is awaited at a time.
    `keyed`: they are sent with keys."""

    choice: BulkChoice
    keeper: LinkKeeper
    wait: Wait
    at_once: asyncio.Semaphore
    portion: int
    keyed: bool = False

    async def take_in(self, hints: Mapping[str, NewDelivery], sides: Sequence[Side]) -> list[Item]:
        """`hints` by the records' ids; one that the database refuses is not among the items.
        Raises LeaseLost and the RemoteError tree, with nothing taken."""
        if not sides:
            return []
        await self.choice.bulk.prepare(sides)
        items: list[Item] = []

        async def store(some: Sequence[Side]) -> None:
            async with transaction(self.choice.runtime.sessions) as session:
                await self.choice.lease.confirm(session)
                taken = await take_in(session, [hints[side.id] for side in some], attempts=1)
                backlog = await take_backlog(session, [each.record_key for each in taken])
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
        await self._make(items)
        await self._leave_ids([item for item in items if item.link is not None])
        await self._tell([item for item in items if item.result is not None])
        for item in items:
            if item.result is None:
                await self._give_back_surely(item)

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
            told = told_as_created(self.choice.bulk.adapter, item.side, written)
            notes = [*told.notes, *describe_notes(item.side.notes)]
            item.link, item.result = link, replace(told, notes=notes)

    async def _leave_ids(self, items: Sequence[Item]) -> None:
        """Each source learns its twin's id, where it may be written."""
        system = items[0].side.system if items else System.VTIGER
        if not items or not self.choice.policy.direction.allows(system):
            return
        if system is System.VTIGER:
            await run_together(self._mark_alone(item) for item in items)
            return
        await self.wait()
        self.choice.lease.check()
        marks = [(item.side, item.twin_id) for item in items]
        with calling_for(key_in_logs(items[0].delivery.record_key)):
            marked = await self.choice.bulk.mark_in_shop(marks)
        if isinstance(whole_error(marked), Rejected) and len(items) > 1:
            await run_together(self._mark_alone(item) for item in items)
            return
        for item, each in zip(items, marked, strict=True):
            _note_mark(item, each)

    async def _mark_alone(self, item: Item) -> None:
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
            ids = await tell_each(session, entries)
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


def _note_mark(item: Item, marked: Marked) -> None:
    if isinstance(marked, RemoteError):
        item.note_unmarked(marked)
    elif item.link is not None:
        stamp_mark(item.link, marked)

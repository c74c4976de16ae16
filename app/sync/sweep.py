"""One look at one module of one store: what differs, what vanished, and a hint for each.

A look only reads and hints: a record that holds what was agreed gives no hint, so a quiet shop
adds nothing to the log."""

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import orjson

from app.db.session import store_rows, transaction
from app.domain import Event, Module, Origin, Record, System, is_guest
from app.inbox.repository import NewDelivery, finding_key
from app.links.models import Link
from app.links.repository import save_sightings, search_links, search_sightings, stream_live_links
from app.mapping.rules import FieldRule, holds, read_base
from app.mapping.values import Base, Value
from app.modules.ports import Adapter, Listing, Seen, Side, Unreadable, pages
from app.modules.registry import IN_BULK
from app.runtime import Runtime

log = logging.getLogger(__name__)

GONE = "gone"
STOCK = "stock"
LEFT_OUT = frozenset({"filtered", "draft"})

OVERLAP = timedelta(minutes=2)
"""By how much a look reaches back behind the last one, and stock-taking behind itself."""


@dataclass(frozen=True, slots=True)
class Change:
    """A record to be brought up; `digest` names the state that it is in and `told` the one that it
    was last brought up in, `paired` tells whether it has a partner, `seen` what a listing showed.
    """

    record: Record
    event: Event = Event.CHANGED
    digest: str = ""
    paired: bool = True
    seen: Seen | None = None
    told: str | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """`origin` names the hints, `take_baseline` keeps it from hinting what has no pair,
    `baseline_at` from hinting that unless it changed since. `is_run` brings up what was brought up
    before, and what has no pair unread: it is read later, whole."""

    runtime: Runtime
    store: str
    listing: Listing
    origin: Origin = Origin.POLL
    take_baseline: bool = False
    baseline_at: datetime | None = None
    is_run: bool = False

    @property
    def module(self) -> Module:
        return self.listing.adapter.module

    def record(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, self.module, record_id)

    async def differences(self, page: Sequence[Seen]) -> int:
        """Hint each record that differs from its base and was not brought up in this state
        before; how many those are."""
        return await self.bring_up(await self.changes(page))

    async def changes(self, page: Sequence[Seen]) -> list[Change]:
        """Those records, not hinted yet. One that cannot be read is brought up once for each way
        in which it cannot, so that the log names it."""
        if not page:
            return []
        records = {seen.id: self.record(seen.system, seen.id) for seen in page}
        async with self.runtime.sessions() as session:
            links = await search_links(session, list(records.values()))
            known = await search_sightings(session, [each.key for each in records.values()])
        page = [seen for seen in page if seen.id in links or not self._is_old(seen)]
        changed = [
            Change(records[seen.id], paired=False, seen=seen, told=known.get(records[seen.id].key))
            for seen in page
            if self._is_unread and seen.id not in links
        ]
        looked_at = {seen.id: seen for seen in page if not self._is_unread or seen.id in links}
        for side in await self.listing.sides(list(looked_at.values())):
            link, record = links.get(side.id), records[side.id]
            if isinstance(side, Unreadable):
                odd = Change(record, digest=digest_of_fault(side, link), paired=link is not None)
                if self.is_run or known.get(record.key) != odd.digest:
                    changed.append(odd)
                continue
            digest = digest_of(side, link)
            stock = self._stock_of(looked_at[side.id], digest) if link is None else digest
            taken = self.take_baseline and link is None
            change = Change(record, digest=stock if taken else digest, paired=link is not None)
            told = known.get(record.key) in (digest, stock)
            if not (told and self._is_left(link, side)) and self._differs(link, side):
                changed.append(change)
        return changed

    def _is_old(self, seen: Seen) -> bool:
        """Whether a record was there when stock was taken, and has not changed since: one that
        changed shortly before was remembered as it was."""
        at = seen.changed_at
        return self.baseline_at is not None and at is not None and at <= self.baseline_at - OVERLAP

    def _stock_of(self, seen: Seen, digest: str) -> str:
        """How a record without a pair is remembered when stock is taken: by what is its own. Its
        values may change with other pairs, as an order's do when its buyer gets one."""
        if seen.changed_at is None:
            content = orjson.dumps(seen.raw.data, option=orjson.OPT_SORT_KEYS)
            return f"{STOCK}:{sha256(content).hexdigest()}"
        if seen.system in self.listing.lists_all:
            return digest
        return f"{STOCK}:{seen.changed_at.isoformat()}"

    def _is_left(self, link: Link | None, side: Side) -> bool:
        """Whether what was brought up in this state is not brought up again: by a run neither,
        where the record cannot have a pair as it is, for the log says that already."""
        if not self.is_run:
            return True
        shown = side.system not in self.listing.change_predicates
        return link is None and shown and self.listing.adapter.creation_objection(side) is not None

    @property
    def _is_unread(self) -> bool:
        """Whether what has no pair is read later."""
        return self.is_run and self.module in IN_BULK

    def _differs(self, link: Link | None, side: Side) -> bool:
        """Whether the record is unpaired, is back, or is not what was agreed."""
        if link is None:
            return self.take_baseline or not is_left_out(self.listing.adapter, side)
        known = link.side(side.system)
        if known.deleted_at is not None:
            return True
        if link.forgotten_at is not None:
            return side.modified_at != known.modified_at
        return self._left_base(link, side) or self._looks_changed(link, side)

    def _looks_changed(self, link: Link, side: Side) -> bool:
        """Of a record that is shown in part: its stamp, or what a glance tells. A stamp alone may
        hide an edit in the second of our own write."""
        glance = self.listing.change_predicates.get(side.system)
        if glance is None:
            return False
        return side.modified_at != link.side(side.system).modified_at or glance(link, side)

    def _left_base(self, link: Link, side: Side) -> bool:
        """A field that the listing does not tell says nothing."""
        base = read_base(link.base, self.listing.adapter.rules)
        shown = [(rule, side.values.get(rule.name)) for rule in self.listing.adapter.rules]
        return any(
            not holds(rule, base, value, system=side.system)
            for rule, value in shown
            if value is not None and not _is_unsaid(rule, base, value)
        )

    async def vanished(
        self, system: System, living: Collection[str], *, started_at: datetime
    ) -> list[Change]:
        """Pairs whose record a full pass did not show; the pipeline reads before it believes.

        Guests are in no list of customers: their orders tell of them.
        """
        gone = [
            record_id
            async for record_id in self._paired_before(system, started_at)
            if record_id not in living and not is_guest(record_id)
        ]
        return await self._gone(system, gone)

    async def trashed(self) -> int:
        """Pairs whose record is in the shop's trash."""
        hints = 0
        async for page in pages(self.listing.each_trashed()):
            hints += await self.bring_up(await self.reported_deleted(System.WOOCOMMERCE, page))
        return hints

    async def _paired_before(self, system: System, moment: datetime) -> AsyncIterator[str]:
        async with self.runtime.sessions() as session:
            found = stream_live_links(
                session, self.store, module=self.module, system=system, before=moment
            )
            async for link in found:
                yield link.side(system).id

    async def reported_deleted(self, system: System, ids: Sequence[str]) -> list[Change]:
        """Pairs among the records that the system itself says are deleted."""
        records = [self.record(system, record_id) for record_id in ids]
        async with self.runtime.sessions() as session:
            links = await search_links(session, records)
        living = [key for key, link in links.items() if link.side(system).deleted_at is None]
        return await self._gone(system, living)

    async def _gone(self, system: System, ids: Sequence[str]) -> list[Change]:
        gone = [self.record(system, record_id) for record_id in ids]
        async with self.runtime.sessions() as session:
            known = await search_sightings(session, [record.key for record in gone])
        return [
            Change(record, Event.DELETED, GONE) for record in gone if known.get(record.key) != GONE
        ]

    async def bring_up(self, changed: Sequence[Change]) -> int:
        """Hint first, remember after: a crash between the two hints once more, and loses nothing.
        A record whose hint the database refuses is logged, and keeps no other from being hinted."""
        wanted = [each for each in changed if not self.take_baseline or each.paired]
        hints = [
            NewDelivery(
                each.record,
                self.origin,
                each.event,
                finding_key(each.record, self.origin, each.digest),
            )
            for each in wanted
        ]
        refused = [(hint.record, error) for hint, error in await store_rows(hints, self._accept)]
        refused += [(each.record, error) for each, error in await store_rows(changed, self._see)]
        for record, error in refused:
            log.error("%s cannot be brought up", record.key, exc_info=error)
        return len(hints)

    async def _accept(self, hints: Sequence[NewDelivery]) -> None:
        await self.runtime.acceptor.accept(hints)

    async def _see(self, changed: Sequence[Change]) -> None:
        async with transaction(self.runtime.sessions) as session:
            await save_sightings(session, {each.record.key: each.digest for each in changed})


def _is_unsaid(rule: FieldRule, base: Base, value: Value) -> bool:
    """An empty field of a row that users added since: nothing that a hint would carry over."""
    return rule.custom and rule.name not in base and not rule.canonical(value)


def is_left_out(adapter: Adapter, side: Side) -> bool:
    """Whether a record without a pair is none that is brought up: a draft, say."""
    refused = adapter.objection(side)
    return refused is not None and refused.reason in LEFT_OUT


def digest_of(side: Side, link: Link | None) -> str:
    """Equal as long as neither the record nor what was agreed changes."""
    base = link.base if link is not None else {}
    stamp = str(side.modified_at) if side.system is System.VTIGER else ""
    shown = [side.id, stamp, sorted(side.values.values.items()), sorted(base.items())]
    return sha256(orjson.dumps(shown)).hexdigest()


def digest_of_fault(read: Unreadable, link: Link | None) -> str:
    """Equal as long as the record cannot be read for the same reason."""
    base = link.base if link is not None else {}
    shown = [read.id, str(read.error), sorted(base.items())]
    return sha256(orjson.dumps(shown)).hexdigest()

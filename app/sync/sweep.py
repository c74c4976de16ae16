"""Sweeps: compare the records of one module of one store with their bases and hint differences.

A sweep only reads and hints. A record that equals its base is not hinted, so a shop without changes
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
from app.modules.ports import Adapter, ListedRecord, Listing, Reader, Side, Unreadable, pages
from app.modules.registry import IN_BULK
from app.runtime import Runtime

log = logging.getLogger(__name__)

GONE = "gone"
BASELINE_PREFIX = "stock"
EXCLUDED = frozenset({"filtered", "draft"})

OVERLAP = timedelta(minutes=2)
"""The overlap of a poll with the one before, and of the baseline with the time before it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A record to hint.

    `digest` identifies its present state, `reported` the state in which it was last hinted,
    `paired` says whether it has a partner, and `seen` is the record as listed.
    """

    record: Record
    event: Event = Event.CHANGED
    digest: str = ""
    paired: bool = True
    seen: ListedRecord | None = None
    reported: str | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """One pass over the records of a module.

    `origin` is that of the hints. With `take_baseline` records without a link are not hinted, with
    `baseline_at` only if they changed since. With `is_run` records are hinted although they were
    hinted before, and records without a link are hinted unread, to be read whole later.
    """

    runtime: Runtime
    store: str
    listing: Listing
    origin: Origin = Origin.POLL
    take_baseline: bool = False
    baseline_at: datetime | None = None
    is_run: bool = False

    @property
    def module(self) -> Module:
        return self.listing.module

    def record(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, self.module, record_id)

    async def hint_changes(self, page: Sequence[ListedRecord]) -> int:
        """Hint each record that differs from its base and was not hinted in this state before;
        returns their number."""
        return await self.hint(await self.find_changes(page))

    async def find_changes(self, page: Sequence[ListedRecord]) -> list[Change]:
        """The records that `hint_changes` would hint. An unreadable record is included once for
        each error, so that it appears in the log."""
        if not page:
            return []
        records = {seen.id: self.record(seen.system, seen.id) for seen in page}
        async with self.runtime.sessions() as session:
            links = await search_links(session, list(records.values()))
            known = await search_sightings(session, [each.key for each in records.values()])
        page = [
            seen
            for seen in page
            if seen.id in links or not self._is_of_baseline(seen, known.get(records[seen.id].key))
        ]
        changed = [
            Change(
                records[seen.id], paired=False, seen=seen, reported=known.get(records[seen.id].key)
            )
            for seen in page
            if self._is_unread and seen.id not in links
        ]
        to_read = {seen.id: seen for seen in page if not self._is_unread or seen.id in links}
        if not to_read:
            return changed
        reader = await self.listing.reader()
        for side in await reader.sides(list(to_read.values())):
            link, record = links.get(side.id), records[side.id]
            if isinstance(side, Unreadable):
                fault = Change(record, digest=digest_of_fault(side, link), paired=link is not None)
                if self.is_run or known.get(record.key) != fault.digest:
                    changed.append(fault)
                continue
            digest = digest_of(side, link)
            initial = self._baseline_digest(to_read[side.id]) if link is None else None
            initial = initial or digest
            taken = self.take_baseline and link is None
            change = Change(record, digest=initial if taken else digest, paired=link is not None)
            is_known = known.get(record.key) in (digest, initial)
            is_skipped = is_known and self._skips_known(reader, link, side)
            if not is_skipped and self._differs(reader, link, side):
                changed.append(change)
        return changed

    def _is_of_baseline(self, seen: ListedRecord, known: str | None) -> bool:
        """Whether a record without a link existed at the baseline and has not changed since: it
        need not be read. One that changed shortly before is recognised by its digest, `known`."""
        at = seen.changed_at
        if self.baseline_at is not None and at is not None and at <= self.baseline_at - OVERLAP:
            return True
        return not self.is_run and known is not None and known == self._baseline_digest(seen)

    def _baseline_digest(self, seen: ListedRecord) -> str | None:
        """The digest of a record without a link at the baseline, from its own data only: its
        mapped values may change with other pairs, as an order's do when its buyer is paired. None
        where it is that of the values."""
        if seen.changed_at is None:
            content = orjson.dumps(seen.raw.data, option=orjson.OPT_SORT_KEYS)
            return f"{BASELINE_PREFIX}:{sha256(content).hexdigest()}"
        if seen.system in self.listing.lists_all:
            return None
        return f"{BASELINE_PREFIX}:{seen.changed_at.isoformat()}"

    def _skips_known(self, reader: Reader, link: Link | None, side: Side) -> bool:
        """Whether a record that was hinted in this state is not hinted again. A run repeats the
        hint unless the record cannot be paired as it is, which the log says already."""
        if not self.is_run:
            return True
        shown = side.system not in reader.change_predicates
        return link is None and shown and reader.adapter.creation_objection(side) is not None

    @property
    def _is_unread(self) -> bool:
        """Whether records without a link are read later."""
        return self.is_run and self.module in IN_BULK

    def _differs(self, reader: Reader, link: Link | None, side: Side) -> bool:
        """Whether the record has no link, was deleted before, or differs from its base."""
        if link is None:
            return self.take_baseline or not is_excluded(reader.adapter, side)
        known = link.side(side.system)
        if known.deleted_at is not None:
            return True
        if link.forgotten_at is not None:
            return side.modified_at != known.modified_at
        rules = reader.adapter.rules
        return _differs_from_base(rules, link, side) or _is_changed_by_stamp(reader, link, side)

    async def find_missing(
        self, system: System, living: Collection[str], *, started_at: datetime
    ) -> list[Change]:
        """Pairs whose record a full pass did not list; the pipeline confirms each by a read.

        Guests are excluded: they are not listed as customers, only named by their orders.
        """
        gone = [
            record_id
            async for record_id in self._paired_before(system, started_at)
            if record_id not in living and not is_guest(record_id)
        ]
        return await self._deletions(system, gone)

    async def hint_trashed(self) -> int:
        """Hint the pairs whose record is in the shop's trash; returns their number."""
        hints = 0
        async for page in pages(self.listing.each_trashed()):
            hints += await self.hint(await self.reported_deleted(System.WOOCOMMERCE, page))
        return hints

    async def _paired_before(self, system: System, moment: datetime) -> AsyncIterator[str]:
        async with self.runtime.sessions() as session:
            found = stream_live_links(
                session, self.store, module=self.module, system=system, before=moment
            )
            async for link in found:
                yield link.side(system).id

    async def reported_deleted(self, system: System, ids: Sequence[str]) -> list[Change]:
        """The deletions among these ids that the system reported as deleted: those with a link."""
        records = [self.record(system, record_id) for record_id in ids]
        async with self.runtime.sessions() as session:
            links = await search_links(session, records)
        living = [key for key, link in links.items() if link.side(system).deleted_at is None]
        return await self._deletions(system, living)

    async def _deletions(self, system: System, ids: Sequence[str]) -> list[Change]:
        gone = [self.record(system, record_id) for record_id in ids]
        async with self.runtime.sessions() as session:
            known = await search_sightings(session, [record.key for record in gone])
        return [
            Change(record, Event.DELETED, GONE) for record in gone if known.get(record.key) != GONE
        ]

    async def hint(self, changed: Sequence[Change]) -> int:
        """Hint these records and store their digests; returns the number of hints.

        The digests are stored after the hints, so that a crash in between repeats hints but loses
        none. A record whose hint the database refuses is logged and does not affect the others.
        """
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
        refused += [
            (each.record, error)
            for each, error in await store_rows(changed, self._record_sightings)
        ]
        for record, error in refused:
            log.error("%s cannot be hinted", record.key, exc_info=error)
        return len(hints)

    async def _accept(self, hints: Sequence[NewDelivery]) -> None:
        await self.runtime.acceptor.accept(hints)

    async def _record_sightings(self, changed: Sequence[Change]) -> None:
        async with transaction(self.runtime.sessions) as session:
            await save_sightings(session, {each.record.key: each.digest for each in changed})


def _is_changed_by_stamp(reader: Reader, link: Link, side: Side) -> bool:
    """Whether a partially listed record changed, by its time stamp or the module's predicate. The
    time stamp alone would miss an edit in the same second as our own write."""
    is_changed = reader.change_predicates.get(side.system)
    if is_changed is None:
        return False
    return side.modified_at != link.side(side.system).modified_at or is_changed(link, side)


def _differs_from_base(rules: Sequence[FieldRule], link: Link, side: Side) -> bool:
    """Whether a listed field differs from the base; fields that are not listed do not count."""
    base = read_base(link.base, rules)
    shown = [(rule, side.values.get(rule.name)) for rule in rules]
    exact = side.values.exact
    return any(
        not holds(rule, base, value, system=side.system, exact=exact.get(rule.name))
        for rule, value in shown
        if value is not None and not _is_unset_custom_field(rule, base, value)
    )


def _is_unset_custom_field(rule: FieldRule, base: Base, value: Value) -> bool:
    """Whether this is an empty field of a custom row added since the last sync."""
    return rule.custom and rule.name not in base and not rule.canonical(value)


def is_excluded(adapter: Adapter, side: Side) -> bool:
    """Whether a record without a link is never hinted by a sweep, such as a draft."""
    refused = adapter.objection(side)
    return refused is not None and refused.reason in EXCLUDED


def digest_of(side: Side, link: Link | None) -> str:
    """A digest that changes when the record or its base does."""
    base = link.base if link is not None else {}
    stamp = str(side.modified_at) if side.system is System.VTIGER else ""
    shown = [side.id, stamp, sorted(side.values.values.items()), sorted(base.items())]
    return sha256(orjson.dumps(shown)).hexdigest()


def digest_of_fault(read: Unreadable, link: Link | None) -> str:
    """A digest that changes when the error of an unreadable record or its base does."""
    base = link.base if link is not None else {}
    shown = [read.id, str(read.error), sorted(base.items())]
    return sha256(orjson.dumps(shown)).hexdigest()

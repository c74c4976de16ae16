"""Records that must be synced before another one: brought first, in the way of any other hint.

An order needs its customer and its products, a product its taxes. The one that is needed gets a
hint of its own, with its own log row, and is drained at once by the worker that needs it. All
records that need it share that hint: while it waits for another try they wait as well, and they
go on as soon as it is settled.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from time import monotonic
from uuid import uuid4

from app.db.session import transaction
from app.errors import Waiting
from app.inbox.dedupe import dependency_key
from app.inbox.models import DeliveryState
from app.inbox.repository import NewDelivery
from app.inbox.waiting import Open, find_open, join
from app.links.models import Link
from app.links.repository import find_link, search_links
from app.records import Event, Origin, Record
from app.runtime import Runtime

Drain = Callable[..., Awaitable[None]]

PATIENCE = 2.0
STEP = 0.1


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Brings records first. `drain` is the pipeline's own, handed in from above; what a run needs
    is part of it. `known` links are those that a page of records was found to need."""

    runtime: Runtime
    drain: Drain
    run_id: int | None = None
    known: dict[str, Link | None] = field(default_factory=dict)

    async def find(self, record: Record) -> Link | None:
        if record.key in self.known:
            return self.known[record.key]
        return await self._read(record)

    async def _read(self, record: Record) -> Link | None:
        async with self.runtime.sessions() as session:
            return await find_link(session, record)

    async def search(self, records: Collection[Record]) -> dict[str, Link]:
        """The links of records of one system, by that system's id."""
        asked = [record for record in records if record.key not in self.known]
        found: dict[str, Link] = {}
        if asked:
            async with self.runtime.sessions() as session:
                found = await search_links(session, asked)
        known = {record.id: self.known.get(record.key) for record in records}
        return found | {key: link for key, link in known.items() if link is not None}

    async def foresee(self, records: Collection[Record]) -> None:
        """Know the links of many records of one system, and of their partners, for a while."""
        async with self.runtime.sessions() as session:
            found = await search_links(session, records)
        for record in records:
            link = self.known[record.key] = found.get(record.id)
            if link is not None:
                self.known[link.record(record.system.other).key] = link

    async def bring(self, record: Record) -> Link | None:
        """The record's link, made now if need be; None if the record is not synced (the log
        tells why). Waiting if that could not be done yet, so that the needing hint comes back.
        A record without an id is an empty reference, which names nothing."""
        if not record.id:
            return None
        return await self.find(record) or await self._bring(record)

    async def renew(self, record: Record) -> Link | None:
        """The same for a record that has a pair whose other record is gone: it is looked at now,
        as one that is needed."""
        return await self._bring(record)

    async def hint(self, record: Record) -> None:
        """Have the record looked at soon, by whoever is free. One that is in hand already may have
        been read before."""
        async with transaction(self.runtime.sessions) as session:
            await join(session, self._hint(record), among=[DeliveryState.PENDING])

    async def _bring(self, record: Record) -> Link | None:
        """Another worker may be at that record just then: it is waited for a moment."""
        async with transaction(self.runtime.sessions) as session:
            joined = await join(session, self._hint(record))
        if joined.seconds > 0:
            raise _waiting(record, joined)
        give_up_at = monotonic() + PATIENCE
        while monotonic() < give_up_at:
            await self.drain(self.runtime, record.key, owner=uuid4().hex)
            for pause in (0.0, STEP):  # what was put off meanwhile is not drained before its time
                await asyncio.sleep(pause)
                link, hint = await self._look(record, joined.id)
                if link is not None or hint is None:
                    self.known.pop(record.key, None)
                    return link
                if hint.next_attempt_at != joined.next_attempt_at:
                    raise _waiting(record, hint)
        raise _waiting(record, joined)

    async def _look(self, record: Record, hint_id: int) -> tuple[Link | None, Open | None]:
        """The record's link, and its hint unless that is settled."""
        async with self.runtime.sessions() as session:
            return await find_link(session, record), await find_open(session, hint_id)

    def _hint(self, record: Record) -> NewDelivery:
        key = dependency_key(record, self.run_id)
        return NewDelivery(record, Origin.DEPENDENCY, Event.CHANGED, key, run_id=self.run_id)


def _waiting(record: Record, hint: Open) -> Waiting:
    message = f"{record.key} is to be synced first, and is not ready yet"
    return Waiting(message, record_key=record.key, seconds=hint.seconds)

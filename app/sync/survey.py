"""Reading both systems whole and comparing them, for a dry run or a verdict. Writes nothing.

Records come in pages; the partners of a page are read in bulk where that can be. Only a record
without a pair costs a look-up of its own.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from app.errors import System
from app.links.models import Link
from app.links.repository import search_links
from app.policies.schemas import SyncPolicy
from app.records import Record
from app.runtime import Runtime
from app.sync.comparison import (
    Compared,
    Plan,
    compare_pair,
    compare_single,
    compare_unreadable,
)
from app.sync.listing import Listing, Read, Seen, attempt
from app.sync.match import choose_twin
from app.sync.shop_creation import ShopCreation
from app.sync.sides import Adapter, Side, Skip, Unreadable, as_pair
from app.tasks import run_together

GONE = "Its partner {id} is gone from {system}."
TAKEN = "{system} {id} matches, but is paired with another record."
SECOND = timedelta(seconds=1)
"""A shop tells what changed after a moment, not at it (contract page WooCommerce §2)."""
DIRECTION_OFF = "The direction is {direction}: {system} is not written from this side."


@dataclass(slots=True)
class Survey:
    """One look at one module of one store; `met` are the keys of records that were compared
    already, `refused` those that the shop does not get, by Vtiger's id."""

    runtime: Runtime
    store: str
    listing: Listing
    policy: SyncPolicy
    met: set[str] = field(default_factory=set)
    refused: dict[str, Skip] = field(default_factory=dict)

    async def run(self, since: datetime | None = None) -> AsyncIterator[Compared]:
        """Each pair and each record without one, once; or those changed since a moment.

        Raises Waiting and the RemoteError tree.
        """
        for system in System:
            async for page in self.listing.each(system, since and since - SECOND):
                for each in await self._page(changed_since(page, since)):
                    yield each

    @property
    def _adapter(self) -> Adapter:
        return self.listing.adapter

    async def _page(self, page: Sequence[Seen]) -> list[Compared]:
        new = [seen for seen in page if not self._was_met(seen)]
        reads = await self.listing.complete(new) if new else []
        if not reads:
            return []
        links = await self._links(reads)
        sides = [read for read in reads if isinstance(read, Side)]
        await self._refuse([side for side in sides if side.id not in links])
        needed = [links[side.id] for side in sides if side.id in links]
        partners = await self._partners(reads[0].system, needed)
        compared = [self._compare(side, links.get(side.id), partners) for side in sides]
        odd = [self._unreadable(read, links) for read in reads if isinstance(read, Unreadable)]
        return [*await run_together(compared), *odd]

    async def _compare(
        self, side: Side, link: Link | None, partners: Mapping[str, Read]
    ) -> Compared:
        """What another record, such as a twin, keeps from being compared is told of this one."""
        look = self._compare_linked(link, side, partners) if link else self._compare_single(side)
        found = await attempt(side.system, side.id, look)
        return compare_unreadable(found) if isinstance(found, Unreadable) else found

    def _unreadable(self, read: Unreadable, links: Mapping[str, Link]) -> Compared:
        """A pair of which one side cannot be read is told once."""
        if link := links.get(read.id):
            self.met.add(link.record(read.system.other).key)
        return compare_unreadable(read)

    def _was_met(self, seen: Seen) -> bool:
        return self._record(seen.system, seen.id).key in self.met

    def _record(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, self._adapter.module, record_id)

    async def _links(self, sides: Sequence[Read]) -> dict[str, Link]:
        async with self.runtime.sessions() as session:
            return await search_links(
                session, [self._record(side.system, side.id) for side in sides]
            )

    async def _partners(self, system: System, links: Sequence[Link]) -> Mapping[str, Read]:
        """The other sides of these links, by the id that the given system's side has."""
        by_id = {link.side(system.other).id: link.side(system).id for link in links}
        found = await self.listing.whole(system.other, list(by_id))
        return {by_id[side.id]: side for side in found}

    async def _compare_linked(
        self, link: Link, side: Side, partners: Mapping[str, Read]
    ) -> Compared:
        partner = partners.get(side.id)
        if isinstance(partner, Unreadable):
            self.met.add(self._record(partner.system, partner.id).key)
            return compare_single(side, Plan.SKIP, skip=partner.skip)
        if partner is None:
            other = side.system.other
            message = GONE.format(id=link.side(other).id, system=other.label)
            return compare_single(side, Plan.SKIP, skip=Skip("not_found", message))
        return self._compare_pair(link, side, partner)

    def _compare_pair(self, link: Link, side: Side, partner: Side) -> Compared:
        for each in (side, partner):
            self.met.add(self._record(each.system, each.id).key)
        woo, vtiger = as_pair(side, partner)
        compared = compare_pair(
            link,
            woo,
            vtiger,
            rules=self._adapter.rules,
            policy=self.policy,
            carried=self._adapter.carried(woo, vtiger),
            explains=partial(self.listing.is_explained, woo=woo, vtiger=vtiger),
        )
        return replace(compared, fields=(*compared.fields, *self.listing.totals(woo, vtiger)))

    async def _refuse(self, alone: Sequence[Side]) -> None:
        """Find out which of these the shop would not get."""
        creation = ShopCreation(self.runtime, self.store, self._adapter.module, self.policy)
        self.refused.update(await creation.refuse(alone))

    async def _compare_single(self, side: Side) -> Compared:
        """As a drain would begin with it: its twin, or a new one, or why neither."""
        refused = self._adapter.objection(side)
        if refused is not None:
            return compare_single(side, Plan.SKIP, skip=refused)
        twin = await choose_twin(self._adapter, self.policy, side)
        if isinstance(twin, Skip):
            return compare_single(side, Plan.SKIP, skip=twin)
        if twin is not None:
            return await self._compare_twin(side, twin)
        refused = self._direction_skip(side) or self.refused.get(side.id)
        refused = refused or self._adapter.creation_objection(side)
        return compare_single(side, Plan.SKIP if refused else Plan.CREATE, skip=refused)

    async def _compare_twin(self, side: Side, twin: Side) -> Compared:
        if await self._links([twin]) or self._record(twin.system, twin.id).key in self.met:
            message = TAKEN.format(system=twin.system.label, id=twin.id)
            return compare_single(side, Plan.SKIP, skip=Skip("ambiguous_match", message))
        module = self._adapter.module
        found = Link(module=module, woo_written_at=None, vtiger_written_at=None, base={})
        return replace(self._compare_pair(found, side, twin), plan=Plan.PAIR)

    def _direction_skip(self, side: Side) -> Skip | None:
        direction, target = self.policy.direction, side.system.other
        if direction.allows(target):
            return None
        message = DIRECTION_OFF.format(direction=direction, system=target.label)
        return Skip("direction_off", message)


def changed_since(page: Sequence[Seen], since: datetime | None) -> list[Seen]:
    """Those of a listing that changed at or after a moment; a customer never changed counts by
    the day of its registration, and what has no times is always looked at."""
    if since is None:
        return list(page)
    return [seen for seen in page if (at := seen.changed_at) is None or at >= since]

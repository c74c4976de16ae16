"""Which records of a page are plainly new: no pair, no twin, nothing begun, nothing against it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.links.leases import PairLease
from app.links.repository import search_intents, search_links
from app.policies.schemas import SyncPolicy
from app.records import Record
from app.runtime import Runtime
from app.sync.bulk import Bulk
from app.sync.hold import lease_keys
from app.sync.shop_creation import ShopCreation
from app.sync.sides import Side, Skip


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

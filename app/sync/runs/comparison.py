"""Compares both systems record by record: what a sync would do, and the differences found.

Records are read in pages, and the partners of a page in bulk where the system allows it. Only a
record without a link needs a search of its own."""

from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from uuid import uuid4

from app.domain import InvalidInput, LeaseLost, Module, Record, System
from app.links.leases import hold
from app.links.models import Link
from app.links.repository import search_links
from app.mapping.rules import FieldRule, holds, read_base
from app.mapping.values import Base
from app.module_facts import IN_ORDER
from app.modules.context import Context, policy_of
from app.modules.ports import (
    Adapter,
    FieldDifference,
    ListedRecord,
    Listing,
    PlannedAction,
    Read,
    Reader,
    Side,
    Skip,
    Unreadable,
    as_pair,
    attempt,
    direction_skip,
    only_in,
)
from app.modules.registry import SPECS
from app.modules.shop_creation import ShopCreation
from app.policies.repository import SyncPolicy
from app.runs.models import SyncRun
from app.runs.repository import count_differences
from app.runtime import Runtime
from app.sync.agreement import newer_side
from app.sync.creation import choose_twin
from app.sync.merge import Merge, describe_blocked, merge
from app.sync.runs.requests import OFF
from app.tasks import run_together

# Comparing one pair through the mapping and the merge, as a drain does. Pure functions.


class Plan(StrEnum):
    """What a sync would do with a record."""

    AGREE = "agree"
    UPDATE = "update"
    PAIR = "pair"
    CREATE = "create"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Compared:
    """One pair, or one record without a link, whose id in the other system is None.

    `checked` is the number of compared fields.
    """

    plan: Plan
    label: str
    woo_id: str | None
    vtiger_id: str | None
    fields: tuple[FieldDifference, ...] = ()
    skip: Skip | None = None
    checked: int = 0

    @property
    def pending(self) -> tuple[FieldDifference, ...]:
        """The fields that a sync would write or report as a conflict."""
        return tuple(
            each
            for each in self.fields
            if each.act not in (PlannedAction.KEPT, PlannedAction.DIFFERS)
        )

    @property
    def unexplained(self) -> tuple[FieldDifference, ...]:
        """The pending fields and those that stay different without an explanation."""
        return tuple(each for each in self.fields if each.act is not PlannedAction.KEPT)

    @property
    def agrees(self) -> bool:
        """Whether both sides of a pair are equal, as far as the systems allow."""
        return self.plan is Plan.AGREE and not self.unexplained


def compare_pair(
    link: Link,
    woo: Side,
    vtiger: Side,
    *,
    rules: tuple[FieldRule, ...],
    policy: SyncPolicy,
    carried: Collection[str],
    explains: Callable[[str], bool],
) -> Compared:
    """What a sync would do with a pair; `link.base` is empty for a pair without a stored link.

    `carried` is that of `merge`; `explains` returns whether a field differs only because the target
    cannot store the value exactly.
    """
    base = read_base(link.base, rules)
    settled = _settled(base, woo, vtiger, rules=rules)
    merged = merge(
        base,
        woo.values,
        vtiger.values,
        rules=rules,
        direction=policy.direction,
        policy=policy.conflict_policy,
        newer=newer_side(link, {System.WOOCOMMERCE: woo, System.VTIGER: vtiger}),
        carried=carried,
    )

    def is_explained(name: str) -> bool:
        return name in settled or explains(name)

    fields = tuple(_differences(merged, woo, vtiger, rules=rules, explains=is_explained))
    plan = Plan.UPDATE if merged.to_woo or merged.to_vtiger or merged.conflicts else Plan.AGREE
    skip = None
    if plan is Plan.AGREE and merged.blocked:
        plan, skip = Plan.SKIP, Skip("direction_off", describe_blocked(merged.blocked))
    label = woo.label or vtiger.label
    return Compared(plan, label, woo.id, vtiger.id, fields, skip, checked=len(rules))


def _settled(
    base: Base, woo: Side, vtiger: Side, *, rules: tuple[FieldRule, ...]
) -> frozenset[str]:
    """Custom rows whose sides both equal the base: a difference is due to the field's precision or
    length, which the systems do not report."""
    return frozenset(
        rule.name
        for rule in rules
        if rule.custom
        and rule.name in base
        and holds(rule, base, woo.values.get(rule.name), system=System.WOOCOMMERCE)
        and holds(rule, base, vtiger.values.get(rule.name), system=System.VTIGER)
    )


def _differences(
    merged: Merge,
    woo: Side,
    vtiger: Side,
    *,
    rules: tuple[FieldRule, ...],
    explains: Callable[[str], bool],
) -> Iterator[FieldDifference]:
    """The differing fields; a field that one side does not have is not a difference."""
    for rule in rules:
        mine, theirs = woo.values.get(rule.name), vtiger.values.get(rule.name)
        act = _act(merged, rule.name)
        is_missing = act is PlannedAction.DIFFERS and None in (mine, theirs)
        if is_missing or rule.same(mine or "", theirs or ""):
            continue
        if act is PlannedAction.DIFFERS and explains(rule.name):
            act = PlannedAction.KEPT
        yield FieldDifference(rule.name, mine, theirs, act)


def _act(merged: Merge, name: str) -> PlannedAction:
    if name in {conflict.field for conflict in merged.conflicts}:
        return PlannedAction.CONFLICT
    if name in merged.to_woo:
        return PlannedAction.TO_WOOCOMMERCE
    return PlannedAction.TO_VTIGER if name in merged.to_vtiger else PlannedAction.DIFFERS


def compare_unreadable(read: Unreadable) -> Compared:
    """A record, or one side of a pair, that cannot be read: a sync skips it."""
    woo_id, vtiger_id = only_in(read.system, read.id)
    return Compared(Plan.SKIP, read.id, woo_id, vtiger_id, skip=read.skip)


def compare_single(side: Side, plan: Plan, *, skip: Skip | None = None) -> Compared:
    """A record without a link, to be created in the other system or skipped."""
    woo_id, vtiger_id = only_in(side.system, side.id)
    return Compared(plan, side.label, woo_id, vtiger_id, skip=skip)


# Totals of a comparison: each compared record either agrees or is a difference.


@dataclass(frozen=True, slots=True)
class Totals:
    """The counts of one module, or of all modules if `module` is empty.

    A pair counts once, as does a record without a partner. `found` counts the differences by what
    a sync would do.
    """

    module: str
    agreed: int
    found: Mapping[Plan, int]

    @property
    def compared(self) -> int:
        return self.agreed + sum(self.found.values())


async def read_totals(runtime: Runtime, run: SyncRun) -> list[Totals]:
    """The totals of each module compared so far, in the order of a run; none for runs of versions
    that did not store them."""
    async with runtime.sessions() as session:
        counted = await count_differences(session, run.id)
    return [
        Totals(
            module,
            int(run.agreed_in[module]),
            {plan: counted.get(module, {}).get(plan, 0) for plan in Plan},
        )
        for module in IN_ORDER
        if module in run.agreed_in
    ]


def add_up(totals: Iterable[Totals]) -> Totals:
    """The sum of the totals of several modules."""
    rows = list(totals)
    found = {plan: sum(row.found[plan] for row in rows) for plan in Plan}
    return Totals("", sum(row.agreed for row in rows), found)


PARTNER_GONE = "Its partner {id} is gone from {system}."
TAKEN = "{system} {id} matches, but is paired with another record."
SECOND = timedelta(seconds=1)
"""A shop lists changes after a time, excluding that second (contract page WooCommerce §2)."""


@dataclass(slots=True)
class Survey:
    """The comparison of one module of one store.

    `compared_keys` are the keys of records compared so far; `refused` are the records that may not
    be created in the shop, by Vtiger's id.
    """

    runtime: Runtime
    store: str
    listing: Listing
    reader: Reader
    policy: SyncPolicy
    compared_keys: set[str] = field(default_factory=set)
    refused: dict[str, Skip] = field(default_factory=dict)

    async def run(self, since: datetime | None = None) -> AsyncIterator[Compared]:
        """Yield each pair and each record without a link once; with `since` only changed ones.

        Raises DependencyNotReady and the RemoteError tree.
        """
        for system in System:
            async for page in self.listing.each(system, since and since - SECOND):
                for each in await self._page(changed_since(page, since)):
                    yield each

    @property
    def _adapter(self) -> Adapter:
        return self.reader.adapter

    async def _page(self, page: Sequence[ListedRecord]) -> list[Compared]:
        new = [seen for seen in page if not self._is_compared(seen)]
        reads = await self.reader.complete(new) if new else []
        if not reads:
            return []
        links = await self._links(reads)
        sides = [read for read in reads if isinstance(read, Side)]
        await self._refuse([side for side in sides if side.id not in links])
        needed = [links[side.id] for side in sides if side.id in links]
        partners = await self._partners(reads[0].system, needed)
        compared = [self._compare(side, links.get(side.id), partners) for side in sides]
        unreadable = [
            self._unreadable(read, links) for read in reads if isinstance(read, Unreadable)
        ]
        return [*await run_together(compared), *unreadable]

    async def _compare(
        self, side: Side, link: Link | None, partners: Mapping[str, Read]
    ) -> Compared:
        """Compare one record; an unreadable twin or partner is reported on this record."""
        comparison = (
            self._compare_linked(link, side, partners) if link else self._compare_single(side)
        )
        found = await attempt(side.system, side.id, comparison)
        return compare_unreadable(found) if isinstance(found, Unreadable) else found

    def _unreadable(self, read: Unreadable, links: Mapping[str, Link]) -> Compared:
        """Report an unreadable side; its pair is reported once."""
        if link := links.get(read.id):
            self.compared_keys.add(link.record(read.system.other).key)
        return compare_unreadable(read)

    def _is_compared(self, seen: ListedRecord) -> bool:
        return self._record(seen.system, seen.id).key in self.compared_keys

    def _record(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, self._adapter.module, record_id)

    async def _links(self, sides: Sequence[Read]) -> dict[str, Link]:
        async with self.runtime.sessions() as session:
            return await search_links(
                session, [self._record(side.system, side.id) for side in sides]
            )

    async def _partners(self, system: System, links: Sequence[Link]) -> Mapping[str, Read]:
        """The partners of these links, by the id in the given system."""
        by_id = {link.side(system.other).id: link.side(system).id for link in links}
        found = await self.reader.whole(system.other, list(by_id))
        return {by_id[side.id]: side for side in found}

    async def _compare_linked(
        self, link: Link, side: Side, partners: Mapping[str, Read]
    ) -> Compared:
        partner = partners.get(side.id)
        if isinstance(partner, Unreadable):
            self.compared_keys.add(self._record(partner.system, partner.id).key)
            return compare_single(side, Plan.SKIP, skip=partner.skip)
        if partner is None:
            other = side.system.other
            message = PARTNER_GONE.format(id=link.side(other).id, system=other.label)
            return compare_single(side, Plan.SKIP, skip=Skip("not_found", message))
        return self._compare_pair(link, side, partner)

    def _compare_pair(self, link: Link, side: Side, partner: Side) -> Compared:
        for each in (side, partner):
            self.compared_keys.add(self._record(each.system, each.id).key)
        woo, vtiger = as_pair(side, partner)
        compared = compare_pair(
            link,
            woo,
            vtiger,
            rules=self._adapter.rules,
            policy=self.policy,
            carried=self._adapter.converted_names(woo, vtiger),
            explains=partial(self.reader.is_explained, woo=woo, vtiger=vtiger),
        )
        return replace(compared, fields=(*compared.fields, *self.reader.totals(woo, vtiger)))

    async def _refuse(self, unpaired: Sequence[Side]) -> None:
        """Determine which of these may not be created in the shop."""
        creation = ShopCreation(self.runtime, self.store, self._adapter.module, self.policy)
        self.refused.update(await creation.refuse(unpaired))

    async def _compare_single(self, side: Side) -> Compared:
        """Compare a record without a link: with its twin, as a creation, or as skipped."""
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
        if (
            await self._links([twin])
            or self._record(twin.system, twin.id).key in self.compared_keys
        ):
            message = TAKEN.format(system=twin.system.label, id=twin.id)
            return compare_single(side, Plan.SKIP, skip=Skip("ambiguous_match", message))
        module = self._adapter.module
        found = Link(module=module, woo_written_at=None, vtiger_written_at=None, base={})
        return replace(self._compare_pair(found, side, twin), plan=Plan.PAIR)

    def _direction_skip(self, side: Side) -> Skip | None:
        direction, target = self.policy.direction, side.system.other
        return None if direction.allows(target) else direction_skip(direction, target)


def changed_since(page: Sequence[ListedRecord], since: datetime | None) -> list[ListedRecord]:
    """The listed records that changed at or after `since`.

    A customer that was never changed counts by its registration date; records without times are
    always included.
    """
    if since is None:
        return list(page)
    return [seen for seen in page if (at := seen.changed_at) is None or at >= since]


# Comparing one module without a stored run.

BUSY = "A run of store {store} is in progress."


async def compare_store(
    runtime: Runtime, store: str, *, module: Module, since: datetime | None = None
) -> AsyncIterator[Compared]:
    """Yield each pair and each record without a link, compared; nothing is written or hinted.

    Raises InvalidInput if the module is off or a run of this store is in progress,
    DependencyNotReady, and the RemoteError tree.
    """
    policy = await policy_of(runtime, store, module)
    if not policy.enabled:
        raise InvalidInput(OFF.format(module=module, store=store), "module")
    seconds = runtime.settings.worker.lease_seconds
    try:
        async with hold(
            runtime.sessions, [f"run:{store}"], owner=uuid4().hex, seconds=seconds
        ) as lease:
            listing = SPECS[module].open_listing(Context(runtime, store, policy, lease))
            survey = Survey(runtime, store, listing, await listing.reader(), policy)
            async for compared in survey.run(since):
                yield compared
    except LeaseLost:
        raise InvalidInput(BUSY.format(store=store), "store") from None

"""Forecasts what a run would create, before anything is written, and whether it needs consent.

The numbers of accounts and orders are upper limits: whether one is created is decided when its
record is read. For a repair the differences of the comparison are counted."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain import CreationPolicy, Direction, Module, Record, RemoteError, System
from app.links.leases import PairLease
from app.links.repository import count_links, search_links
from app.module_facts import FACTS
from app.modules.context import Context, policy_of
from app.modules.orders.mapping import find_store
from app.modules.ports import PAGE, Bulk, ListedRecord, Listing, PlannedAction, Side
from app.modules.registry import IN_BULK, SPECS, BulkOpener, mails_of
from app.modules.shop_creation import ShopCreation, find_default_store
from app.policies.repository import narrowed
from app.runs.models import Consent, RunDifference, SyncRun
from app.runs.repository import search_differences
from app.runtime import Runtime
from app.sync.runs.comparison import Plan
from app.vtiger.client import PURCHASE_ORDER
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.client import COMPLETED, MAILS, NEW_ACCOUNT, NEW_ORDER_MAILS

MANY = 1000
"""Above this number of new records an interactively started run needs consent."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """New records by system and module, updated pairs, and people whom the shop would mail.

    `mails_known` is False if the shop's mail settings could not be read; all mails are then assumed
    to be sent.
    """

    created: Mapping[System, Mapping[Module, int]]
    updated: int = 0
    mailed: int = 0
    mails_known: bool = True

    @property
    def accounts(self) -> int:
        return self.created[System.WOOCOMMERCE].get(Module.CONTACTS, 0)

    @property
    def total(self) -> int:
        return sum(count for counts in self.created.values() for count in counts.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "created": {
                str(system): {str(module): count for module, count in counts.items()}
                for system, counts in self.created.items()
            },
            "updated": self.updated,
            "accounts": self.accounts,
            "mailed": self.mailed,
            "mails_known": self.mails_known,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Forecast":
        created = {
            system: {Module(name): count for name, count in data["created"][system].items()}
            for system in System
        }
        return cls(created, data["updated"], data["mailed"], data["mails_known"])


def needs_consent(run: SyncRun, forecast: Forecast) -> bool:
    """Whether a run needs consent: a repair, or one that creates accounts or sends mail; in an
    interactive run also more than MANY new records."""
    if run.consent == Consent.GIVEN or run.dry_run:
        return False
    touches_people = bool(forecast.accounts or forecast.mailed)
    is_repair = run.repair_of is not None and bool(forecast.total or forecast.updated)
    is_large = run.consent == Consent.NEEDED_IF_MANY and forecast.total > MANY
    return touches_people or is_repair or is_large


def describe_forecast(forecast: Forecast) -> str:
    """The forecast as text, as shown before a run."""
    sentences = []
    for system, counts in forecast.created.items():
        parts = [_count(count, *FACTS[module].nouns) for module, count in counts.items() if count]
        if parts:
            sentences.append(f"{' and '.join(parts)} will be created in {system.label}")
    if forecast.updated:
        sentences.append(f"{_count(forecast.updated, 'pair', 'pairs')} will be updated")
    text = "; ".join(sentences) if sentences else "No record will be created"
    return f"{text}. {_describe_people(forecast)}"


def _describe_people(forecast: Forecast) -> str:
    accounts = f"{_count(forecast.accounts, 'account', 'accounts')} will be created in the shop"
    mailed = f"{_count(forecast.mailed, 'person', 'people')} mailed by it"
    text = f"{accounts}, {mailed}."
    if forecast.mailed and not forecast.mails_known:
        text += " The shop's mail settings could not be read, so all mails are counted."
    return text


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


@dataclass(slots=True)
class Forecaster:
    """The forecast of one run. Methods raise DependencyNotReady and the RemoteError tree."""

    runtime: Runtime
    run: SyncRun
    lease: PairLease
    created: dict[System, Counter[Module]] = field(
        default_factory=lambda: {system: Counter() for system in System}
    )
    new_customers: set[str] = field(default_factory=set)
    updated: int = 0
    mails: int = 0
    """Changed e-mail addresses, and orders that become completed."""

    async def of_modules(self, modules: Sequence[Module]) -> Forecast:
        """The forecast of a sync of whole modules: records that exist in Vtiger only are read,
        records that exist in the shop only are counted."""
        for module in modules:
            if module in IN_BULK:
                await self._forecast_module(module)
        return await self._forecast()

    async def _forecast_module(self, module: Module) -> None:
        store = self.run.store
        direction = Direction(self.run.direction)
        policy = narrowed(await policy_of(self.runtime, store, module), direction)
        context = Context(self.runtime, store, policy, self.lease)
        bulk = await BulkOpener().open(context, module)
        listing, reader = SPECS[module].open_listing(context), SPECS[module].reader(bulk.adapter)
        if policy.direction.allows(System.VTIGER):
            self.created[System.VTIGER][module] += await self._count_new(listing, module)
        if not policy.direction.allows(System.WOOCOMMERCE):
            return
        if policy.create_in_shop is CreationPolicy.NEVER:
            return
        creation = ShopCreation(self.runtime, store, module, policy)
        async for page in listing.each(System.VTIGER, self.run.since):
            unpaired = await self._unpaired(module, page)
            reads = await reader.sides([seen for seen in page if seen.id in unpaired])
            sides = [read for read in reads if isinstance(read, Side)]
            refused = await creation.refuse(sides)
            wanted = [side for side in sides if side.id not in refused]
            if module is Module.SALES_ORDERS:
                await self._note_orders(wanted)
            elif wanted:
                await self._note_new(bulk, wanted)

    async def _note_new(self, bulk: Bulk, sides: Sequence[Side]) -> None:
        """Count the records that have no twin and can get one."""
        taken = await bulk.search_taken(sides)
        adapter = bulk.adapter
        new = [
            side.id
            for side in sides
            if side.id not in taken
            and adapter.objection(side) is None
            and adapter.creation_objection(side) is None
        ]
        if adapter.module is Module.CONTACTS:
            self.new_customers.update(new)
        else:
            self.created[System.WOOCOMMERCE][adapter.module] += len(new)

    async def _note_orders(self, sides: Sequence[Side]) -> None:
        """Count orders created in Vtiger, and the contacts that become customers with them."""
        if await find_default_store(self.runtime) not in (None, self.run.store):
            return
        records = [side.raw for side in sides if isinstance(side.raw, VtigerRecord)]
        own = [each for each in records if find_store(each.get(PURCHASE_ORDER)) is None]
        self.created[System.WOOCOMMERCE][Module.SALES_ORDERS] += len(own)
        people = await policy_of(self.runtime, self.run.store, Module.CONTACTS)
        writes = people.enabled and people.direction.allows(System.WOOCOMMERCE)
        if not writes or people.create_in_shop is CreationPolicy.NEVER:
            return
        named = {each.get("contact_id") for each in own} - {""}
        known = await self._paired(Module.CONTACTS, named)
        self.new_customers |= named - known

    async def _unpaired(self, module: Module, page: Sequence[ListedRecord]) -> set[str]:
        ids = {seen.id for seen in page}
        return ids - await self._paired(module, ids)

    async def _paired(self, module: Module, ids: Collection[str]) -> set[str]:
        records = [Record(self.run.store, System.VTIGER, module, each) for each in sorted(ids)]
        async with self.runtime.sessions() as session:
            return set(await search_links(session, records))

    async def _count_new(self, listing: Listing, module: Module) -> int:
        there = await listing.count(System.WOOCOMMERCE, self.run.since)
        if self.run.since is not None:
            return there
        async with self.runtime.sessions() as session:
            return max(0, there - await count_links(session, self.run.store, module))

    async def of_report(self, run_id: int) -> Forecast:
        """The forecast of a repair: the differences that the comparison found."""
        cursor: str | None = None
        while True:
            async with self.runtime.sessions() as session:
                page = await search_differences(session, run_id, cursor=cursor, limit=PAGE)
            for each in page.items:
                self._note_difference(each)
            cursor = page.next_cursor
            if cursor is None:
                return await self._forecast()

    def _note_difference(self, each: RunDifference) -> None:
        module = Module(each.module)
        if each.plan == Plan.CREATE:
            target = System.VTIGER if each.vtiger_id is None else System.WOOCOMMERCE
            if (target, module) == (System.WOOCOMMERCE, Module.CONTACTS):
                self.new_customers.add(each.vtiger_id or "")
            else:
                self.created[target][module] += 1
            return
        if each.plan not in (Plan.UPDATE, Plan.PAIR):
            return
        self.updated += 1
        mailing = FACTS[module].mailing_field
        self.mails += any(
            one["field"] == mailing and one["act"] == PlannedAction.TO_WOOCOMMERCE
            for one in each.fields
        )

    async def _forecast(self) -> Forecast:
        shop = self.created[System.WOOCOMMERCE]
        shop[Module.CONTACTS] = len(self.new_customers)
        orders = shop[Module.SALES_ORDERS]
        mailed, known = self.mails, True
        if self.new_customers or orders:
            try:
                on = await mails_of(self.runtime, self.run.store)
            except RemoteError:
                on, known = frozenset(MAILS), False
            mailed += len(self.new_customers) if NEW_ACCOUNT in on else 0
            mailed += orders if on & {*NEW_ORDER_MAILS, COMPLETED} else 0
        return Forecast(
            {system: dict(counts) for system, counts in self.created.items()},
            self.updated,
            mailed,
            known,
        )

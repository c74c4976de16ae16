"""Sales orders in bulk: listed for sweeps and runs, and created a page at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import ClassVar

from app.domain import (
    DependencyNotReady,
    Direction,
    GuestPolicy,
    Module,
    RemoteError,
    System,
    WooVtigerError,
    WriteCondition,
)
from app.links.leases import LEASE_WAIT_SECONDS
from app.links.models import Link
from app.mapping.rules import FieldRule
from app.mapping.values import (
    Patch,
    PatchOptions,
    Value,
    amount,
    base_from_json,
    decimal_text,
    rounded,
)
from app.modules.contacts.adapter import age_of, find_guest_id, guest_of, is_of_vtiger
from app.modules.contacts.bulk import KnownAccounts
from app.modules.context import Context, ListingBase, ModuleSpec, ensure_setup
from app.modules.orders.adapter import OrderAdapter, crm_order, open_orders, shop_order
from app.modules.orders.lines import OrderRefs, Sold
from app.modules.orders.mapping import FOREIGN_ID_META, purchase_order, vtiger_order
from app.modules.orders.money import same_goods, total_differences
from app.modules.orders.references import CrmOrder, ShopOrder
from app.modules.orders.to_vtiger import plan_order
from app.modules.orders.to_woocommerce import woo_order_patch
from app.modules.ports import (
    PAGE,
    Bulk,
    ChangePredicate,
    CreateResult,
    FieldDifference,
    IdWriteResult,
    ListedRecord,
    PlannedAction,
    Read,
    Side,
    Unreadable,
    attempt,
    find_each,
    pages,
    read_each,
)
from app.tasks import run_together
from app.vtiger.addon import MOST_ITEMS
from app.vtiger.client import HEADER_COLUMNS, ORDER_COLUMNS, ORDERS
from app.vtiger.query import changed_where, last_change, portions
from app.vtiger.schemas import VtigerRecord, fold
from app.woocommerce.client import MAILS, NEW_ACCOUNT
from app.woocommerce.schemas import WooOrder

# Bulk creation: purchase orders are searched for together, orders created in batches.


@dataclass(frozen=True, slots=True)
class BulkOrders:
    """`accounts` are those that the adapter uses; `customers` are the e-mails of the shop's
    customers, where they are known."""

    adapter: OrderAdapter
    accounts: KnownAccounts
    customers: frozenset[str] | None

    async def search_prerequisites(self, seen: Sequence[ListedRecord]) -> list[ListedRecord]:
        """New guests, each with the data of the latest of its orders."""
        if self.adapter.policy.guests is not GuestPolicy.CONTACT_PER_EMAIL:
            return []
        references = self.adapter.sides.references
        latest: dict[str, WooOrder] = {}
        for order in sorted(_readable(seen), key=age_of):
            guest_id = find_guest_id(order)
            if guest_id is None or is_of_vtiger(order):
                continue
            if await references.refusal(order) is None:
                latest[guest_id] = order
        new = await references.buyers.search_new_guests(latest, self.customers)
        people = [guest_of(order) for order in new]
        return [ListedRecord(System.WOOCOMMERCE, person.id, person) for person in people]

    async def preload_links(self, seen: Sequence[ListedRecord]) -> None:
        """Preload the links of the orders, their buyers and products."""
        orders = _readable(seen)
        sides = self.adapter.sides
        if sides.references.dependencies is None or not orders:
            return
        records = [sides.record(System.WOOCOMMERCE, order.id) for order in orders]
        await sides.references.dependencies.preload_links(records)
        await sides.references.preload(orders)

    async def prepare(self, sources: Sequence[Side]) -> None:
        orders = [side.raw.order for side in sources if isinstance(side.raw, ShopOrder)]
        names = [self.adapter.writer.account_name_of(order) for order in orders]
        await self.accounts.prefetch(names)

    async def search_taken(self, sources: Sequence[Side]) -> frozenset[str]:
        """Orders of the shop whose purchase order exists in Vtiger; none of Vtiger's orders, whose
        twin is found by the id that they carry."""
        store, vtiger = self.adapter.sides.store, self.adapter.sides.runtime.vtiger
        by_number = {
            purchase_order(store, side.id): side.id
            for side in sources
            if isinstance(side.raw, ShopOrder)
        }
        found = frozenset[str]()
        for part in portions(sorted(by_number)):
            found |= await vtiger.search_purchase_orders(part)
        return frozenset(by_number[number] for number in found if number in by_number)

    async def create_in_shop(self, sources: Sequence[Side]) -> list[CreateResult]:
        """Create the twins in one batch; an order with a dependency that is not ready is not
        sent."""
        patches = await run_together(self._new_order(side) for side in sources)
        create = [patch.body for patch in patches if isinstance(patch, Patch)]
        answers = iter(await self.adapter.woo_writer.woo.batch_orders(create=create))
        return [
            await self._finish_create(side, patch, next(answers))
            if isinstance(patch, Patch)
            else patch
            for side, patch in zip(sources, patches, strict=True)
        ]

    async def _new_order(self, side: Side) -> Patch | WooVtigerError:
        try:
            return await self.adapter.woo_writer.new_order(crm_order(side), side.values.values)
        except WooVtigerError as error:
            return error

    async def _finish_create(
        self, side: Side, patch: Patch, answer: WooOrder | RemoteError
    ) -> CreateResult:
        if isinstance(answer, RemoteError):
            return answer
        try:
            written = await self.adapter.woo_writer.finish_create(answer, patch, crm_order(side))
            return await self.adapter.created_in_shop(side, written)
        except WooVtigerError as error:
            return error

    async def write_external_ids_in_shop(
        self, marks: Sequence[tuple[Side, str]]
    ) -> list[IdWriteResult]:
        update = {
            side.id: {"meta_data": [{"key": FOREIGN_ID_META, "value": partner}]}
            for side, partner in marks
        }
        marked = await self.adapter.woo_writer.woo.batch_orders(update=update)
        return [one if isinstance(one, RemoteError) else one.modified_at for one in marked]


def _readable(seen: Sequence[ListedRecord]) -> list[WooOrder]:
    """The shop's orders among these, without those that cannot be read."""
    found = [each.raw for each in seen if isinstance(each.raw, WooOrder)]
    return [order for order in found if not order.faults]


TOTAL = "total"
_NO_REFS = OrderRefs("", placeholder_id="", fee_service_id="", currency="", currency_id=None)


def _is_shown(rule: FieldRule) -> bool:
    """Whether the listing shows a field that may be edited on either side."""
    return rule.direction is Direction.BOTH and rule.vtiger in HEADER_COLUMNS


@dataclass(slots=True)
class OrderListing(ListingBase):
    """Orders of the shop, and headers of Vtiger's orders, whose listing has no lines."""

    module: ClassVar[Module] = Module.SALES_ORDERS
    lists_all: ClassVar[frozenset[System]] = frozenset()

    async def find_last_change(self, system: System) -> datetime | None:
        if system is System.WOOCOMMERCE:
            return await self.woo.find_last_order_change()
        found = await self.vtiger.query(last_change(ORDERS))
        return found[0].modified_at if found else None

    async def count(self, system: System, changed_since: datetime | None) -> int:
        if system is System.WOOCOMMERCE:
            return await self.woo.count_orders(changed_since)
        return await self.vtiger.count(ORDERS, changed_where(changed_since))

    def each(
        self, system: System, changed_since: datetime | None
    ) -> AsyncIterator[list[ListedRecord]]:
        """Orders without the trash, but with drafts (recording orders_list_modified_after_gmt)."""
        of_shop = system is System.WOOCOMMERCE
        return self._shop(changed_since) if of_shop else self._crm(changed_since)

    async def _shop(self, changed_since: datetime | None) -> AsyncIterator[list[ListedRecord]]:
        async for page in pages(self.woo.each_order(changed_since)):
            yield [ListedRecord(System.WOOCOMMERCE, order.id, order) for order in page]

    async def _crm(self, changed_since: datetime | None) -> AsyncIterator[list[ListedRecord]]:
        where = changed_where(changed_since)
        async for page in pages(self.vtiger.search(ORDERS, where, columns=HEADER_COLUMNS)):
            yield [ListedRecord(System.VTIGER, record.id, record) for record in page]

    async def each_trashed(self) -> AsyncIterator[str]:
        async for order in self.woo.each_trashed_order():
            yield order.id

    async def each_vtiger_id(self) -> AsyncIterator[str]:
        async for record in self.vtiger.search(ORDERS, columns=("id",)):
            yield record.id


@dataclass(frozen=True, slots=True)
class OrderReader:
    """The lines of Vtiger's orders are read one order at a time (contract page Vtiger §0.11), or a
    hundred from its add-on."""

    adapter: OrderAdapter

    @property
    def change_predicates(self) -> Mapping[System, ChangePredicate]:
        return {System.VTIGER: _has_other_total}

    async def sides(self, page: Sequence[ListedRecord]) -> list[Read]:
        """The sides of a page. Dependencies, such as the contacts of guests, are synced on the
        way: as many at a time as fit a call of Vtiger's add-on, else one. An order whose dependency
        is not ready is Unreadable. All reads finish before an error of one is raised, since a
        create may be in progress.
        """
        places = await self.adapter.sides.references.decimals()
        vtiger = self.adapter.sides.runtime.vtiger
        turns = asyncio.Semaphore(MOST_ITEMS if await vtiger.saves(ORDERS) else 1)

        async def read(seen: ListedRecord) -> Read | Exception:
            async with turns:
                try:
                    return await attempt(seen.system, seen.id, self._side(seen, places))
                except DependencyNotReady as error:
                    return Unreadable(seen.system, seen.id, error)
                except Exception as error:
                    return error

        reads = []
        for found in await run_together(read(seen) for seen in page):
            if isinstance(found, Exception):
                raise found
            reads.append(found)
        return reads

    async def _side(self, seen: ListedRecord, places: int) -> Side:
        if isinstance(seen.raw, VtigerRecord):
            return self._listed_side(seen.raw, places)
        order = seen.raw if isinstance(seen.raw, WooOrder) else WooOrder.parse(seen.raw.data)
        return await self.adapter.sides.of_woo(order)

    def _listed_side(self, record: VtigerRecord, places: int) -> Side:
        """The side of a listed order without its lines; its total stands for them (45-*)."""
        record.checked()
        shown = [rule for rule in self.adapter.rules if _is_shown(rule)]
        refs = replace(_NO_REFS, statuses=self.adapter.sides.references.statuses)
        mapped = vtiger_order(record, refs, rules=shown)
        total = decimal_text(rounded(amount(record.get("hdnGrandTotal")), places))
        return Side(
            system=System.VTIGER,
            id=record.id,
            values=replace(mapped, values={**mapped.values, TOTAL: total}),
            modified_at=record.modified_at,
            created_at=record.created_at,
            label=record.get("subject"),
            foreign_id=None,
            raw=record,
        )

    async def complete(self, page: Sequence[ListedRecord]) -> list[Read]:
        of_shop = [seen for seen in page if seen.system is System.WOOCOMMERCE]
        rest = [seen.id for seen in page if seen.system is System.VTIGER]
        return [*await self.sides(of_shop), *await self.whole(System.VTIGER, rest)]

    async def whole(self, system: System, ids: Sequence[str]) -> list[Read]:
        """Orders by id; those of Vtiger with the names of their Accounts, which a sync does not
        read."""
        if system is System.WOOCOMMERCE:
            return await find_each(self.adapter, system, ids)
        reading = partial(self.adapter.sides.of_vtiger, sync_first=True)
        vtiger = self.adapter.sides.runtime.vtiger
        found = await read_each(self.adapter, vtiger, ORDERS, ids, reading)
        accounts = [_account_of(read) for read in found]
        names: dict[str, str] = {}
        for start in range(0, len(accounts), PAGE):
            part = accounts[start : start + PAGE]
            names |= await self.adapter.writer.accounts.names_of(part)
        return [
            _with_account(read, names.get(account, ""))
            for read, account in zip(found, accounts, strict=True)
        ]

    def is_explained(self, name: str, woo: Side, vtiger: Side) -> bool:
        """Whether the difference is expected: the subject is written on create only, Account names
        are compared as Vtiger does, names of lines are ignored; other fields are compared with what
        would be written now."""
        rule = next(rule for rule in self.adapter.rules if rule.name == name)
        mine, theirs = woo.values.get(name) or "", vtiger.values.get(name) or ""
        if rule.write is WriteCondition.ON_CREATE:
            return True
        if name == "account":
            return fold(theirs) == fold(mine[: len(theirs)])
        if name == "lines" and same_goods(mine, theirs):
            return True
        return name in self.adapter.converted_names(woo, vtiger) | self._unwritten(woo)

    def _unwritten(self, woo: Side) -> frozenset[str]:
        if not isinstance(woo.raw, ShopOrder):
            return frozenset()
        order, refs = woo.raw.order, woo.raw.refs
        return plan_order(order, refs, rules=self.adapter.rules).unwritten

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:
        """Differences of the total and its taxes, to the shop's decimals."""
        if not isinstance(woo.raw, ShopOrder) or not isinstance(vtiger.raw, CrmOrder):
            return ()
        found = total_differences(woo.raw.order, vtiger.raw.record, places=woo.raw.refs.decimals)
        return [
            FieldDifference(name, mine, theirs, PlannedAction.DIFFERS)
            for name, mine, theirs in found
        ]


def _account_of(read: Read) -> str:
    return crm_order(read).record.get("account_id") if isinstance(read, Side) else ""


def _with_account(read: Read, name: str) -> Read:
    if not isinstance(read, Side):
        return read
    values = {**read.values.values, "account": name}
    return replace(read, values=replace(read.values, values=values))


def _has_other_total(link: Link, side: Side) -> bool:
    agreed = base_from_json(link.base).get("lines")
    known = agreed.vtiger if agreed is not None else None
    return bool(known) and Sold.from_text(known or "").total != side.values.get(TOTAL)


# The ModuleSpec of sales orders.


def _begin_bulk() -> Callable[[Context, OrderAdapter], Bulk]:
    def open_page(context: Context, adapter: OrderAdapter) -> BulkOrders:
        acquire = partial((context.names or context.lease).extend, wait_seconds=LEASE_WAIT_SECONDS)
        accounts = KnownAccounts(context.runtime.vtiger, acquire)
        writer = replace(adapter.writer, accounts=accounts)
        return BulkOrders(replace(adapter, writer=writer), accounts, context.customers)

    return open_page


async def _draft(
    adapter: OrderAdapter, changes: Mapping[str, Value], source: Side, current: Side | None
) -> Patch:
    """The patch of a preview, without the money, for which taxes would have to be created first."""
    if source.system is System.VTIGER:
        refs = shop_order(current).refs if current else crm_order(source).refs
        order = shop_order(current).order if current else None
        return woo_order_patch(changes, refs, current=order, rules=adapter.rules)
    plan = plan_order(
        shop_order(source).order,
        shop_order(source).refs,
        rules=adapter.rules,
        options=PatchOptions(too_long=adapter.policy.too_long.value),
        changes=changes,
        current=crm_order(current).record if current else None,
    )
    money = plan.money.fields if plan.money else {}
    fields = {name: value for name, value in plan.fields.items() if name not in money}
    notes = tuple(note for note in plan.notes if note.field != "lines")
    return Patch(fields, notes, plan.unwritten)


ORDERS_SPEC = ModuleSpec(
    open=open_orders,
    reader=OrderReader,
    listing=OrderListing,
    begin_bulk=_begin_bulk,
    draft=_draft,
    vtiger_columns=ORDER_COLUMNS,
    mails=frozenset(MAILS.keys() - {NEW_ACCOUNT}),
    prepare_run=ensure_setup,
)

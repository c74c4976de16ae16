"""Sales orders in bulk: whole in the shop, in Vtiger little more than when they changed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from app.errors import System, Waiting
from app.links.models import Link
from app.mapping.numbers import amount, decimal_text, rounded
from app.mapping.order_lines import Sold
from app.mapping.order_patches import plan_order
from app.mapping.order_refs import OrderRefs
from app.mapping.order_totals import same_goods, total_differences
from app.mapping.rules import FieldRule
from app.mapping.sales_orders import vtiger_order
from app.mapping.values import Mapped, base_from_json
from app.records import Direction, WriteCondition
from app.sync.comparison import Act, FieldDifference
from app.sync.listing import (
    PAGE,
    Glance,
    Read,
    Seen,
    attempt,
    changed_where,
    find_each,
    last_change,
    pages,
    read_each,
)
from app.sync.order_references import CrmOrder, ShopOrder
from app.sync.order_sides import crm_order
from app.sync.sales_orders import OrderAdapter
from app.sync.sides import Side, Unreadable
from app.tasks import run_together
from app.vtiger.batches import MOST_ITEMS
from app.vtiger.client import VtigerClient
from app.vtiger.orders import HEADER_COLUMNS, ORDERS
from app.vtiger.query import fold
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooOrder

TOTAL = "total"
_NO_REFS = OrderRefs("", placeholder_id="", fee_service_id="", currency="", currency_id=None)


def _is_shown(rule: FieldRule) -> bool:
    """Whether the listing tells a field that may be edited on either side."""
    return rule.direction is Direction.BOTH and rule.vtiger in HEADER_COLUMNS


@dataclass(frozen=True, slots=True)
class OrderListing:
    """Lines of Vtiger's orders are to be had one order at a time (contract page Vtiger §0.11), or a
    hundred from its add-on."""

    adapter: OrderAdapter
    lists_all: frozenset[System] = frozenset()

    @property
    def glimpses(self) -> Mapping[System, Glance]:
        return {System.VTIGER: _has_other_total}

    @property
    def _woo(self) -> WooClient:
        return self.adapter.returner.woo

    @property
    def _vtiger(self) -> VtigerClient:
        return self.adapter.sides.runtime.vtiger

    async def find_last_change(self, system: System) -> datetime | None:
        if system is System.WOOCOMMERCE:
            return await self._woo.find_last_order_change()
        found = await self._vtiger.query(last_change(ORDERS))
        return found[0].modified_at if found else None

    async def count(self, system: System, changed_since: datetime | None) -> int:
        if system is System.WOOCOMMERCE:
            return await self._woo.count_orders(changed_since)
        return await self._vtiger.count(ORDERS, changed_where(changed_since))

    def each(self, system: System, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        """Without the trash, but with drafts (recording orders_list_modified_after_gmt)."""
        of_shop = system is System.WOOCOMMERCE
        return self._shop(changed_since) if of_shop else self._crm(changed_since)

    async def _shop(self, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        async for page in pages(self._woo.each_order(changed_since)):
            yield [Seen(System.WOOCOMMERCE, order.id, order) for order in page]

    async def _crm(self, changed_since: datetime | None) -> AsyncIterator[list[Seen]]:
        where = changed_where(changed_since)
        async for page in pages(self._vtiger.search(ORDERS, where, columns=HEADER_COLUMNS)):
            yield [Seen(System.VTIGER, record.id, record) for record in page]

    async def each_trashed(self) -> AsyncIterator[str]:
        async for order in self._woo.each_trashed_order():
            yield order.id

    async def each_vtiger_id(self) -> AsyncIterator[str]:
        async for record in self._vtiger.search(ORDERS, columns=("id",)):
            yield record.id

    async def sides(self, page: Sequence[Seen]) -> list[Read]:
        """What orders need first, such as the contacts of guests, is made on the way: as many at a
        time as fill a call of Vtiger's add-on, else one. An order that has to wait for that is not
        read now, which holds up no other. All come to their end before an error of one is raised,
        for what was begun may be a create.
        """
        places = await self.adapter.sides.references.decimals()
        turns = asyncio.Semaphore(MOST_ITEMS if await self._vtiger.saves(ORDERS) else 1)

        async def read(seen: Seen) -> Read | Exception:
            async with turns:
                try:
                    return await attempt(seen.system, seen.id, self._side(seen, places))
                except Waiting as error:
                    return Unreadable(seen.system, seen.id, error)
                except Exception as error:
                    return error

        reads = []
        for found in await run_together(read(seen) for seen in page):
            if isinstance(found, Exception):
                raise found
            reads.append(found)
        return reads

    async def _side(self, seen: Seen, places: int) -> Side:
        if isinstance(seen.raw, VtigerRecord):
            return self._glimpse(seen.raw, places)
        order = seen.raw if isinstance(seen.raw, WooOrder) else WooOrder.parse(seen.raw.data)
        return await self.adapter.sides.of_woo(order)

    def _glimpse(self, record: VtigerRecord, places: int) -> Side:
        """An order without its lines: its total tells of them (45-*)."""
        record.checked()
        shown = [rule for rule in self.adapter.rules if _is_shown(rule)]
        values = vtiger_order(record, _NO_REFS, rules=shown).values
        total = decimal_text(rounded(amount(record.get("hdnGrandTotal")), places))
        return Side(
            system=System.VTIGER,
            id=record.id,
            values=Mapped({**values, TOTAL: total}),
            modified_at=record.modified_at,
            created_at=record.created_at,
            label=record.get("subject"),
            foreign_id=None,
            raw=record,
        )

    async def complete(self, page: Sequence[Seen]) -> list[Read]:
        of_shop = [seen for seen in page if seen.system is System.WOOCOMMERCE]
        rest = [seen.id for seen in page if seen.system is System.VTIGER]
        return [*await self.sides(of_shop), *await self.whole(System.VTIGER, rest)]

    async def whole(self, system: System, ids: Sequence[str]) -> list[Read]:
        """In Vtiger with the names of the Accounts, which a sync does not look at."""
        if system is System.WOOCOMMERCE:
            return await find_each(self.adapter, system, ids)
        reading = partial(self.adapter.sides.of_vtiger, brings=True)
        found = await read_each(self.adapter, self._vtiger, ORDERS, ids, reading)
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
        """A subject is written once, an Account is found by a name that only Vtiger calls equal,
        lines may have other names; all else is as it would be written now."""
        rule = next(rule for rule in self.adapter.rules if rule.name == name)
        mine, theirs = woo.values.get(name) or "", vtiger.values.get(name) or ""
        if rule.write is WriteCondition.ON_CREATE:
            return True
        if name == "account":
            return fold(theirs) == fold(mine[: len(theirs)])
        if name == "lines" and same_goods(mine, theirs):
            return True
        return name in self.adapter.carried(woo, vtiger) | self._unwritten(woo)

    def _unwritten(self, woo: Side) -> frozenset[str]:
        if not isinstance(woo.raw, ShopOrder):
            return frozenset()
        order, refs = woo.raw.order, woo.raw.refs
        return plan_order(order, refs, rules=self.adapter.rules).unwritten

    def totals(self, woo: Side, vtiger: Side) -> Sequence[FieldDifference]:
        """The total and its taxes to the cent."""
        if not isinstance(woo.raw, ShopOrder) or not isinstance(vtiger.raw, CrmOrder):
            return ()
        found = total_differences(woo.raw.order, vtiger.raw.record, places=woo.raw.refs.decimals)
        return [FieldDifference(name, mine, theirs, Act.DIFFERS) for name, mine, theirs in found]


def _account_of(read: Read) -> str:
    return crm_order(read).record.get("account_id") if isinstance(read, Side) else ""


def _with_account(read: Read, name: str) -> Read:
    if not isinstance(read, Side):
        return read
    return replace(read, values=Mapped({**read.values.values, "account": name}))


def _has_other_total(link: Link, side: Side) -> bool:
    agreed = base_from_json(link.base).get("lines")
    known = agreed.vtiger if agreed is not None else None
    return bool(known) and Sold.from_text(known or "").total != side.values.get(TOTAL)

"""Orders of both systems as sides of a pair, with what they name beside them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from app.errors import InvalidInput, NotFound, System
from app.links.models import Link
from app.links.repository import find_link
from app.mapping.order_totals import adds_up
from app.mapping.rules import FieldRule
from app.mapping.sales_orders import (
    FOREIGN_ID_META,
    find_order_id,
    find_store,
    purchase_order,
    vtiger_order,
    woo_order,
)
from app.mapping.values import Mapped, Refusal
from app.policies.schemas import SyncPolicy
from app.records import CreationPolicy, Module, Record
from app.runtime import Runtime
from app.sync.order_history import OrderHistory
from app.sync.order_references import CrmOrder, OrderReferences, ShopOrder
from app.sync.shop_creation import ShopCreation
from app.sync.sides import Side, left_out_notes
from app.tasks import run_aside
from app.vtiger.orders import ORDERS, PURCHASE_ORDER
from app.vtiger.schemas import VtigerOrder, VtigerRecord
from app.woocommerce.schemas import WooOrder

TRASH = "trash"
NOTHING: frozenset[str] = frozenset()
LINES = frozenset({"lines"})

OTHERS = (
    "It is an order of store {store}, by its Purchase Order: clear that to make it a new one, or "
    "set `from_other_shops`."
)
CLAIMED = (
    "Order {order_id} of the shop carries this order's id, but this order does not name it back. "
    "If they are one, enter {number} as Purchase Order here; if not, remove {meta} from the shop's "
    "order."
)
AWAY = "New orders of Vtiger go to store {store}, the first one whose orders are written."


@dataclass(frozen=True, slots=True)
class OrderSides:
    """Reads orders. Methods raise Waiting and the RemoteError tree.

    `home` is the store that orders made in Vtiger go to.
    """

    runtime: Runtime
    store: str
    policy: SyncPolicy
    rules: tuple[FieldRule, ...]
    id_field: str | None
    references: OrderReferences
    home: str

    async def find(self, system: System, record_id: str) -> Side | None:
        """The order by id; None if it is gone or in the trash, from where it may come back.

        Recordings order_get_trashed, 52-err-retrieve-deleted.
        """
        try:
            if system is System.VTIGER:
                record = await self.runtime.vtiger.retrieve_order(record_id)
                return await self.of_vtiger(record, brings=True)
            order = await self.runtime.stores[self.store].get_order(record_id)
        except NotFound:
            return None
        return None if order.status == TRASH else await self.of_woo(order)

    async def of_body(self, body: Mapping[str, object]) -> Side:
        """An order as its webhook carries it: the same as GET (contract page WooCommerce §1)."""
        if "line_items" not in body or body.get("status") == TRASH:
            raise InvalidInput("this body is no living order")
        return replace(await self.of_woo(WooOrder.parse(body)), is_hearsay=True)

    async def of_woo(self, order: WooOrder) -> Side:
        """`raw` is a ShopOrder, or the Refusal of an order that has no pair: for such a one
        nothing else is made or read."""
        link = await self.find_link(System.WOOCOMMERCE, order.id)
        refusal = await self.references.refusal(order)
        raw: ShopOrder | Refusal
        if refusal and link is None:
            raw, values = refusal, Mapped.missing()
        else:
            order = order.checked()
            raw = replace(await self.references.of_woo(order, link), refusal=refusal)
            read = partial(woo_order, order, raw.refs, rules=self.rules)
            values = self._with_account(await run_aside(read, lines=len(order.lines)))
        return Side(
            system=System.WOOCOMMERCE,
            id=order.id,
            values=values,
            modified_at=order.modified_at or order.created_at,
            created_at=order.created_at,
            label=f"#{order.text('number') or order.id}",
            foreign_id=order.meta(FOREIGN_ID_META),
            raw=raw,
            notes=left_out_notes(order.dropped),
        )

    def _with_account(self, values: Mapped) -> Mapped:
        if not self.policy.order_account or "account" not in values.values:
            return values
        return Mapped({**values.values, "account": self.policy.order_account})

    async def of_vtiger(self, record: VtigerRecord, *, brings: bool = False) -> Side:
        """`brings`: of an order that is new to us, what it names is made in the shop first.

        Lines that do not add up are no person's: a broken write of ours left them. But where a
        line is no object, what it said is not known: RecordUnreadable.
        """
        if not isinstance(record, VtigerOrder):
            record = VtigerOrder.parse(record.data, ORDERS)
        record = record.checked()
        if record.dropped and not adds_up(record):
            raise record.unreadable(record.dropped[0], f"{record.dropped[0]} is no object")
        foreign_id = self._foreign_id(record)
        linked = await self.find_link(System.VTIGER, record.id) is not None
        refusal = None if linked else await self._refusal(record, foreign_id)
        is_new = not (linked or foreign_id or refusal)
        brings = brings and is_new and not await self._is_kept_out(record)
        refs = await self.references.of_vtiger(record, brings=brings)
        torn = NOTHING if is_new or refusal or adds_up(record) else LINES
        read = partial(vtiger_order, record, refs, rules=self.rules)
        values = (await run_aside(read, lines=len(record.lines))).values
        return Side(
            system=System.VTIGER,
            id=record.id,
            values=Mapped({**values, **dict.fromkeys(torn & values.keys())}),
            modified_at=record.modified_at,
            created_at=record.created_at,
            label=record.get("subject"),
            foreign_id=foreign_id,
            raw=CrmOrder(record, refs, refusal),
            torn=torn,
            notes=left_out_notes(record.dropped),
        )

    async def _refusal(self, record: VtigerRecord, foreign_id: str | None) -> Refusal | None:
        """Shops share the CRM: an order of one must not be made in another. Nor must one be made
        again that the shop has, though only the shop's order says so: an id alone is not believed.
        """
        owner = find_store(record.get(PURCHASE_ORDER))
        if owner not in (None, self.store):
            others = Refusal("filtered", OTHERS.format(store=owner))
            return None if self.policy.from_other_shops else others
        if foreign_id is None and self.home != self.store:
            return Refusal("filtered", AWAY.format(store=self.home))
        if foreign_id is not None:
            return None
        history = OrderHistory(self.runtime, self.store)
        claim = await history.find_claim(record.id, record.created_at)
        return claimed(self.store, claim.id) if claim else None

    async def _is_kept_out(self, record: VtigerRecord) -> bool:
        """Whether the shop does not get the order, so that it needs nothing that it names."""
        if self.policy.create_in_shop is CreationPolicy.NEVER:
            return True
        creation = ShopCreation(self.runtime, self.store, Module.SALES_ORDERS, self.policy)
        return await creation.came_from_elsewhere(record.id)

    def _foreign_id(self, record: VtigerRecord) -> str | None:
        told = find_order_id(self.store, record.get(PURCHASE_ORDER))
        return told or (record.get(self.id_field) or None if self.id_field else None)

    async def find_link(self, system: System, record_id: str) -> Link | None:
        if self.references.dependencies is not None:
            return await self.references.dependencies.find(self.record(system, record_id))
        async with self.runtime.sessions() as session:
            return await find_link(session, self.record(system, record_id))

    async def is_paired(self, vtiger_id: str) -> bool:
        """Whether a Vtiger order has a pair in any shop."""
        async with self.runtime.sessions() as session:
            for store in self.runtime.stores:
                record = replace(self.record(System.VTIGER, vtiger_id), store=store)
                if await find_link(session, record) is not None:
                    return True
        return False

    def record(self, system: System, record_id: str) -> Record:
        return Record(self.store, system, Module.SALES_ORDERS, record_id)


def claimed(store: str, order_id: str) -> Refusal:
    """A Vtiger order and one of the shop, of which only the shop's names the other."""
    number = purchase_order(store, order_id)
    message = CLAIMED.format(order_id=order_id, number=number, meta=FOREIGN_ID_META)
    return Refusal("ambiguous_match", message)


def shop_order(side: Side) -> ShopOrder:
    """What is behind a shop's side that was not refused."""
    if not isinstance(side.raw, ShopOrder):
        raise TypeError(f"{side.system} {side.id} was not read as an order of the shop")
    return side.raw


def crm_order(side: Side) -> CrmOrder:
    """What is behind a Vtiger side."""
    if not isinstance(side.raw, CrmOrder):
        raise TypeError(f"{side.system} {side.id} was not read as an order of Vtiger")
    return side.raw

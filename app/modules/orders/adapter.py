"""Sales orders between one shop and Vtiger: reading, finding twins, writing. Decides nothing."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from app.domain import CreationPolicy, InvalidInput, Module, NotFound, Record, System, after_create
from app.links.models import Link
from app.links.repository import find_intent, find_link
from app.mapping.rules import FieldRule
from app.mapping.values import Mapped, PatchOptions, Refusal, Value, decimal_text
from app.modules.orders.history import OrderHistory
from app.modules.orders.mapping import (
    CREATED_VIA,
    FOREIGN_ID_META,
    find_order_id,
    find_store,
    purchase_order,
    vtiger_order,
    woo_order,
)
from app.modules.orders.money import adds_up
from app.modules.orders.references import CrmOrder, OrderReferences, ShopOrder
from app.modules.orders.to_vtiger import OrderWriter, OrderWritten, is_half_made, plan_order
from app.modules.orders.to_woocommerce import OrderReturned, OrderReturner
from app.modules.ports import (
    Side,
    Skip,
    Written,
    custom_objection,
    deleted_twin,
    is_plausible,
    left_out_notes,
)
from app.modules.shop_creation import ShopCreation
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.tasks import offload
from app.vtiger.client import ORDERS, PURCHASE_ORDER
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
    """Reads orders. Methods raise DependencyNotReady and the RemoteError tree.

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
        return replace(await self.of_woo(WooOrder.parse(body)), from_webhook_body=True)

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
            values = self._with_account(await offload(read, lines=len(order.lines)))
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
        partially_written = NOTHING if is_new or refusal or adds_up(record) else LINES
        read = partial(vtiger_order, record, refs, rules=self.rules)
        values = (await offload(read, lines=len(record.lines))).values
        return Side(
            system=System.VTIGER,
            id=record.id,
            values=Mapped({**values, **dict.fromkeys(partially_written & values.keys())}),
            modified_at=record.modified_at,
            created_at=record.created_at,
            label=record.get("subject"),
            foreign_id=foreign_id,
            raw=CrmOrder(record, refs, refusal),
            partially_written=partially_written,
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


# Finding the order that an order without a link was made into, whole or half.

OVERLAP = timedelta(minutes=15)
"""By how much the shop's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class OrderTwins:
    """Looks by purchase order, which only we write so; else by the id that a record carries."""

    sides: OrderSides
    returner: OrderReturner

    async def search(self, side: Side) -> list[Side] | Skip:
        if side.system is System.WOOCOMMERCE:
            return await self._search_vtiger(side)
        twin = await self._find_in_shop(side)
        if isinstance(twin, Side):
            return [replace(twin, made=frozenset(twin.values.values))]
        return twin or []

    async def _search_vtiger(self, side: Side) -> list[Side] | Skip:
        """By PO; else by the id in the order, if Vtiger's names this one too (contract page
        Vtiger §10)."""
        number = purchase_order(self.sides.store, side.id)
        vtiger = self.sides.runtime.vtiger
        found = await vtiger.search_orders_by_purchase_order(number)
        twins = [await self._find_in_vtiger(side, record.id) for record in found]
        if found or not side.foreign_id or not is_plausible(System.VTIGER, side.foreign_id):
            return [twin for twin in twins if twin is not None]
        twin = await self._find_in_vtiger(side, side.foreign_id)
        if twin is None:
            return []
        if twin.foreign_id is not None or _is_ours(twin, side):
            return [twin] if twin.foreign_id in (None, side.id) else []
        if await self._is_anothers(twin):
            return []
        await OrderHistory(self.sides.runtime, self.sides.store).keep_claim(twin.id, side.id)
        refusal = claimed(self.sides.store, side.id)
        return Skip(refusal.reason, f"Vtiger order {twin.label} ({twin.id}): {refusal.message}")

    async def _is_anothers(self, twin: Side) -> bool:
        """A cloned shop or a copied order carries ids of others: Vtiger's order is one of another
        shop, or the pair of another order."""
        owner = find_store(crm_order(twin).record.get(PURCHASE_ORDER))
        return owner is not None or await self.sides.is_paired(twin.id)

    async def _find_in_vtiger(self, side: Side, record_id: str) -> Side | None:
        """A ghost that a broken create left is told as one without lines: they are written anew."""
        try:
            record = await self.sides.runtime.vtiger.retrieve_order(record_id)
        except NotFound:
            return None
        twin = await self.sides.of_vtiger(record)
        names = frozenset(twin.values.values)
        if not is_half_made(record, shop_order(side).order):
            return replace(twin, made=names)
        values = Mapped({**twin.values.values, "lines": None})
        return replace(twin, values=values, made=names - LINES)

    async def _find_in_shop(self, side: Side) -> Side | Skip | None:
        """A Skip for what the shop had and deleted: it is not made again by surprise."""
        if side.foreign_id is None:
            return await self._find_made(side)
        if not is_plausible(System.WOOCOMMERCE, side.foreign_id):
            return None
        twin = await self.sides.find(System.WOOCOMMERCE, side.foreign_id)
        if twin is None:
            return deleted_twin(System.WOOCOMMERCE, side.foreign_id)
        told = crm_order(side).record.get(PURCHASE_ORDER)
        agreed = told == purchase_order(self.sides.store, side.foreign_id)
        return twin if agreed or twin.foreign_id == side.id else None

    async def _find_made(self, side: Side) -> Side | None:
        """What a broken create of ours left. The shop cannot be asked by a foreign id, so all
        that changed since then is looked at (contract page WooCommerce §2)."""
        async with self.sides.runtime.sessions() as session:
            intent = await find_intent(session, self.sides.record(System.VTIGER, side.id))
        if intent is None:
            return None
        async for order in self.returner.woo.each_order(intent[0].created_at - OVERLAP):
            if order.meta(FOREIGN_ID_META) == side.id:
                return await self.sides.of_woo(order)
        return None


def _is_ours(twin: Side, side: Side) -> bool:
    """Whether we made the shop's order of the Vtiger order that it names, and could not tell that
    one yet."""
    ours = shop_order(side).order.text("created_via") == CREATED_VIA
    return ours and not crm_order(twin).record.get(PURCHASE_ORDER)


# Sales orders between one shop and Vtiger: reading, finding twins, writing. Decides nothing.

CANCELLED = "Cancelled"


@dataclass(frozen=True, slots=True)
class OrderAdapter:
    """WooCommerce orders and Vtiger SalesOrders (mapping table "Sales orders")."""

    rules: tuple[FieldRule, ...]
    policy: SyncPolicy
    sides: OrderSides
    twins: OrderTwins
    writer: OrderWriter
    returner: OrderReturner
    module: Module = Module.SALES_ORDERS

    async def find(self, system: System, record_id: str) -> Side | None:
        return await self.sides.find(system, record_id)

    async def read_body(self, body: Mapping[str, object]) -> Side:
        return await self.sides.of_body(body)

    def natural_keys(self, side: Side) -> tuple[str, ...]:
        """The purchase order, and the Vtiger order that an order was made of."""
        woo = side.system is System.WOOCOMMERCE
        woo_id, vtiger_id = (side.id, side.foreign_id) if woo else (side.foreign_id, side.id)
        keys = [f"po:{purchase_order(self.sides.store, woo_id)}"] if woo_id else []
        keys += [f"vtiger:{vtiger_id}"] if vtiger_id else []
        return tuple(f"{self.module}:{key}" for key in keys)

    def objection(self, side: Side) -> Skip | None:
        """Drafts, statuses and guests that are not synced, currencies that Vtiger does not have,
        orders of other shops."""
        raw = side.raw
        refusal = raw.refusal if isinstance(raw, ShopOrder | CrmOrder) else raw
        return Skip(refusal.reason, refusal.message) if isinstance(refusal, Refusal) else None

    def creation_objection(self, side: Side) -> Skip | None:
        """A line that the shop cannot have: better no order than one with a hole."""
        if side.system is System.WOOCOMMERCE:
            return custom_objection(side, self.rules)
        patch = self.returner.patch_for_new(crm_order(side), side.values.values)
        found = [note for note in patch.notes if note.field == "lines"]
        if not found or "lines" not in patch.unwritten:
            return None
        return Skip(found[0].reason, found[0].message)

    def carried(self, woo: Side, vtiger: Side) -> frozenset[str]:
        """Fields of the Vtiger order that are just what the shop's become there."""
        if not isinstance(woo.raw, ShopOrder):
            return frozenset()
        plan = plan_order(woo.raw.order, woo.raw.refs, rules=self.rules, options=self._options)
        total = decimal_text(plan.money.wanted) if plan.money else "0"
        planned = VtigerRecord("", ORDERS, {**plan.fields, "hdnGrandTotal": total})
        refs = replace(crm_order(vtiger).refs, currency=woo.raw.refs.currency)
        there = vtiger_order(planned, refs, rules=self.rules).values
        return frozenset(
            rule.name
            for rule in self.rules
            if (text := there.get(rule.name)) and rule.same(text, vtiger.values.get(rule.name))
        )

    @property
    def _options(self) -> PatchOptions:
        return PatchOptions(too_long=self.policy.too_long.value)

    async def search_twins(self, side: Side) -> list[Side] | Skip:
        return await self.twins.search(side)

    async def search_rivals(self, side: Side) -> list[Side]:  # noqa: ARG002
        """None: a purchase order of ours names one order of one shop."""
        return []

    async def create(self, target: System, source: Side, key: str = "") -> Written:
        """The twin, carrying the source's id: the purchase order there, meta here."""
        if target is System.VTIGER:
            own = {self.sides.id_field: source.id} if self.sides.id_field else {}
            written = await self.writer.create(shop_order(source), own, key)
            with after_create():
                return await self._vtiger_written(source, written)
        returned = await self.returner.create(crm_order(source), source.values.values)
        return await self.made_in_shop(source, returned)

    async def made_in_shop(self, source: Side, returned: OrderReturned) -> Written:
        """What the shop answered to the create of an order."""
        with after_create():
            return await self._shop_written(source, returned)

    async def update(self, current: Side, changes: Mapping[str, Value], source: Side) -> Written:
        """These fields; lines whole in Vtiger, by id in the shop (contract pages
        Vtiger §3, WooCommerce §3)."""
        if current.system is System.VTIGER:
            record = crm_order(current).record
            written = await self.writer.revise(shop_order(source), changes, current=record)
            return await self._vtiger_written(current, written)
        shop, crm = shop_order(current), crm_order(source)
        returned = await self.returner.update(shop, changes, crm=crm)
        return await self._shop_written(current, returned)

    async def _vtiger_written(self, before: Side, written: OrderWritten) -> Written:
        if written.record is None:
            return Written(before, written.notes, written.unwritten, sent=False)
        after = await self.sides.of_vtiger(written.record)
        return Written(after, written.notes, written.unwritten, deferred=written.deferred)

    async def _shop_written(self, before: Side, returned: OrderReturned) -> Written:
        if returned.order is None:
            return Written(before, returned.notes, returned.unwritten, sent=False)
        after = await self.sides.of_woo(returned.order)
        return Written(after, returned.notes, returned.unwritten)

    async def mark(self, current: Side, foreign_id: str) -> Side:
        """The other's id where there is room; a purchase order of the customer's own stays."""
        if current.foreign_id == foreign_id:
            return current
        if current.system is System.WOOCOMMERCE:
            meta = {"meta_data": [{"key": FOREIGN_ID_META, "value": foreign_id}]}
            return await self.sides.of_woo(await self.returner.woo.update_order(current.id, meta))
        record = crm_order(current).record
        fields = self._marks(record, foreign_id)
        if not fields:
            return current
        fields["conversion_rate"] = record.get("conversion_rate") or "1"
        vtiger = self.sides.runtime.vtiger
        return await self.sides.of_vtiger(await vtiger.revise(current.id, fields, module=ORDERS))

    def _marks(self, record: VtigerRecord, woo_id: str) -> dict[str, str]:
        fields = {self.sides.id_field: woo_id} if self.sides.id_field else {}
        if not record.get(PURCHASE_ORDER):
            fields[PURCHASE_ORDER] = purchase_order(self.sides.store, woo_id)
        return fields

    async def retire(self, side: Side) -> Written:
        """Cancelled, where it is not that already (contract pages WooCommerce §3, Vtiger §10)."""
        if side.values.get("status") == CANCELLED:
            return Written(side, (), frozenset(), sent=False)
        if side.system is System.WOOCOMMERCE:
            cancelled = await self.returner.woo.update_order(side.id, {"status": "cancelled"})
            return Written(await self.sides.of_woo(cancelled), (), frozenset())
        rate = crm_order(side).record.get("conversion_rate") or "1"
        fields = {"sostatus": CANCELLED, "conversion_rate": rate}
        record = await self.sides.runtime.vtiger.revise(side.id, fields, module=ORDERS)
        return Written(await self.sides.of_vtiger(record), (), frozenset())

    async def restore(self, record_id: str, twin: Side) -> Side | None:
        """Out of the trash by the status that Vtiger's means (contract page WooCommerce §1)."""
        statuses = crm_order(twin).refs.statuses.to_woo
        status = statuses.get(twin.values.get("status") or "", "on-hold")
        try:
            order = await self.returner.woo.update_order(record_id, {"status": status})
        except NotFound:
            return None
        return await self.sides.of_woo(order)

    async def dependents(self, side: Side) -> Sequence[Side]:  # noqa: ARG002
        """None: nothing else shows what is in an order."""
        return ()

    async def delete(self, system: System, record_id: str) -> None:
        """Into the trash or recycle bin; one that is gone already is fine.

        UnsafeVersion where Vtiger would keep the order and take its lines (84-stock-delete-order).
        """
        if system is System.VTIGER and (link := await self.sides.find_link(system, record_id)):
            order = self.sides.record(System.WOOCOMMERCE, link.woo_id)
            await self.writer.ensure_safe(order, anew=True)
        with contextlib.suppress(NotFound):
            if system is System.WOOCOMMERCE:
                await self.returner.woo.trash_order(record_id)
            else:
                await self.sides.runtime.vtiger.delete_order(record_id)

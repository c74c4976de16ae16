"""The adapter of sales orders: it reads orders of both systems, finds their twins, and writes."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from app.domain import CreationPolicy, InvalidInput, Module, NotFound, Record, System, after_create
from app.links.leases import LEASE_WAIT_SECONDS
from app.links.models import Link
from app.links.repository import find_intent, find_link
from app.mapping.rules import FieldRule
from app.mapping.values import Mapped, PatchOptions, Refusal, Value, decimal_text, left_out_notes
from app.modules.contacts.adapter import Accounts, Guests
from app.modules.context import FEE_SERVICE, Context, setup_ids, statuses_of
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
from app.modules.orders.references import Buyers, CrmOrder, OrderReferences, ShopOrder, TaxCarriers
from app.modules.orders.to_vtiger import (
    VtigerOrderWriter,
    VtigerOrderWritten,
    is_incomplete,
    plan_order,
)
from app.modules.orders.to_woocommerce import WooOrderWriter, WooOrderWritten
from app.modules.ports import Side, Skip, Written, custom_objection, deleted_twin, is_plausible
from app.modules.shop_creation import ShopCreation, find_default_store
from app.policies.repository import SyncPolicy
from app.runtime import Runtime
from app.tasks import offload
from app.vtiger.client import ORDERS, PURCHASE_ORDER
from app.vtiger.schemas import VtigerOrder, VtigerRecord
from app.woocommerce.schemas import WooOrder

TRASH = "trash"
NOTHING: frozenset[str] = frozenset()
LINES = frozenset({"lines"})

OTHER_STORE = (
    "Its Purchase Order names an order of store {store}: clear that field to make it a new order, "
    "or set `from_other_shops`."
)
CLAIMED = (
    "Order {order_id} of the shop carries this order's id, but this order does not refer to it. If "
    "they are the same order, enter {number} as Purchase Order here; if not, remove {meta} from "
    "the shop's order."
)
OTHER_HOME = "New orders of Vtiger go to store {store}, the first one whose settings create them."


@dataclass(frozen=True, slots=True)
class OrderSides:
    """Reads the orders of both systems as sides. Methods may raise DependencyNotReady and any
    RemoteError.

    `default_store` is the store that orders entered in Vtiger go to.
    """

    runtime: Runtime
    store: str
    policy: SyncPolicy
    rules: tuple[FieldRule, ...]
    id_field: str | None
    references: OrderReferences
    default_store: str

    async def find(self, system: System, record_id: str) -> Side | None:
        """The order by id; None if it is gone or in the trash, from where it may be restored.

        Recordings order_get_trashed, 52-err-retrieve-deleted.
        """
        try:
            if system is System.VTIGER:
                record = await self.runtime.vtiger.retrieve_order(record_id)
                return await self.of_vtiger(record, sync_first=True)
            order = await self.runtime.stores[self.store].get_order(record_id)
        except NotFound:
            return None
        return None if order.status == TRASH else await self.of_woo(order)

    async def of_body(self, body: Mapping[str, object]) -> Side:
        """An order as its webhook carries it: the same as GET (contract page WooCommerce §1)."""
        if "line_items" not in body or body.get("status") == TRASH:
            raise InvalidInput("the body is no order, or one in the trash")
        return replace(await self.of_woo(WooOrder.parse(body)), from_webhook_body=True)

    async def of_woo(self, order: WooOrder) -> Side:
        """The side of a shop's order; its dependencies are synced first.

        `raw` is a ShopOrder; for a refused order without a pair it is the Refusal, and nothing
        else is read or created.
        """
        link = await self.find_link(System.WOOCOMMERCE, order.id)
        refusal = await self.references.refusal(order)
        raw: ShopOrder | Refusal
        if refusal and link is None:
            raw, values = refusal, Mapped.missing()
        else:
            order = order.checked()
            await self.references.preload([order])
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
        return replace(values, values={**values.values, "account": self.policy.order_account})

    async def of_vtiger(self, record: VtigerRecord, *, sync_first: bool = False) -> Side:
        """The side of a Vtiger order. `sync_first`: if the order is new, the records that it refers
        to are created in the shop first.

        Lines that do not add up to the order's total were left by an interrupted write of ours:
        they are `partially_written`. RecordUnreadable if a line is not an object and they do not.
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
        sync_first = sync_first and is_new and not await self._is_excluded(record)
        refs = await self.references.of_vtiger(record, sync_first=sync_first)
        partially_written = NOTHING if is_new or refusal or adds_up(record) else LINES
        read = partial(vtiger_order, record, refs, rules=self.rules)
        mapped = await offload(read, lines=len(record.lines))
        values = {**mapped.values, **dict.fromkeys(partially_written & mapped.values.keys())}
        return Side(
            system=System.VTIGER,
            id=record.id,
            values=replace(mapped, values=values),
            modified_at=record.modified_at,
            created_at=record.created_at,
            label=record.get("subject"),
            foreign_id=foreign_id,
            raw=CrmOrder(record, refs, refusal),
            partially_written=partially_written,
            notes=left_out_notes(record.dropped),
        )

    async def _refusal(self, record: VtigerRecord, foreign_id: str | None) -> Refusal | None:
        """Why a Vtiger order without a pair is not synced to this shop; None if it is.

        Shops share the CRM, so an order of one is not created in another. Nor is one created again
        that an order of the shop refers to; such a one-sided reference is not taken for a pair.
        """
        owner = find_store(record.get(PURCHASE_ORDER))
        if owner not in (None, self.store):
            others = Refusal("filtered", OTHER_STORE.format(store=owner))
            return None if self.policy.from_other_shops else others
        if foreign_id is None and self.default_store != self.store:
            return Refusal("filtered", OTHER_HOME.format(store=self.default_store))
        if foreign_id is not None:
            return None
        history = OrderHistory(self.runtime, self.store)
        claim = await history.find_claim(record.id, record.created_at)
        return claimed(self.store, claim.id) if claim else None

    async def _is_excluded(self, record: VtigerRecord) -> bool:
        """Whether the settings exclude the order from the shop, so that its dependencies are not
        needed there."""
        if self.policy.create_in_shop is CreationPolicy.NEVER:
            return True
        creation = ShopCreation(self.runtime, self.store, Module.SALES_ORDERS, self.policy)
        return await creation.came_from_elsewhere(record.id)

    def _foreign_id(self, record: VtigerRecord) -> str | None:
        order_id = find_order_id(self.store, record.get(PURCHASE_ORDER))
        return order_id or (record.get(self.id_field) or None if self.id_field else None)

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
    """The refusal of a Vtiger order that an order of the shop refers to, but not vice versa."""
    number = purchase_order(store, order_id)
    message = CLAIMED.format(order_id=order_id, number=number, meta=FOREIGN_ID_META)
    return Refusal("ambiguous_match", message)


def shop_order(side: Side) -> ShopOrder:
    """The order behind a side of the shop that was not refused."""
    if not isinstance(side.raw, ShopOrder):
        raise TypeError(f"{side.system} {side.id} was not read as an order of the shop")
    return side.raw


def crm_order(side: Side) -> CrmOrder:
    """The order behind a side of Vtiger."""
    if not isinstance(side.raw, CrmOrder):
        raise TypeError(f"{side.system} {side.id} was not read as an order of Vtiger")
    return side.raw


# Finding the twin of an order without a link, which may be incomplete.

OVERLAP = timedelta(minutes=15)
"""The most that the shop's clock is assumed to be behind ours."""


@dataclass(frozen=True, slots=True)
class OrderTwins:
    """Finds twins by purchase order, whose format only we write; else by the external id that a
    record carries."""

    sides: OrderSides
    woo_writer: WooOrderWriter

    async def search(self, side: Side) -> list[Side] | Skip:
        if side.system is System.WOOCOMMERCE:
            return await self._search_vtiger(side)
        twin = await self._find_in_shop(side)
        if isinstance(twin, Side):
            return [replace(twin, made=frozenset(twin.values.values))]
        return twin or []

    async def _search_vtiger(self, side: Side) -> list[Side] | Skip:
        """By purchase order; else by the Vtiger id in the shop's order, if Vtiger's order does not
        contradict it (contract page Vtiger §10)."""
        number = purchase_order(self.sides.store, side.id)
        vtiger = self.sides.runtime.vtiger
        found = await vtiger.search_orders_by_purchase_order(number)
        twins = [await self._find_in_vtiger(side, record.id) for record in found]
        if found or not side.foreign_id or not is_plausible(System.VTIGER, side.foreign_id):
            return [twin for twin in twins if twin is not None]
        twin = await self._find_in_vtiger(side, side.foreign_id)
        if twin is None:
            return []
        if twin.foreign_id is not None or _is_our_order(twin, side):
            return [twin] if twin.foreign_id in (None, side.id) else []
        if await self._belongs_to_another(twin):
            return []
        await OrderHistory(self.sides.runtime, self.sides.store).record_claim(twin.id, side.id)
        refusal = claimed(self.sides.store, side.id)
        return Skip(refusal.reason, f"Vtiger order {twin.label} ({twin.id}): {refusal.message}")

    async def _belongs_to_another(self, twin: Side) -> bool:
        """Whether Vtiger's order belongs to another shop or is paired with another order: a cloned
        shop or a copied order carries the ids of others."""
        owner = find_store(crm_order(twin).record.get(PURCHASE_ORDER))
        return owner is not None or await self.sides.is_paired(twin.id)

    async def _find_in_vtiger(self, side: Side, record_id: str) -> Side | None:
        """The side of a Vtiger order; one that an interrupted create left incomplete has no lines,
        so that they are written again."""
        try:
            record = await self.sides.runtime.vtiger.retrieve_order(record_id)
        except NotFound:
            return None
        twin = await self.sides.of_vtiger(record)
        names = frozenset(twin.values.values)
        if not is_incomplete(record, shop_order(side).order):
            return replace(twin, made=names)
        values = replace(twin.values, values={**twin.values.values, "lines": None})
        return replace(twin, values=values, made=names - LINES)

    async def _find_in_shop(self, side: Side) -> Side | Skip | None:
        """The shop's order that a Vtiger order refers to; a Skip if the shop deleted it, so that it
        is not created again."""
        if side.foreign_id is None:
            return await self._find_created(side)
        if not is_plausible(System.WOOCOMMERCE, side.foreign_id):
            return None
        twin = await self.sides.find(System.WOOCOMMERCE, side.foreign_id)
        if twin is None:
            return deleted_twin(System.WOOCOMMERCE, side.foreign_id)
        number = crm_order(side).record.get(PURCHASE_ORDER)
        agreed = number == purchase_order(self.sides.store, side.foreign_id)
        return twin if agreed or twin.foreign_id == side.id else None

    async def _find_created(self, side: Side) -> Side | None:
        """The order that an interrupted create of ours left. A shop cannot be searched by external
        id, so all orders that changed since are scanned (contract page WooCommerce §2)."""
        async with self.sides.runtime.sessions() as session:
            intent = await find_intent(session, self.sides.record(System.VTIGER, side.id))
        if intent is None:
            return None
        async for order in self.woo_writer.woo.each_order(intent[0].created_at - OVERLAP):
            if order.meta(FOREIGN_ID_META) == side.id:
                return await self.sides.of_woo(order)
        return None


def _is_our_order(twin: Side, side: Side) -> bool:
    """Whether we created the shop's order from the Vtiger order, but have not written the purchase
    order to the latter yet."""
    ours = shop_order(side).order.text("created_via") == CREATED_VIA
    return ours and not crm_order(twin).record.get(PURCHASE_ORDER)


CANCELLED = "Cancelled"
"""Vtiger's status of an order that is cancelled for a deletion, unless the table has another."""


@dataclass(frozen=True, slots=True)
class OrderAdapter:
    """WooCommerce orders and Vtiger SalesOrders (mapping table "Sales orders")."""

    rules: tuple[FieldRule, ...]
    policy: SyncPolicy
    sides: OrderSides
    twins: OrderTwins
    writer: VtigerOrderWriter
    woo_writer: WooOrderWriter
    module: Module = Module.SALES_ORDERS

    async def find(self, system: System, record_id: str) -> Side | None:
        return await self.sides.find(system, record_id)

    async def read_body(self, body: Mapping[str, object]) -> Side:
        return await self.sides.of_body(body)

    def natural_keys(self, side: Side) -> tuple[str, ...]:
        """The purchase order, and the id of the Vtiger order."""
        woo = side.system is System.WOOCOMMERCE
        woo_id, vtiger_id = (side.id, side.foreign_id) if woo else (side.foreign_id, side.id)
        keys = [f"po:{purchase_order(self.sides.store, woo_id)}"] if woo_id else []
        keys += [f"vtiger:{vtiger_id}"] if vtiger_id else []
        return tuple(f"{self.module}:{key}" for key in keys)

    def objection(self, side: Side) -> Skip | None:
        """The refusal found on reading: drafts, statuses and guests that are not synced, currencies
        that Vtiger does not have, orders of other shops."""
        raw = side.raw
        refusal = raw.refusal if isinstance(raw, ShopOrder | CrmOrder) else raw
        return Skip(refusal.reason, refusal.message) if isinstance(refusal, Refusal) else None

    def creation_objection(self, side: Side) -> Skip | None:
        """A mandatory field without a value, or a line that the shop cannot have: then no order is
        created, rather than an incomplete one."""
        if side.system is System.WOOCOMMERCE:
            return custom_objection(side, self.rules)
        patch = self.woo_writer.patch_for_new(crm_order(side), side.values.values)
        found = [note for note in patch.notes if note.field == "lines"]
        if not found or "lines" not in patch.unwritten:
            return None
        return Skip(found[0].reason, found[0].message)

    def converted_names(self, woo: Side, vtiger: Side) -> frozenset[str]:
        """Fields of the Vtiger order that have what the shop's values become there, and a status
        that the status table takes for the same as the shop's."""
        if not isinstance(woo.raw, ShopOrder):
            return frozenset()
        plan = plan_order(woo.raw.order, woo.raw.refs, rules=self.rules, options=self._options)
        total = decimal_text(plan.money.wanted) if plan.money else "0"
        planned = VtigerRecord("", ORDERS, {**plan.fields, "hdnGrandTotal": total})
        refs = replace(crm_order(vtiger).refs, currency=woo.raw.refs.currency)
        there = vtiger_order(planned, refs, rules=self.rules).values
        found = {
            rule.name
            for rule in self.rules
            if (text := there.get(rule.name)) and rule.same(text, vtiger.values.get(rule.name))
        } - {"status"}
        pair = woo.raw.order.text("status"), vtiger.values.get("status") or ""
        return frozenset(found | ({"status"} if refs.statuses.agrees(*pair) else set()))

    @property
    def _options(self) -> PatchOptions:
        return PatchOptions(too_long=self.policy.too_long.value)

    async def search_twins(self, side: Side) -> list[Side] | Skip:
        return await self.twins.search(side)

    async def search_rivals(self, side: Side) -> list[Side]:  # noqa: ARG002
        """None: a purchase order identifies one order of one shop."""
        return []

    async def create(self, target: System, source: Side, key: str = "") -> Written:
        """Create the twin with the source's id: in Vtiger as purchase order, in the shop as
        meta."""
        if target is System.VTIGER:
            own = {self.sides.id_field: source.id} if self.sides.id_field else {}
            written = await self.writer.create(shop_order(source), own, key)
            with after_create():
                return await self._vtiger_written(source, written)
        in_shop = await self.woo_writer.create(crm_order(source), source.values.values)
        return await self.created_in_shop(source, in_shop)

    async def created_in_shop(self, source: Side, written: WooOrderWritten) -> Written:
        """The result of a create in the shop."""
        with after_create():
            return await self._shop_written(source, written)

    async def update(self, current: Side, changes: Mapping[str, Value], source: Side) -> Written:
        """Write these fields; in Vtiger all lines at once, in the shop by line id (contract pages
        Vtiger §3, WooCommerce §3)."""
        if current.system is System.VTIGER:
            record = crm_order(current).record
            written = await self.writer.revise(shop_order(source), changes, current=record)
            return await self._vtiger_written(current, written)
        shop, crm = shop_order(current), crm_order(source)
        in_shop = await self.woo_writer.update(shop, changes, crm=crm)
        return await self._shop_written(current, in_shop)

    async def _vtiger_written(self, before: Side, written: VtigerOrderWritten) -> Written:
        if written.record is None:
            return Written(before, written.notes, written.unwritten, sent=False)
        after = await self.sides.of_vtiger(written.record)
        return Written(after, written.notes, written.unwritten, deferred=written.deferred)

    async def _shop_written(self, before: Side, written: WooOrderWritten) -> Written:
        if written.order is None:
            return Written(before, written.notes, written.unwritten, sent=False)
        after = await self.sides.of_woo(written.order)
        return Written(after, written.notes, written.unwritten)

    async def write_external_id(self, current: Side, foreign_id: str) -> Side:
        """Write the other system's id; a purchase order that somebody entered is kept."""
        if current.foreign_id == foreign_id:
            return current
        if current.system is System.WOOCOMMERCE:
            meta = {"meta_data": [{"key": FOREIGN_ID_META, "value": foreign_id}]}
            return await self.sides.of_woo(await self.woo_writer.woo.update_order(current.id, meta))
        record = crm_order(current).record
        fields = self._id_fields(record, foreign_id)
        if not fields:
            return current
        fields["conversion_rate"] = record.get("conversion_rate") or "1"
        vtiger = self.sides.runtime.vtiger
        return await self.sides.of_vtiger(await vtiger.revise(current.id, fields, module=ORDERS))

    def _id_fields(self, record: VtigerRecord, woo_id: str) -> dict[str, str]:
        fields = {self.sides.id_field: woo_id} if self.sides.id_field else {}
        if not record.get(PURCHASE_ORDER):
            fields[PURCHASE_ORDER] = purchase_order(self.sides.store, woo_id)
        return fields

    async def retire(self, side: Side) -> Written:
        """Cancel the order unless it is cancelled (contract pages WooCommerce §3, Vtiger §10)."""
        statuses = self.sides.references.statuses
        cancelled_in_vtiger = statuses.to_vtiger.get("cancelled", CANCELLED)
        if side.values.get("status") == cancelled_in_vtiger:
            return Written(side, (), frozenset(), sent=False)
        if side.system is System.WOOCOMMERCE:
            cancelled = await self.woo_writer.woo.update_order(side.id, {"status": "cancelled"})
            return Written(await self.sides.of_woo(cancelled), (), frozenset())
        rate = crm_order(side).record.get("conversion_rate") or "1"
        fields = {"sostatus": cancelled_in_vtiger, "conversion_rate": rate}
        record = await self.sides.runtime.vtiger.revise(side.id, fields, module=ORDERS)
        return Written(await self.sides.of_vtiger(record), (), frozenset())

    async def restore(self, record_id: str, twin: Side) -> Side | None:
        """Restore the shop's order from the trash by setting the status that Vtiger's maps to
        (contract page WooCommerce §1); None if it is gone."""
        statuses = crm_order(twin).refs.statuses.to_woo
        status = statuses.get(twin.values.get("status") or "", "on-hold")
        try:
            order = await self.woo_writer.woo.update_order(record_id, {"status": status})
        except NotFound:
            return None
        return await self.sides.of_woo(order)

    async def dependents(self, side: Side) -> Sequence[Side]:  # noqa: ARG002
        """None: no other record shows values of an order."""
        return ()

    async def delete(self, system: System, record_id: str) -> None:
        """Move the order to the trash or recycle bin; one that is gone already is no error.

        UnsafeVersion where Vtiger would keep the order but delete its lines
        (84-stock-delete-order).
        """
        if system is System.VTIGER and (link := await self.sides.find_link(system, record_id)):
            order = self.sides.record(System.WOOCOMMERCE, link.woo_id)
            await self.writer.ensure_safe(order, anew=True)
        with contextlib.suppress(NotFound):
            if system is System.WOOCOMMERCE:
                await self.woo_writer.woo.trash_order(record_id)
            else:
                await self.sides.runtime.vtiger.delete_order(record_id)


CHARGE_TAX = re.compile(r".+_shtax(?P<number>[0-9]+)", re.ASCII)


async def open_orders(context: Context) -> OrderAdapter:
    """Assemble the adapter of a context."""
    runtime, store, policy, reference_data = (
        context.runtime,
        context.store,
        context.policy,
        context.reference_data,
    )
    dependencies = context.dependencies
    id_field = await context.id_field(ORDERS)
    rules = await context.rules(Module.SALES_ORDERS)
    accounts = Accounts(
        runtime.vtiger, partial(context.lease.extend, wait_seconds=LEASE_WAIT_SECONDS)
    )
    guests = Guests(runtime.sessions, store, runtime.stores[store])
    buyers = Buyers(runtime, store, policy, accounts, guests, dependencies)
    tax_field = await _shipping_tax_field(runtime)
    references = OrderReferences(
        runtime,
        store,
        policy,
        reference_data,
        buyers,
        dependencies,
        tax_field,
        context.statuses or await statuses_of(runtime, store),
    )
    default_store = await _default_store(runtime, store)
    sides = OrderSides(runtime, store, policy, rules, id_field, references, default_store)
    woo_writer = WooOrderWriter(runtime, store, policy, rules, references, buyers)
    fee_service_id = (await setup_ids(runtime)).get(FEE_SERVICE, "")
    carriers = TaxCarriers(runtime, store, context.lease, fee_service_id, dependencies)
    writer = VtigerOrderWriter(runtime, policy, rules, reference_data, accounts, carriers)
    return OrderAdapter(rules, policy, sides, OrderTwins(sides, woo_writer), writer, woo_writer)


async def _default_store(runtime: Runtime, store: str) -> str:
    """The store that orders entered in Vtiger go to; this one, if no store's settings create
    them."""
    if len(runtime.stores) == 1:
        return store
    return await find_default_store(runtime) or store


async def _shipping_tax_field(runtime: Runtime) -> str | None:
    """The field for the tax of shipping, derived from the charges in the module's describe
    (contract page Vtiger §3; recording 03-describe-SalesOrder); None if there is none."""
    shape = await runtime.shapes.get(ORDERS)
    found = (CHARGE_TAX.fullmatch(field.name) for field in shape.fields)
    numbers = [int(match["number"]) for match in found if match]
    return f"shtax{min(numbers)}_sh_percent" if numbers else None

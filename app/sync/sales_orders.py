"""Sales orders between one shop and Vtiger: reading, finding twins, writing. Decides nothing."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.errors import NotFound, System, once_made
from app.mapping.numbers import decimal_text
from app.mapping.order_patches import plan_order
from app.mapping.rules import FieldRule
from app.mapping.sales_orders import FOREIGN_ID_META, purchase_order, vtiger_order
from app.mapping.values import PatchOptions, Refusal, Value
from app.policies.schemas import SyncPolicy
from app.records import Module
from app.sync.order_references import CrmOrder, ShopOrder
from app.sync.order_returning import OrderReturned, OrderReturner
from app.sync.order_sides import OrderSides, crm_order, shop_order
from app.sync.order_twins import OrderTwins
from app.sync.order_writing import OrderWriter, OrderWritten
from app.sync.sides import Side, Skip, Written, custom_objection
from app.vtiger.orders import ORDERS, PURCHASE_ORDER
from app.vtiger.schemas import VtigerRecord

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
            with once_made():
                return await self._vtiger_written(source, written)
        returned = await self.returner.create(crm_order(source), source.values.values)
        return await self.made_in_shop(source, returned)

    async def made_in_shop(self, source: Side, returned: OrderReturned) -> Written:
        """What the shop answered to the create of an order."""
        with once_made():
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

    async def members(self, side: Side) -> Sequence[Side]:  # noqa: ARG002
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

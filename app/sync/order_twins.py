"""Finding the order that an order without a link was made into, whole or half."""

from dataclasses import dataclass, replace
from datetime import timedelta

from app.errors import NotFound, System
from app.links.repository import find_intent
from app.mapping.sales_orders import CREATED_VIA, FOREIGN_ID_META, find_store, purchase_order
from app.mapping.values import Mapped
from app.sync.foreign_ids import deleted_twin, is_plausible
from app.sync.order_history import OrderHistory
from app.sync.order_returning import OrderReturner
from app.sync.order_sides import LINES, OrderSides, claimed, crm_order, shop_order
from app.sync.order_writing import is_half_made
from app.sync.sides import Side, Skip
from app.vtiger.orders import PURCHASE_ORDER

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

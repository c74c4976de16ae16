"""Finding the order that an order without a link was made into, whole or half."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.errors import NotFound, System
from app.links.repository import find_intent
from app.mapping.order_refs import Buyer
from app.mapping.sales_orders import FOREIGN_ID_META, purchase_order
from app.mapping.values import Mapped
from app.sync.foreign_ids import is_plausible
from app.sync.order_returning import OrderReturner
from app.sync.order_sides import OrderSides, crm_order, shop_order
from app.sync.order_writing import is_half_made
from app.sync.sides import Side
from app.vtiger.orders import PURCHASE_ORDER
from app.woocommerce.schemas import WooOrder

OVERLAP = timedelta(minutes=2)
LINES = frozenset({"lines"})


@dataclass(frozen=True, slots=True)
class OrderTwins:
    """Looks by purchase order, which only we write so; else by the id that a record carries."""

    sides: OrderSides
    returner: OrderReturner

    async def search(self, side: Side) -> list[Side]:
        if side.system is System.WOOCOMMERCE:
            return await self._search_vtiger(side)
        twin = await self._find_in_shop(side)
        return [replace(twin, made=frozenset(twin.values.values))] if twin else []

    async def _search_vtiger(self, side: Side) -> list[Side]:
        """By PO; else by the id in the order, if Vtiger's names this one too (contract §10)."""
        number = purchase_order(self.sides.store, side.id)
        vtiger = self.sides.runtime.vtiger
        found = await vtiger.search_orders_by_purchase_order(number)
        twins = [await self._find_in_vtiger(side, record.id) for record in found]
        if not found and side.foreign_id and is_plausible(System.VTIGER, side.foreign_id):
            twin = await self._find_in_vtiger(side, side.foreign_id)
            twins = [twin] if twin and twin.foreign_id == side.id else []
        return [twin for twin in twins if twin is not None]

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

    async def _find_in_shop(self, side: Side) -> Side | None:
        if side.foreign_id is None:
            return await self._find_made(side)
        if not is_plausible(System.WOOCOMMERCE, side.foreign_id):
            return None
        twin = await self.sides.find(System.WOOCOMMERCE, side.foreign_id)
        told = crm_order(side).record.get(PURCHASE_ORDER)
        agreed = told == purchase_order(self.sides.store, side.foreign_id)
        return twin if twin and (agreed or twin.foreign_id == side.id) else None

    async def _find_made(self, side: Side) -> Side | None:
        """What a broken create of ours left: the shop cannot be asked by a foreign id."""
        async with self.sides.runtime.sessions() as session:
            intent = await find_intent(session, self.sides.record(System.VTIGER, side.id))
        if intent is None:
            return None
        buyer = await self.returner.buyers.buyer_of(crm_order(side).record)
        order = await self._find_marked(side.id, buyer, since=intent[0].created_at)
        return await self.sides.of_woo(order) if order else None

    async def _find_marked(
        self, vtiger_id: str, buyer: Buyer, *, since: datetime
    ) -> WooOrder | None:
        """Among the buyer's latest orders, or all that changed since the create was tried."""
        woo = self.returner.woo
        if buyer.email:
            return _marked(await woo.search_orders_of(buyer.email), vtiger_id)
        return _marked([one async for one in woo.each_order(since - OVERLAP)], vtiger_id)


def _marked(orders: Iterable[WooOrder], vtiger_id: str) -> WooOrder | None:
    return next((one for one in orders if one.meta(FOREIGN_ID_META) == vtiger_id), None)

"""The calls about sales orders and their lines."""

from collections.abc import Sequence
from contextlib import suppress

from app.vtiger.batches import AddonGone
from app.vtiger.query import equals, one_of
from app.vtiger.reading import ReadingCalls
from app.vtiger.records import ORDER_LINES
from app.vtiger.schemas import VtigerOrder, VtigerRecord
from app.vtiger.versions import damages_orders

ORDERS = "SalesOrder"
PURCHASE_ORDER = "vtiger_purchaseorder"
PURCHASE_ORDER_LENGTH = 200
ORDER_COLUMNS = (
    "subject",
    PURCHASE_ORDER,
    "sostatus",
    "hdnGrandTotal",
    "createdtime",
    "modifiedtime",
    "modifiedby",
)
"""Named, because with `*` or a column of the lines a query counts and mixes lines (contract page
Vtiger §0.11)."""
HEADER_COLUMNS = (
    *ORDER_COLUMNS,
    "description",
    *(
        f"{block}_{part}"
        for block in ("bill", "ship")
        for part in ("street", "city", "code", "state", "country")
    ),
)
"""The same with all that a person edits beside the lines."""


class OrderCalls(ReadingCalls):
    """Module SalesOrder, and LineItem to read only.

    Orders are written by `create` and `revise`, whose answers hold just-computed totals as
    floats: read the order back. A revise without `conversion_rate` resets it to 1, one with
    LineItems blanks tax mode, shipping and adjustment unless they are sent along (contract page
    Vtiger §0.7, §3, §10).
    """

    async def version(self) -> str:
        """Vtiger's version, such as `8.2.0`, as the login told it; "" for Cloud."""
        return await self._api.version()

    async def ask_version(self) -> str:
        """The same, asked anew."""
        return await self._api.ask_version()

    async def takes_orders(self, *, anew: bool = False) -> bool:
        """Whether orders can be written with their lines, and deleted: the add-on does it, or this
        version of Vtiger bears it. `anew`: what was told some minutes ago does not do."""
        if anew:
            self.abilities.forget()
        if await self.saves(ORDERS):
            return True
        return not damages_orders(await (self.ask_version() if anew else self.version()))

    async def delete_order(self, order_id: str) -> None:
        """As of any record; where the add-on writes, also on 8.4 (84-stock-delete-order)."""
        if await self.saves(ORDERS):
            with suppress(AddonGone):
                await self._delete(order_id, ORDERS)
                return
        await self._refuse_unsafe()
        await self._api.write("delete", {"id": order_id}, alone=ORDER_LINES)

    async def retrieve_order(self, order_id: str) -> VtigerOrder:
        """An order with its lines (00-REFERENCE-so-retrieve-full-group). NotFound."""
        answer = await self._api.read("retrieve", {"id": order_id})
        return VtigerOrder.parse(answer, ORDERS).answering(order_id)

    async def search_orders_by_purchase_order(self, number: str) -> list[VtigerRecord]:
        """Orders with exactly this Purchase Order, by id, with ORDER_COLUMNS only.

        Also the ghost that a failed create left behind. Vtiger keeps 200 characters and ignores
        case, accents and trailing spaces, so they are compared here (contract page Vtiger §10).
        """
        wanted = number[:PURCHASE_ORDER_LENGTH]
        if not wanted:
            return []
        where = (equals(PURCHASE_ORDER, wanted),)
        found = self.search(ORDERS, where, columns=ORDER_COLUMNS)
        return [order async for order in found if order.get(PURCHASE_ORDER) == wanted]

    async def search_purchase_orders(self, numbers: Sequence[str]) -> frozenset[str]:
        """Those of at most 100 Purchase Orders that an order has (contract page Vtiger §10)."""
        where = (one_of(PURCHASE_ORDER, numbers),)
        found = self.search(ORDERS, where, columns=ORDER_COLUMNS)
        return frozenset([order.get(PURCHASE_ORDER) async for order in found])
